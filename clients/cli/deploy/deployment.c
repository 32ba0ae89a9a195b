/* `sitewire deployment`: everything that is known about one deployment. */
#include "base/error.h"
#include "cli/deploy/arguments.h"
#include "cli/deploy/commands.h"
#include "cli/deploy/event_text.h"
#include "cli/deploy/follow.h"
#include "cli/deploy/plan.h"
#include "cli/schema/output.h"
#include "cli/schema/value.h"
#include "cli/term/grid.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 1000

/* --- Reading --- */

typedef struct list {
    const char *name; /* its name in --json */
    const char *method, *field, *order;
    const char *kind; /* for events: their kind; else NULL */
} list;

/* All items of a list that belong to the deployment; a new reference. */
static sw_code read_all(sw_cli *cli, const list *of, int64_t id, json_t **items, sw_error *error)
{
    sw_code code = SW_OK;
    json_t *request =
        json_pack("{s:[{s:s,s:[o]}],s:[{s:s}],s:i}", "filters", "field", of->field, "values",
                  json_sprintf("%" PRId64, id), "order_by", "field", of->order, "page_size", PAGE);
    if (of->kind != NULL)
        json_array_append_new(json_object_get(request, "filters"),
                              json_pack("{s:s,s:[s]}", "field", "kind", "values", of->kind));
    *items = json_array();
    for (bool more = true; code == SW_OK && more;) {
        json_t *page = NULL, *token;
        code = sw_cli_call(cli, of->method, request, NULL, &page, error);
        if (code == SW_OK)
            sw_cli_renew_deadline(cli);
        json_array_extend(*items, json_object_get(page, "items"));
        token = json_object_get(page, "next_page_token");
        more = json_string_length(token) > 0;
        json_object_set(request, "page_token", token);
        json_decref(page);
    }
    json_decref(request);
    return code;
}

/* Reads everything about it into one object. */
static sw_code read_record(sw_cli *cli, int64_t id, json_t *record, sw_error *error)
{
    static const list lists[] = {
        {"commands", "Deployments/ListDeploymentCommands", "deployment", "number", NULL},
        {"results", "Deployments/ListDeploymentCommandResults", "deployment", "started_at", NULL},
        {"rollbacks", "Deployments/ListDeployments", "rollback_of", "id", NULL},
        {"events", "Deployments/ListEvents", "deployment", "position", "state"}};
    json_t *request = json_pack("{s:I}", "id", (json_int_t)id), *reply = NULL;
    sw_code code = sw_cli_call(cli, "Deployments/GetDeployment", request, NULL, &reply, error);
    bool over = sw_status_is_final(sw_json_text(reply, "status"));
    if (code == SW_OK)
        json_object_set_new(record, "deployment", reply);
    /* A deployment that is over has no plan. */
    if (code == SW_OK && !over) {
        code = sw_cli_call(cli, "Deployments/GetDeploymentPlan", request, NULL, &reply, error);
        if (code == SW_OK)
            json_object_set_new(record, "plan", reply);
    }
    for (size_t i = 0; code == SW_OK && i < sizeof(lists) / sizeof(*lists); i++) {
        json_t *items = NULL;
        code = read_all(cli, &lists[i], id, &items, error);
        json_object_set_new(record, lists[i].name, items);
    }
    json_decref(request);
    return code;
}

/* --- Printing --- */

/* Prints `2026-11-24T10:00:00.123Z by somebody`, or nothing if it has not happened. */
static void print_when(const sw_cli *cli, const json_t *deployment, const char *name, const char *field,
                       const char *by, const char *who)
{
    int64_t at_us = sw_json_time_us(deployment, field);
    char at[SW_TIME_TEXT_SIZE], *text = NULL;
    if (at_us == 0)
        return;
    sw_event_time(at, at_us);
    if (asprintf(&text, "%s%s%s", at, *who != '\0' ? by : "", who) >= 0)
        sw_print_fact(cli, name, text);
    free(text);
}

static void print_life(const sw_cli *cli, const json_t *d)
{
    char *runner = NULL;
    uint64_t claims = sw_json_number(d, "fence");
    if (*sw_json_text(d, "runner") != '\0' &&
        asprintf(&runner, "%s (%s)%s", sw_json_text(d, "runner"), sw_json_text(d, "runner_user"),
                 claims > 1 ? ", not the first attempt" : "") < 0)
        runner = NULL;
    print_when(cli, d, "requested", "requested_at", " by ", sw_json_text(d, "requester"));
    print_when(cli, d, *sw_json_text(d, "approver") != '\0' ? "approved" : "accepted", "accepted_at", " by ",
               sw_json_text(d, "approver"));
    print_when(cli, d, "started", "started_at", " by the runner ", runner != NULL ? runner : "");
    print_when(cli, d, "abort asked", "abort_requested_at", " by ", sw_json_text(d, "aborter"));
    print_when(cli, d, "finished", "finished_at", ": ", sw_json_text(d, "status"));
    print_when(cli, d, "no output", "output_removed_at", ": removed by ", sw_json_text(d, "output_remover"));
    free(runner);
}

static void print_took(const sw_cli *cli, const json_t *d)
{
    char span[SW_SPAN_TEXT_SIZE];
    int64_t started = sw_json_time_us(d, "started_at"), finished = sw_json_time_us(d, "finished_at");
    if (started == 0 || finished == 0)
        return;
    sw_span_text(span, finished - started);
    sw_print_fact(cli, "took", span);
}

/* Prints what it rolls back, and what has rolled it back. */
static void print_links(const sw_cli *cli, const json_t *record)
{
    const json_t *d = json_object_get(record, "deployment"),
                 *rollbacks = json_object_get(record, "rollbacks");
    char text[96];
    size_t index;
    json_t *rollback;
    if (sw_json_number(d, "rollback_of") > 0) {
        snprintf(text, sizeof(text), "%" PRIu64, sw_json_number(d, "rollback_of"));
        sw_print_fact(cli, "rollback of", text);
    }
    json_array_foreach(rollbacks, index, rollback)
    {
        snprintf(text, sizeof(text), "by %" PRIu64 ", which is %.40s", sw_json_number(rollback, "id"),
                 sw_json_text(rollback, "status"));
        sw_print_fact(cli, "rolled back", text);
    }
}

static void add_attempt(sw_grid *grid, const json_t *result)
{
    char at[SW_TIME_TEXT_SIZE], span[SW_SPAN_TEXT_SIZE] = "";
    int64_t started = sw_json_time_us(result, "started_at"),
            finished = sw_json_time_us(result, "finished_at");
    char *text = sw_attempt_text(result);
    if (finished != 0)
        sw_span_text(span, finished - started);
    sw_event_time(at, started);
    sw_grid_addf(grid, "%" PRIu64, sw_json_number(result, "attempt"));
    sw_grid_add(grid, at);
    sw_grid_add(grid, span);
    sw_grid_addf(grid, "%" PRIu64 "%s",
                 sw_json_number(result, "stdout_bytes") + sw_json_number(result, "stderr_bytes"),
                 json_is_true(json_object_get(result, "truncated")) ? ", cut" : "");
    sw_grid_add(grid, sw_json_text(result, "runner"));
    sw_grid_add(grid, text != NULL ? text : "");
    free(text);
}

/* Prints a line for each attempt, and one for each command without attempts. */
static void print_attempts(const sw_cli *cli, const json_t *record)
{
    static const sw_grid_column columns[] = {
        {"#", true, true},       {"step", false, true},     {"command", false, true},
        {"attempt", true, true}, {"started", false, false}, {"took", true, true},
        {"bytes", true, false},  {"runner", false, false},  {"result", false, true}};
    sw_grid *grid = sw_grid_new(columns, sizeof(columns) / sizeof(*columns));
    size_t i, k;
    json_t *command, *result;
    if (grid == NULL)
        return;
    json_array_foreach(json_object_get(record, "commands"), i, command)
    {
        char *text = sw_command_text(command);
        uint64_t number = sw_json_number(command, "number");
        size_t attempts = 0;
        json_array_foreach(json_object_get(record, "results"), k, result)
        {
            if (sw_json_number(result, "command") != number)
                continue;
            sw_grid_addf(grid, "%" PRIu64, number);
            sw_grid_add(grid, sw_json_text(command, "step"));
            sw_grid_add(grid, text != NULL ? text : "");
            add_attempt(grid, result);
            attempts++;
        }
        if (attempts == 0) {
            sw_grid_addf(grid, "%" PRIu64, number);
            sw_grid_add(grid, sw_json_text(command, "step"));
            sw_grid_add(grid, text != NULL ? text : "");
            for (size_t empty = 3; empty < sizeof(columns) / sizeof(*columns); empty++)
                sw_grid_add(grid, "");
        }
        free(text);
    }
    if (sw_grid_rows(grid) > 0) {
        putchar('\n');
        sw_grid_print(grid, stdout, sw_terminal_width(cli->out_terminal), cli->out_color, NULL);
    }
    sw_grid_destroy(&grid);
}

/* Prints every change of state if the deployment was claimed more than once; otherwise the times
 * above say it all. */
static void print_states(const json_t *record)
{
    size_t index;
    json_t *event;
    if (sw_json_number(json_object_get(record, "deployment"), "fence") < 2)
        return;
    putchar('\n');
    json_array_foreach(json_object_get(record, "events"), index, event)
    {
        json_t *payload = json_loads(sw_json_text(event, "payload"), 0, NULL);
        char at[SW_TIME_TEXT_SIZE];
        sw_event_time(at, sw_json_time_us(event, "at"));
        printf("%s  ", at);
        sw_event_print("state", payload);
        json_decref(payload);
    }
}

static void print_whole(const sw_cli *cli, const json_t *record)
{
    const json_t *d = json_object_get(record, "deployment"), *plan = json_object_get(record, "plan");
    char number[80], *target = sw_target_text(d), *behind = sw_cell_text(json_object_get(plan, "behind"));
    snprintf(number, sizeof(number), "%" PRIu64 " is %.40s", sw_json_number(d, "id"),
             sw_json_text(d, "status"));
    sw_print_fact(cli, "deployment", number);
    sw_print_fact(cli, "target", target);
    sw_print_fact(cli, "type", sw_json_text(d, "type"));
    sw_print_fact(cli, "replaces", sw_json_text(d, "replaces"));
    sw_print_fact(cli, "reason", sw_json_text(d, "reason"));
    print_life(cli, d);
    print_took(cli, d);
    sw_print_fact(cli, "abort", sw_json_text(d, "abort_reason"));
    sw_print_fact(cli, "failure", sw_json_text(d, "failure"));
    print_links(cli, record);
    sw_deployment_plan_print_approvals(cli, plan);
    sw_print_fact(cli, "behind", behind);
    sw_print_fact(cli, "plan hash", sw_json_text(plan != NULL ? plan : d, "plan_hash"));
    print_states(record);
    if (json_array_size(json_object_get(record, "results")) > 0)
        print_attempts(cli, record);
    else
        sw_deployment_plan_print_commands(cli, json_object_get(record, "commands"));
    free(target);
    free(behind);
}

sw_code sw_cmd_deployment(sw_cli *cli, sw_error *error)
{
    int64_t id;
    json_t *record = json_object();
    sw_code code = sw_deployment_id(cli, &id, error);
    if (code == SW_OK)
        code = read_record(cli, id, record, error);
    if (code == SW_OK && cli->json)
        sw_print_json_line(record);
    else if (code == SW_OK)
        print_whole(cli, record);
    json_decref(record);
    return code;
}
