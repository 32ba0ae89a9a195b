/* `sitewire offboard`: ends a person, after showing what that means. */
#include "base/error.h"
#include "cli/schema/output.h"
#include "cli/schema/value.h"
#include "cli/system/commands.h"
#include "cli/term/grid.h"
#include <stdlib.h>

static sw_code call(sw_cli *cli, bool validate_only, json_t **reply, sw_error *error)
{
    const char *keep_as = sw_args_value(&cli->args, "keep-as");
    json_t *request = json_pack("{s:s,s:s,s:b}", "email", cli->args.words[0], "keep_as",
                                keep_as != NULL ? keep_as : "", "validate_only", validate_only);
    sw_code code = sw_cli_call(cli, "/sitewire.user.v1.Users/Offboard", request, NULL, reply, error);
    json_decref(request);
    return code;
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

/* Shows the plan and asks, unless --yes or --json was given or there is no terminal. */
static sw_code ask(sw_cli *cli, sw_error *error)
{
    json_t *plan = NULL;
    sw_code code = call(cli, true, &plan, error);
    if (code == SW_OK) {
        print_steps(cli, plan);
        fflush(stdout);
    }
    json_decref(plan);
    if (code == SW_OK && !sw_args_has(&cli->args, "dry-run") && !sw_cli_confirm(cli, "do all of this?"))
        code = sw_fail(error, SW_CANCELLED, "nothing was changed");
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
        return sw_fail(error, SW_INVALID_ARGUMENT,
                       "--yes is needed without a terminal; --dry-run shows the plan");
    sw_code code = dry_run || !silent ? ask(cli, error) : SW_OK;
    if (code != SW_OK || dry_run)
        return code;
    code = call(cli, false, &reply, error);
    if (code == SW_OK && silent)
        print_steps(cli, reply);
    json_decref(reply);
    return code;
}
