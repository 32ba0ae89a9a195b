/* `sitewire approve` and `sitewire abort`: decisions about somebody's deployment. */
#include "base/error.h"
#include "cli/deploy/arguments.h"
#include "cli/deploy/commands.h"
#include "cli/deploy/follow.h"
#include "cli/deploy/plan.h"
#include "cli/schema/output.h"
#include "cli/schema/value.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HASH_DIGITS 64 /* of a SHA-256 */

/* Shows the plan and asks for approval. */
static sw_code ask(sw_cli *cli, const json_t *plan, sw_error *error)
{
    if (!cli->json && !sw_args_has(&cli->args, "yes")) {
        sw_deployment_plan_print(cli, plan, true);
        putchar('\n');
        fflush(stdout);
    }
    return sw_cli_confirm(cli, "approve this plan?") ? SW_OK
                                                     : sw_fail(error, SW_CANCELLED, "it was not approved");
}

/* Sets the hash: that of --plan-hash, or of the plan that was just shown and approved. */
static sw_code agree(sw_cli *cli, int64_t id, json_t *request, sw_error *error)
{
    const char *hash = sw_args_value(&cli->args, "plan-hash");
    bool asks = isatty(STDIN_FILENO) && cli->err_terminal && cli->out_terminal;
    json_t *plan = NULL;
    if (hash != NULL && (strlen(hash) != HASH_DIGITS || strspn(hash, "0123456789abcdef") != HASH_DIGITS))
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "plan_hash",
                             "--plan-hash takes the 64 hexadecimal digits that `sitewire deployment %" PRId64
                             "` shows, not '%.80s'",
                             id, hash);
    if (hash != NULL) {
        json_object_set_new(request, "plan_hash", json_string(hash));
        return SW_OK;
    }
    if (!asks && !sw_args_has(&cli->args, "yes"))
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "plan_hash",
                             "there is no terminal to ask on: give --plan-hash HASH (`sitewire deployment "
                             "%" PRId64 "` shows it), or --yes to approve the current plan",
                             id);
    sw_code code = sw_cli_call(cli, "Deployments/GetDeploymentPlan", request, NULL, &plan, error);
    if (code == SW_OK)
        code = ask(cli, plan, error);
    if (code == SW_OK)
        json_object_set(request, "plan_hash", json_object_get(plan, "plan_hash"));
    json_decref(plan);
    return code;
}

/* Makes one call about the deployment that the word names, and prints the reply. */
static sw_code decide(sw_cli *cli, const char *method,
                      sw_code (*fill)(sw_cli *, int64_t, json_t *, sw_error *),
                      void (*tell)(const json_t *deployment, int64_t id), sw_error *error)
{
    int64_t id;
    json_t *reply = NULL;
    sw_code code = sw_deployment_id(cli, &id, error);
    if (code != SW_OK)
        return code;
    json_t *request = json_pack("{s:I}", "id", (json_int_t)id);
    code = fill(cli, id, request, error);
    if (code == SW_OK)
        code = sw_cli_call(cli, method, request, NULL, &reply, error);
    if (code == SW_OK && cli->json)
        sw_print_json_line(reply);
    else if (code == SW_OK)
        tell(reply, id);
    json_decref(request);
    json_decref(reply);
    return code;
}

static void tell_approval(const json_t *deployment, int64_t id)
{
    if (strcmp(sw_json_text(deployment, "status"), "REQUESTED") == 0) {
        printf("deployment %" PRId64 " is still REQUESTED: it needs more approvals than yours\n", id);
        return;
    }
    printf("deployment %" PRId64 " is %s, approved by ", id, sw_json_text(deployment, "status"));
    sw_print_safe(sw_json_text(deployment, "approver"));
    putchar('\n');
}

sw_code sw_cmd_approve(sw_cli *cli, sw_error *error)
{
    return decide(cli, "Deployments/ApproveDeployment", agree, tell_approval, error);
}

static sw_code set_reason(sw_cli *cli, int64_t id, json_t *request, sw_error *error)
{
    (void)id;
    (void)error;
    if (sw_args_has(&cli->args, "reason"))
        json_object_set_new(request, "reason", json_string(sw_args_value(&cli->args, "reason")));
    return SW_OK;
}

static void tell_abort(const json_t *deployment, int64_t id)
{
    const char *status = sw_json_text(deployment, "status");
    printf("deployment %" PRId64 " is %s", id, status);
    if (!sw_status_is_final(status)) {
        fputs(": its runner ", stdout);
        sw_print_safe(sw_json_text(deployment, "runner"));
        fputs(" was told to end it", stdout);
    }
    putchar('\n');
}

sw_code sw_cmd_abort(sw_cli *cli, sw_error *error)
{
    return decide(cli, "Deployments/AbortDeployment", set_reason, tell_abort, error);
}
