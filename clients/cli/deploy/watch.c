/* `sitewire watch`: events of deployments, each once and in order, until a signal. */
#include "base/error.h"
#include "cli/deploy/commands.h"
#include "cli/deploy/event_text.h"
#include "cli/run/interrupt.h"
#include "cli/term/grid.h"
#include <errno.h>
#include <inttypes.h>
#include <sitewire/watch.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS 200 /* how often to check for a signal */

typedef struct shown {
    const sw_cli *cli;
    sw_watch *watch;
    int64_t count, limit;
    char *cursor; /* of the last event, unless it was printed with it */
} shown;

/* --- Output --- */

static void show(const sw_event *event, void *context)
{
    shown *s = context;
    if (s->limit > 0 && s->count >= s->limit)
        return;
    s->count++;
    if (s->cli->json || s->count == s->limit) {
        free(s->cursor);
        s->cursor = strdup(sw_watch_cursor(s->watch));
    }
    json_t *payload = json_loads(event->payload, JSON_DECODE_ANY, NULL);
    if (s->cli->json) {
        sw_event_print_json(event, payload, s->cursor);
    } else {
        char at[SW_TIME_TEXT_SIZE];
        sw_event_time(at, event->at_us);
        printf("%s  ", at);
        sw_text_print(stdout, event->project);
        printf("  %" PRId64 "  ", event->deployment);
        sw_event_print(event->kind, payload);
    }
    json_decref(payload);
}

/* --- What is watched --- */

/* Checks that the caller may read what --deployment or --project names: otherwise no event would
 * ever arrive. */
static sw_code look_for(sw_cli *cli, const char *method, json_t *request, sw_error *error)
{
    sw_code code = sw_cli_call(cli, method, request, NULL, NULL, error);
    json_decref(request);
    return code;
}

/* Reads --project into a list. The caller frees the texts and the list. */
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
        sw_code found =
            look_for(cli, "/sitewire.user.v1.Users/GetProject", json_pack("{s:s}", "code", code), error);
        if (found != SW_OK)
            return found;
    }
    return SW_OK;
}

static sw_code run(shown *s, sw_error *error)
{
    for (int called = 0; called >= 0 && !sw_cli_stopped() && !ferror(stdout);) {
        called = sw_watch_process(s->watch, LOOK_MS);
        if (called != 0 && fflush(stdout) != 0)
            return errno == EPIPE ? SW_OK
                                  : sw_fail(error, SW_RESOURCE_EXHAUSTED, "cannot write the output: %s",
                                            strerror(errno));
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
        return sw_cli_usage(cli, error, "watch takes no words; name a project with --project");
    sw_code code = sw_args_number(&cli->args, "limit", 1, INT64_MAX, 0, &s.limit, error);
    if (code == SW_OK)
        code = sw_args_number(&cli->args, "deployment", 1, INT64_MAX, 0, &options.deployment, error);
    if (code == SW_OK)
        code = sw_cli_client(cli, &client, error);
    if (code == SW_OK)
        code = take_projects(cli, &projects, &count, error);
    if (code == SW_OK && options.deployment > 0)
        code = look_for(cli, "Deployments/GetDeployment",
                        json_pack("{s:I}", "id", (json_int_t)options.deployment), error);
    options.projects = (const char *const *)projects;
    options.project_count = count;
    sw_cli_lift_deadline(cli);
    if (code == SW_OK)
        code = sw_watch_open(client, &options, &s.watch, error);
    if (code == SW_OK)
        code = run(&s, error);
    const char *cursor = s.watch == NULL                   ? ""
                         : s.limit > 0 && s.cursor != NULL ? s.cursor
                                                           : sw_watch_cursor(s.watch);
    bool of_another = code == SW_OUT_OF_RANGE;
    if (!cli->json && !of_another && !ferror(stdout) && *cursor != '\0')
        fprintf(stderr, "continue with: --after %s\n", cursor);
    sw_watch_close(&s.watch);
    for (size_t i = 0; i < count; i++)
        free(projects[i]);
    free(projects);
    free(s.cursor);
    return code;
}
