/* `sitewire watch`: events of deployments, each once and in order, until a signal. */
#include "base/error.h"
#include "cli.h"
#include "output.h"
#include <inttypes.h>
#include <sitewire/watch.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_MS 200 /* how often a signal is looked for */

typedef struct shown {
    const sw_cli *cli;
    sw_watch *watch;
    int64_t count, limit;
    char *cursor; /* of the last one */
} shown;

/* --- Output --- */

static void print_time(char text[40], int64_t at_us)
{
    time_t seconds = (time_t)(at_us / 1000000);
    struct tm parts;
    size_t size = gmtime_r(&seconds, &parts) == NULL ? 0 : strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + size, 40 - size, ".%03dZ", (int)(at_us / 1000 % 1000));
}

static const char *text_of(const json_t *payload, const char *field)
{
    const char *text = json_string_value(json_object_get(payload, field));
    return text == NULL ? "" : text;
}

static long long number_of(const json_t *payload, const char *field)
{
    return json_integer_value(json_object_get(payload, field));
}

static void print_with(const char *before, const char *text)
{
    if (*text == '\0')
        return;
    fputs(before, stdout);
    sw_print_safe(text);
}

static void print_state(const json_t *payload)
{
    const char *from = text_of(payload, "from");
    if (json_is_true(json_object_get(payload, "abort")))
        fputs("an abort was asked for", stdout);
    else
        printf("%s%s%s", from, *from != '\0' ? " -> " : "", text_of(payload, "status"));
    print_with(" by ", text_of(payload, "by"));
    print_with(" on ", text_of(payload, "runner"));
    print_with(": ", text_of(payload, "failure"));
}

static void print_command(const json_t *payload)
{
    printf("command %lld (%s), attempt %lld: ", number_of(payload, "command"), text_of(payload, "step"),
           number_of(payload, "attempt"));
    if (*text_of(payload, "finished_at") == '\0')
        fputs("begun", stdout);
    else if (json_is_true(json_object_get(payload, "timed_out")))
        fputs("timed out", stdout);
    else if (json_object_get(payload, "exit_code") != NULL)
        printf("exit status %lld", number_of(payload, "exit_code"));
    else if (json_object_get(payload, "signal") != NULL)
        printf("ended by signal %lld", number_of(payload, "signal"));
    else
        fputs("failed", stdout);
    print_with(": ", text_of(payload, "failure"));
}

static void print_log(const json_t *payload)
{
    printf("command %lld, attempt %lld: %lld bytes of %s at %lld", number_of(payload, "command"),
           number_of(payload, "attempt"), number_of(payload, "size"), text_of(payload, "stream"),
           number_of(payload, "offset"));
}

static void print_line(const sw_event *event, const json_t *payload)
{
    static const struct {
        const char *kind;
        void (*print)(const json_t *payload);
    } kinds[] = {{"state", print_state}, {"command", print_command}, {"log", print_log}};
    char at[40];
    print_time(at, event->at_us);
    printf("%s  %s  %" PRId64 "  ", at, event->project, event->deployment);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (strcmp(event->kind, kinds[i].kind) == 0)
            kinds[i].print(payload);
    putchar('\n');
}

static void print_json(const sw_event *event, json_t *payload, const char *cursor)
{
    char at[40];
    print_time(at, event->at_us);
    json_t *line = json_pack("{s:I,s:s,s:I,s:I,s:s,s:s,s:O?,s:s}", "position", (json_int_t)event->position,
                             "project", event->project, "project_sequence",
                             (json_int_t)event->project_sequence, "deployment", (json_int_t)event->deployment,
                             "kind", event->kind, "at", at, "payload", payload, "cursor", cursor);
    sw_print_json_line(line);
    json_decref(line);
}

static void show(const sw_event *event, void *context)
{
    shown *s = context;
    if (s->limit > 0 && s->count >= s->limit)
        return;
    s->count++;
    free(s->cursor);
    s->cursor = strdup(sw_watch_cursor(s->watch));
    json_t *payload = json_loads(event->payload, JSON_DECODE_ANY, NULL);
    if (s->cli->json)
        print_json(event, payload, s->cursor == NULL ? "" : s->cursor);
    else
        print_line(event, payload);
    json_decref(payload);
}

/* --- What is watched --- */

/* The projects of --project, which must be there for us. Free the texts and the list. */
static sw_code take_projects(sw_cli *cli, char ***projects, size_t *count, sw_error *error)
{
    const char *word;
    *projects = calloc(cli->args.given_count + 1, sizeof(char *));
    for (*count = 0; (word = sw_args_value_at(&cli->args, "project", *count)) != NULL;) {
        char *code = NULL;
        if (*projects == NULL ||
            asprintf(&code, "%s%s", strchr(word, ':') == NULL ? "website:" : "", word) < 0)
            return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
        (*projects)[(*count)++] = code;
        json_t *request = json_pack("{s:s}", "code", code);
        sw_code found = sw_cli_call(cli, "/sitewire.user.v1.Users/GetProject", request, NULL, NULL, error);
        json_decref(request);
        if (found != SW_OK)
            return found;
    }
    return SW_OK;
}

static sw_code run(shown *s, sw_error *error)
{
    for (int called = 0; called >= 0 && !sw_cli_stopped() && !ferror(stdout);) {
        called = sw_watch_process(s->watch, LOOK_MS);
        if (called != 0)
            fflush(stdout);
        if (s->limit > 0 && s->count >= s->limit)
            return SW_OK;
    }
    *error = *sw_watch_error(s->watch);
    return error->code;
}

sw_code sw_cmd_watch(sw_cli *cli, sw_error *error)
{
    shown s = {.cli = cli};
    sw_watch_options options = {.size = sizeof(options),
                                .kinds = sw_args_value(&cli->args, "kind"),
                                .cursor = sw_args_value(&cli->args, "after"),
                                .fn = show,
                                .context = &s};
    sw_client *client;
    char **projects = NULL;
    size_t count = 0;
    if (cli->args.word_count > 0)
        return sw_cli_usage(cli, error, "watch takes no words; give a project as --project");
    sw_code code = sw_args_number(&cli->args, "limit", 1, INT64_MAX, 0, &s.limit, error);
    if (code == SW_OK)
        code = sw_args_number(&cli->args, "deployment", 1, INT64_MAX, 0, &options.deployment, error);
    if (code == SW_OK)
        code = sw_cli_client(cli, &client, error);
    if (code == SW_OK)
        code = take_projects(cli, &projects, &count, error);
    options.projects = (const char *const *)projects;
    options.project_count = count;
    if (code == SW_OK)
        code = sw_watch_open(client, &options, &s.watch, error);
    if (code == SW_OK)
        code = run(&s, error);
    const char *cursor = s.watch == NULL                   ? ""
                         : s.limit > 0 && s.cursor != NULL ? s.cursor
                                                           : sw_watch_cursor(s.watch);
    if (!cli->json && *cursor != '\0')
        fprintf(stderr, "go on with: --after %s\n", cursor);
    sw_watch_close(&s.watch);
    for (size_t i = 0; i < count; i++)
        free(projects[i]);
    free(projects);
    free(s.cursor);
    return code;
}
