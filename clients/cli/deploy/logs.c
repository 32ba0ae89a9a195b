/* `sitewire logs`: the output of a deployment as it was written, from any byte on; with --follow
 * until it is over. */
#include "base/error.h"
#include "cli/deploy/arguments.h"
#include "cli/deploy/commands.h"
#include "cli/deploy/follow.h"
#include "cli/deploy/wait.h"
#include "cli/run/interrupt.h"
#include "cli/schema/output.h"
#include "cli/schema/value.h"
#include "cli/term/lines.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* On a terminal the output is made safe. */
typedef struct shown {
    sw_lines lines; /* both streams together, in the order written */
    bool troubled;
} shown;

static void print_bytes(const Sw__DeploymentLog *chunk, void *context)
{
    (void)context;
    fwrite(chunk->bytes.data, 1, chunk->bytes.len, stdout);
}

static void print_json(const Sw__DeploymentLog *chunk, void *context)
{
    (void)context;
    sw_chunk_print_json(chunk);
}

static void print_line(const char *line, void *context)
{
    (void)context;
    puts(line);
}

static void print_safe(const Sw__DeploymentLog *chunk, void *context)
{
    shown *s = context;
    sw_lines_feed(&s->lines, chunk->bytes.data, chunk->bytes.len);
}

static void print_trouble(const char *trouble, void *context)
{
    shown *s = context;
    sw_follow_complain(trouble, &s->troubled);
}

static sw_code show(sw_cli *cli, sw_follow *follow, const json_t *deployment, sw_error *error)
{
    sw_outcome outcome;
    if (!sw_args_has(&cli->args, "follow") || sw_status_is_final(sw_json_text(deployment, "status")))
        return sw_follow_read(cli, follow, error);
    sw_code code = sw_follow_run(cli, follow, &outcome, error);
    if (code == SW_OK && *outcome.status == '\0' && sw_cli_stopped())
        code = sw_fail(error, SW_CANCELLED, "interrupted; the deployment continues");
    return code;
}

static sw_code remove_output(sw_cli *cli, int64_t id, sw_error *error)
{
    json_t *request = json_pack("{s:I}", "id", (json_int_t)id), *deployment = NULL;
    sw_code code = sw_cli_call(cli, "Deployments/RemoveOutput", request, NULL, &deployment, error);
    if (code == SW_OK && cli->json)
        sw_print_json_line(deployment);
    else if (code == SW_OK)
        printf("the output of deployment %" PRId64 " is removed\n", id);
    json_decref(request);
    json_decref(deployment);
    return code;
}

sw_code sw_cmd_logs(sw_cli *cli, sw_error *error)
{
    const sw_args *args = &cli->args;
    shown s = {.lines = {.fn = print_line}};
    sw_follow follow = {.context = &s, .on_look = print_trouble};
    json_t *deployment = NULL;
    int64_t command;
    sw_code code = sw_deployment_id(cli, &follow.deployment, error);
    if (code == SW_OK)
        code = sw_args_number(args, "offset", 0, INT64_MAX, 0, &follow.offset, error);
    if (code == SW_OK)
        code = sw_args_number(args, "command", 1, INT32_MAX, 0, &command, error);
    if (code != SW_OK)
        return code;
    if (sw_args_has(args, "remove"))
        return remove_output(cli, follow.deployment, error);
    follow.command = (int32_t)command;
    follow.on_output = cli->json                                        ? print_json
                       : cli->out_terminal && !sw_args_has(args, "raw") ? print_safe
                                                                        : print_bytes;
    json_t *request = json_pack("{s:I}", "id", (json_int_t)follow.deployment);
    code = sw_cli_call(cli, "Deployments/GetDeployment", request, NULL, &deployment, error);
    if (code == SW_OK) {
        follow.project = sw_json_text(deployment, "project");
        code = show(cli, &follow, deployment, error);
    }
    sw_lines_flush(&s.lines);
    json_decref(request);
    json_decref(deployment);
    return code;
}
