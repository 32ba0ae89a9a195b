/* `sitewire health`: can the services serve? `sitewire drain`: takes a process out of service. */
#include "base/clock.h"
#include "base/error.h"
#include "cli/run/interrupt.h"
#include "cli/system/commands.h"
#include "cli/term/grid.h"
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MS  200
#define CHECK_MS 2000 /* time limit of one check without --timeout */

/* Makes one check; `text` gets SERVING, with its limits, or the reason why not. */
static sw_code check(sw_cli *cli, const char *service, json_t **reply, char *text, size_t size)
{
    sw_call_options options = {.size = sizeof(options),
                               .destination = service,
                               .no_retry = true,
                               .timeout_ms = cli->timeout_ms > 0 ? cli->timeout_ms : CHECK_MS};
    sw_error error = {0};
    json_t *answer = NULL;
    sw_code code = sw_cli_call(cli, "/sitewire.rpc.v1.Health/Check", NULL, &options, &answer, &error);
    const char *status = json_string_value(json_object_get(answer, "status"));
    const char *reason = json_string_value(json_object_get(answer, "reason"));
    if (code != SW_OK)
        snprintf(text, size, "%s: %s", sw_code_name(code), error.message);
    else if (status == NULL || strcmp(status, "SERVING") != 0) {
        snprintf(text, size, "%s%s%s", status != NULL ? status : "UNKNOWN",
                 reason != NULL && *reason ? ": " : "", reason != NULL ? reason : "");
        code = SW_UNAVAILABLE;
    } else {
        snprintf(text, size, "SERVING%s%s", reason != NULL && *reason ? ", but " : "",
                 reason != NULL ? reason : "");
    }
    if (reply != NULL)
        *reply = answer;
    else
        json_decref(answer);
    return code;
}

/* Checks until all services are well or the time is over. */
static sw_code check_until(sw_cli *cli, const char *service, int64_t deadline_ms, char *text, size_t size)
{
    for (;;) {
        sw_code code = check(cli, service, NULL, text, size);
        if (code == SW_OK || sw_now_ms() >= deadline_ms || sw_cli_stopped())
            return code;
        poll(NULL, 0, POLL_MS);
        sw_cli_renew_deadline(cli);
    }
}

/* What was checked so far. */
typedef struct survey {
    sw_grid *table;
    unsigned count, good;
    char trouble[SW_ERROR_MESSAGE_SIZE + 160]; /* the first failure */
} survey;

static void report(sw_cli *cli, survey *all, const char *name, const char *text, bool good)
{
    all->count++;
    all->good += good;
    if (!good && all->trouble[0] == '\0')
        snprintf(all->trouble, sizeof(all->trouble), "%s: %s", name, text);
    if (cli->json) {
        json_t *line = json_pack("{s:s,s:b,s:s}", "service", name, "serving", good, "status", text);
        json_dumpf(line, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(line);
        return;
    }
    sw_grid_add(all->table, name);
    sw_grid_add(all->table, text);
}

/* The statuses of plugins for Nagios, Icinga and their kind (Monitoring Plugins Development
 * Guidelines). */
enum { NAGIOS_OK, NAGIOS_CRITICAL = 2, NAGIOS_UNKNOWN };

/* Prints one line as a plugin does; '|' separates its figures. Returns the exit status. UNKNOWN:
 * the check itself could not be made. */
static int report_to_monitor(survey *all, sw_code code, const sw_error *error)
{
    static const char *const names[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};
    bool is_unknown =
        code == SW_UNAUTHENTICATED || code == SW_PERMISSION_DENIED || code == SW_INVALID_ARGUMENT;
    int status = code == SW_OK ? NAGIOS_OK : is_unknown ? NAGIOS_UNKNOWN : NAGIOS_CRITICAL;
    const char *trouble = all->trouble[0] != '\0' ? all->trouble : error->message;
    char *safe = sw_text_safe(code == SW_OK ? "all can serve" : trouble, false);
    for (char *at = safe; at != NULL && *at != '\0'; at++)
        *at = *at == '|' || *at == '\n' ? '/' : *at;
    printf("SITEWIRE %s - %s | checked=%u serving=%u\n", names[status], safe != NULL ? safe : "", all->count,
           all->good);
    free(safe);
    return status;
}

static bool is_of_a_worker(const char *service)
{
    return service != NULL && strncmp(service, "sitewire.rpc.", 13) != 0;
}

/* Lists the services that the broker knows, and waits for the first one. None at all is a
 * failure. */
static sw_code known_services(sw_cli *cli, int64_t deadline_ms, json_t **services, sw_error *error)
{
    for (;;) {
        json_t *schema = NULL, *item;
        size_t index, count = 0;
        sw_code code = sw_cli_call(cli, "/sitewire.rpc.v1.Reflection/GetSchema", NULL, NULL, &schema, error);
        *services = json_incref(json_object_get(schema, "services"));
        json_decref(schema);
        json_array_foreach(*services, index, item) count += is_of_a_worker(json_string_value(item));
        if (code != SW_OK || count > 0)
            return code;
        if (sw_now_ms() >= deadline_ms || sw_cli_stopped())
            return sw_fail(error, SW_UNAVAILABLE,
                           "no service is registered at the broker yet: start one, such as "
                           "sitewire-referential, with the broker's backend");
        json_decref(*services);
        *services = NULL;
        poll(NULL, 0, POLL_MS);
        sw_cli_renew_deadline(cli);
    }
}

/* The full name of a service that may be given by its last part. */
static const char *full_name(sw_cli *cli, const char *name)
{
    const sw_schema *schema;
    const sw_schema_service *service;
    if (strchr(name, '.') != NULL || *name == '@' || sw_cli_schema(cli, &schema, NULL) != SW_OK)
        return name;
    service = sw_schema_find_service(schema, name);
    return service != NULL ? service->name : name;
}

/* The broker, and every service that it knows. */
static sw_code check_all(sw_cli *cli, survey *all, int64_t deadline_ms, sw_error *error)
{
    char text[SW_ERROR_MESSAGE_SIZE + 32];
    json_t *services = NULL, *item;
    size_t index;
    sw_code code = check_until(cli, NULL, deadline_ms, text, sizeof(text));
    report(cli, all, "broker", text, code == SW_OK);
    if (code == SW_OK)
        code = known_services(cli, deadline_ms, &services, error);
    json_array_foreach(services, index, item)
    {
        const char *name = json_string_value(item);
        if (!is_of_a_worker(name))
            continue;
        sw_code outcome = check_until(cli, name, deadline_ms, text, sizeof(text));
        report(cli, all, name, text, outcome == SW_OK);
        code = code == SW_OK ? outcome : code;
    }
    json_decref(services);
    return code;
}

static sw_code check_one(sw_cli *cli, survey *all, int64_t deadline_ms)
{
    char text[SW_ERROR_MESSAGE_SIZE + 32];
    const char *name = full_name(cli, cli->args.words[0]);
    sw_code code = check_until(cli, name, deadline_ms, text, sizeof(text));
    report(cli, all, name, text, code == SW_OK);
    return code;
}

sw_code sw_cmd_health(sw_cli *cli, sw_error *error)
{
    static const sw_grid_column columns[] = {{"service", false, true}, {"status", false, true}};
    int64_t wait_ms;
    sw_client *client;
    bool for_monitor = sw_args_has(&cli->args, "nagios");
    sw_code code = sw_args_duration_ms(&cli->args, "wait", 0, 0, &wait_ms, error);
    if (code == SW_OK && cli->args.word_count > 1)
        code = sw_cli_usage(cli, error, "health takes at most one SERVICE");
    if (code == SW_OK && for_monitor && cli->json)
        code =
            sw_cli_usage(cli, error, "--nagios and --json are two forms of the same output; give only one");
    if (code != SW_OK)
        return code;
    survey all = {.table = sw_grid_new(columns, 2)};
    int64_t deadline_ms = sw_now_ms() + wait_ms;
    code = sw_cli_client(cli, &client, error);
    if (code == SW_OK)
        code = cli->args.word_count == 1 ? check_one(cli, &all, deadline_ms)
                                         : check_all(cli, &all, deadline_ms, error);
    if (for_monitor) {
        code = (sw_code)report_to_monitor(&all, code, error);
        *error = (sw_error){.code = code};
    } else if (!cli->json && all.count > 0) {
        sw_grid_print(all.table, stdout, sw_terminal_width(cli->out_terminal), cli->out_color, NULL);
    }
    sw_grid_destroy(&all.table);
    if (code != SW_OK && error->message[0] == '\0')
        error->code = code; /* the table has reported it */
    return code;
}

sw_code sw_cmd_drain(sw_cli *cli, sw_error *error)
{
    if (cli->args.word_count != 1 ||
        (cli->args.words[0][0] != '@' && strcmp(cli->args.words[0], "broker") != 0))
        return sw_cli_usage(cli, error,
                            "drain takes one @INSTANCE (`sitewire status` lists them), or `broker`");
    const char *who = cli->args.words[0];
    int64_t wait_ms;
    sw_code code = sw_args_duration_ms(&cli->args, "grace", 0, 0, &wait_ms, error);
    if (code != SW_OK)
        return code;
    sw_call_options options = {
        .size = sizeof(options), .destination = *who == '@' ? who : NULL, .no_retry = true};
    json_t *request = json_pack("{s:I}", "timeout_ms", (json_int_t)wait_ms), *reply = NULL;
    code = sw_cli_call(cli, "/sitewire.rpc.v1.Drain/Drain", request, &options, &reply, error);
    if (code == SW_OK && cli->json)
        json_dumpf(reply, stdout, JSON_COMPACT);
    else if (code == SW_OK)
        printf("%s takes no new calls; %lld in flight", who,
               (long long)json_integer_value(json_object_get(reply, "in_flight")));
    if (code == SW_OK)
        putchar('\n');
    json_decref(request);
    json_decref(reply);
    return code;
}
