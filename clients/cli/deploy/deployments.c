/* `sitewire deployments`: a list like those of `sitewire list`, with flags for common questions. */
#include "base/error.h"
#include "cli/deploy/arguments.h"
#include "cli/deploy/commands.h"
#include "cli/registry/list.h"
#include "cli/schema/value.h"
#include <stdlib.h>
#include <string.h>

#define LIST_LIMIT 50

static void add_filter(json_t *filters, const char *field, const char *value)
{
    json_array_append_new(filters, json_pack("{s:s,s:s,s:[s]}", "field", field, "op", "=", "values", value));
}

/* Adds the filter of --mine. */
static sw_code add_mine(sw_cli *cli, json_t *filters, sw_error *error)
{
    json_t *profile = NULL;
    sw_code code = sw_cli_call(cli, "/sitewire.user.v1.Users/WhoAmI", NULL, NULL, &profile, error);
    if (code == SW_OK)
        add_filter(filters, "requester", sw_json_text(profile, "email"));
    json_decref(profile);
    return code;
}

/* Adds the filter of --status; the words may be in any case. */
static sw_code add_status(json_t *filters, const char *given, sw_error *error)
{
    static const char *const all[] = {"REQUESTED", "ACCEPTED", "IN_PROGRESS", "DONE", "FAILED", "ABORTED"};
    const size_t count = sizeof(all) / sizeof(*all);
    json_t *values = json_array();
    json_array_append_new(filters,
                          json_pack("{s:s,s:s,s:o}", "field", "status", "op", "in", "values", values));
    while (*given != '\0') {
        size_t length = strcspn(given, ","), i = 0;
        char status[40];
        sw_word_upper(status, sizeof(status), given, length);
        while (i < count && strcmp(all[i], status) != 0)
            i++;
        if (i == count)
            return sw_fail_field(error, SW_INVALID_ARGUMENT, "status",
                                 "--status '%.*s': it must be one of requested, accepted, in-progress, done, "
                                 "failed, aborted, or several of them, separated by commas",
                                 length < 40 ? (int)length : 40, given);
        json_array_append_new(values, json_string(status));
        given += length + (given[length] == ',');
    }
    return SW_OK;
}

sw_code sw_cmd_deployments(sw_cli *cli, sw_error *error)
{
    static const struct {
        const char *flag, *field;
    } plain[] = {{"env", "environment"}, {"docroot", "docroot"}, {"version", "version"}, {"type", "type"}};
    const sw_args *args = &cli->args;
    char *project = NULL;
    json_t *filters = json_array();
    sw_code code = SW_OK;
    if (sw_args_has(args, "project"))
        code = sw_deployment_project(cli, sw_args_value(args, "project"), &project, error);
    if (project != NULL)
        add_filter(filters, "project", project);
    for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
        if (sw_args_has(args, plain[i].flag))
            add_filter(filters, plain[i].field, sw_args_value(args, plain[i].flag));
    if (code == SW_OK && sw_args_has(args, "status"))
        code = add_status(filters, sw_args_value(args, "status"), error);
    if (code == SW_OK && sw_args_has(args, "mine"))
        code = add_mine(cli, filters, error);
    const sw_listing listing = {.resource = "deployment",
                                .filters = filters,
                                .order = "-id",
                                .fields =
                                    "id,status,project,docroot,environment,version,requester,requested_at,"
                                    "finished_at,failure",
                                .limit = LIST_LIMIT};
    if (code == SW_OK)
        code = sw_list(cli, &listing, error);
    json_decref(filters);
    free(project);
    return code;
}
