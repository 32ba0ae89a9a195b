/* `sitewire deploy` and `sitewire rollback`: request a deployment, and wait for it. */
#include "base/error.h"
#include "cli/deploy/arguments.h"
#include "cli/deploy/commands.h"
#include "cli/deploy/plan.h"
#include "cli/deploy/wait.h"
#include "cli/schema/output.h"
#include "cli/schema/value.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Sets what both requests have: --reason, --on-lost-lease, --dry-run and the commands. */
static sw_code set_common(sw_cli *cli, json_t *request, sw_error *error)
{
    const sw_args *args = &cli->args;
    const char *lost = sw_args_value(args, "on-lost-lease"), *events = getenv("SITEWIRE_EVENTS");
    json_t *commands = NULL;
    if (lost != NULL && strcasecmp(lost, "retry") != 0 && strcasecmp(lost, "fail") != 0)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "on_lost_lease",
                             "--on-lost-lease is fail or retry, not '%.60s'", lost);
    if (sw_args_has(args, "wait") &&
        (events == NULL || *events == '\0')) /* check before anything is requested */
        return sw_fail(error, SW_INVALID_ARGUMENT,
                       "--wait needs events, but SITEWIRE_EVENTS is not set: run `. DIR/env` in this shell "
                       "(`sitewire up --data DIR` writes that file)");
    if (sw_args_has(args, "dry-run") && sw_args_has(args, "wait"))
        return sw_cli_usage(
            cli, error, "--dry-run requests nothing, so there is nothing to --wait for; give one of them");
    sw_code code = sw_deployment_commands(cli, &commands, error);
    if (code != SW_OK)
        return code;
    if (commands != NULL)
        json_object_set_new(request, "commands", commands);
    if (lost != NULL)
        json_object_set_new(request, "on_lost_lease",
                            json_string(strcasecmp(lost, "retry") == 0 ? "RETRY" : "FAIL"));
    if (sw_args_has(args, "reason"))
        json_object_set_new(request, "reason", json_string(sw_args_value(args, "reason")));
    json_object_set_new(request, "validate_only", json_boolean(sw_args_has(args, "dry-run")));
    return SW_OK;
}

static void tell(const sw_cli *cli, const json_t *plan)
{
    const json_t *deployment = json_object_get(plan, "deployment");
    uint64_t id = sw_json_number(deployment, "id");
    if (cli->json) {
        sw_print_json_line(plan);
        return;
    }
    sw_deployment_plan_print(cli, plan, id == 0);
    if (id == 0)
        return;
    fflush(stdout);
    if (strcmp(sw_json_text(deployment, "status"), "REQUESTED") == 0)
        fprintf(stderr, "\nnext: somebody else approves it with `sitewire approve %" PRIu64 "`\n", id);
    else
        fprintf(stderr,
                "\nnext: `sitewire logs %" PRIu64 " -f` follows it, `sitewire deployment %" PRIu64
                "` shows all about it\n",
                id, id);
}

/* Makes the request with the id of --request-id or a random one, so that it takes effect once,
 * however often it is sent. */
static sw_code ask(sw_cli *cli, const char *method, json_t *request, sw_error *error)
{
    json_t *plan = NULL;
    const char *why = sw_args_value(&cli->args, "reason");
    const sw_metadata reason = {"reason", why};
    const sw_call_options options = {.size = sizeof(options),
                                     .timeout_ms = cli->timeout_ms,
                                     .request_id = sw_args_value(&cli->args, "request-id"),
                                     .metadata = &reason,
                                     .metadata_count = why != NULL};
    sw_code code = sw_cli_call(cli, method, request, &options, &plan, error);
    if (code == SW_OK && sw_args_has(&cli->args, "wait"))
        code = sw_deployment_wait(cli, plan, error);
    else if (code == SW_OK)
        tell(cli, plan);
    json_decref(plan);
    return code;
}

/* Sets a field from a flag that must be given. */
static sw_code set_required(sw_cli *cli, json_t *request, const char *flag, const char *field,
                            const char *what, sw_error *error)
{
    const char *value = sw_args_value(&cli->args, flag);
    if (value == NULL) {
        cli->usage_error = true;
        return sw_fail_field(error, SW_INVALID_ARGUMENT, field, "deploy takes --%s: %s", flag, what);
    }
    json_object_set_new(request, field, json_string(value));
    return SW_OK;
}

/* Sets the type in upper case, whatever the case of --type. */
static void set_type(const sw_args *args, json_t *request)
{
    char type[64];
    const char *given = sw_args_value(args, "type");
    if (given == NULL)
        return;
    sw_word_upper(type, sizeof(type), given, strlen(given));
    json_object_set_new(request, "type", json_string(type));
}

sw_code sw_cmd_deploy(sw_cli *cli, sw_error *error)
{
    const sw_args *args = &cli->args;
    char *project = NULL;
    if (args->word_count != 1)
        return sw_cli_usage(cli, error, "deploy takes one PROJECT, such as website:almanac");
    json_t *request = json_object();
    sw_code code = set_required(cli, request, "env", "environment", "where to", error);
    if (code == SW_OK)
        code = set_required(cli, request, "version", "version", "the version to deploy", error);
    if (code == SW_OK)
        code = set_common(cli, request, error);
    if (code == SW_OK)
        code = sw_deployment_project(cli, args->words[0], &project, error);
    if (code == SW_OK) {
        json_object_set_new(request, "project", json_string(project));
        set_type(args, request);
        if (sw_args_has(args, "docroot"))
            json_object_set_new(request, "docroot", json_string(sw_args_value(args, "docroot")));
        code = ask(cli, "/sitewire.deployment.v1.Deployments/RequestDeployment", request, error);
    }
    json_decref(request);
    free(project);
    return code;
}

sw_code sw_cmd_rollback(sw_cli *cli, sw_error *error)
{
    int64_t id;
    json_t *request = json_object();
    sw_code code = sw_deployment_id(cli, &id, error);
    if (code == SW_OK)
        code = set_common(cli, request, error);
    if (code == SW_OK) {
        json_object_set_new(request, "id", json_integer(id));
        code = ask(cli, "/sitewire.deployment.v1.Deployments/RollbackDeployment", request, error);
    }
    json_decref(request);
    return code;
}
