/* `sitewire offboard`: ends a person, after showing what that means. */
#include "base/error.h"
#include "cli/schema/output.h"
#include "cli/schema/value.h"
#include "cli/system/commands.h"
#include "cli/term/grid.h"
#include <string.h>

static sw_code call(sw_cli *cli, bool validate_only, const char *plan_hash, json_t **reply, sw_error *error)
{
    const char *keep_as = sw_args_value(&cli->args, "keep-as");
    json_t *request =
        json_pack("{s:s,s:s,s:b,s:s}", "email", cli->args.words[0], "keep_as", keep_as != NULL ? keep_as : "",
                  "validate_only", validate_only, "plan_hash", plan_hash != NULL ? plan_hash : "");
    sw_code code = sw_cli_call(cli, "/sitewire.user.v1.Users/Offboard", request, NULL, reply, error);
    json_decref(request);
    return code;
}

/* Of all steps; "" if there is none. */
static const char *hash_of(const json_t *reply)
{
    const json_t *first = json_array_get(json_object_get(reply, "items"), 0);
    return first == NULL ? "" : sw_json_text(first, "plan_hash");
}

static void print_steps(const sw_cli *cli, const json_t *reply)
{
    static const sw_grid_column columns[] = {
        {"action", false, true}, {"resource", false, true}, {"key", false, true}, {"detail", false, true}};
    sw_grid *grid = sw_grid_new(columns, 4);
    size_t index;
    json_t *step;
    if (grid == NULL)
        return;
    json_array_foreach(json_object_get(reply, "items"), index, step)
    {
        if (cli->json)
            sw_print_json_line(step);
        sw_grid_add(grid, sw_json_text(step, "action"));
        sw_grid_add(grid, sw_json_text(step, "resource"));
        sw_grid_add(grid, sw_json_text(step, "key"));
        sw_grid_add(grid, sw_json_text(step, "detail"));
    }
    if (!cli->json && sw_grid_rows(grid) > 0)
        sw_grid_print(grid, stdout, 0, cli->out_color, NULL);
    if (sw_grid_rows(grid) == 0)
        fputs("there is nothing to end\n", stderr);
    sw_grid_destroy(&grid);
}

static sw_code show(sw_cli *cli, json_t **plan, sw_error *error)
{
    sw_code code = call(cli, true, NULL, plan, error);
    if (code != SW_OK)
        return code;
    print_steps(cli, *plan);
    if (!cli->json && *hash_of(*plan) != '\0')
        printf("plan hash: %s\n", hash_of(*plan));
    fflush(stdout);
    return SW_OK;
}

/* Does what the plan said that was shown. */
static sw_code carry_out(sw_cli *cli, const json_t *plan, sw_error *error)
{
    json_t *reply = NULL;
    if (*hash_of(plan) == '\0')
        return SW_OK;
    if (!sw_cli_confirm(cli, "do all of this?"))
        return sw_fail(error, SW_CANCELLED, "nothing was changed");
    sw_code code = call(cli, false, hash_of(plan), &reply, error);
    json_decref(reply);
    return code;
}

/* Shows the plan and asks. A plan that changed meanwhile is shown again. */
static sw_code ask(sw_cli *cli, sw_error *error)
{
    sw_code code;
    bool again;
    do {
        json_t *plan = NULL;
        code = show(cli, &plan, error);
        if (code == SW_OK)
            code = carry_out(cli, plan, error);
        json_decref(plan);
        again = code == SW_ABORTED && strcmp(error->field, "plan_hash") == 0;
        if (again)
            fputs("the plan has changed; this is the new one:\n", stderr);
    } while (again);
    return code;
}

sw_code sw_cmd_offboard(sw_cli *cli, sw_error *error)
{
    const sw_args *args = &cli->args;
    bool dry_run = sw_args_has(args, "dry-run"), silent = cli->json || sw_args_has(args, "yes");
    json_t *reply = NULL;
    if (args->word_count != 1)
        return sw_cli_usage(cli, error, "offboard takes the e-mail address of one user");
    if (!dry_run && !silent && (!cli->err_terminal || !cli->out_terminal))
        return sw_fail(
            error, SW_INVALID_ARGUMENT,
            "--yes is needed without a terminal; --dry-run shows the plan, and --plan HASH does it");
    if (!dry_run && !silent)
        return ask(cli, error);
    sw_code code =
        dry_run ? show(cli, &reply, error) : call(cli, false, sw_args_value(args, "plan"), &reply, error);
    if (code == SW_OK && !dry_run)
        print_steps(cli, reply);
    json_decref(reply);
    return code;
}
