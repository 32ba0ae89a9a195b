/* Waits for a deployment and shows it meanwhile: a live view on a terminal, lines elsewhere,
 * events with --json. */
#include "cli/deploy/wait.h"
#include "base/error.h"
#include "cli/deploy/event_text.h"
#include "cli/deploy/follow.h"
#include "cli/deploy/live.h"
#include "cli/deploy/plan.h"
#include "cli/schema/output.h"
#include "cli/schema/value.h"
#include "cli/term/lines.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LATEST (64 * 1024) /* bytes of existing output that the live view shows */

/* --- JSON --- */

void sw_chunk_print_json(const Sw__DeploymentLog *chunk)
{
    char at[SW_TIME_TEXT_SIZE] = "", *bytes = malloc(SW_BASE64_ENCODED(chunk->bytes.len));
    if (bytes == NULL)
        return;
    if (chunk->at != NULL)
        sw_timestamp_print(chunk->at->seconds, chunk->at->nanos, at);
    sw_base64_encode(chunk->bytes.data, chunk->bytes.len, bytes);
    json_t *line = json_pack("{s:s,s:I,s:I,s:i,s:i,s:s?,s:s,s:s}", "kind", "output", "deployment",
                             (json_int_t)chunk->deployment, "offset", (json_int_t)chunk->offset, "command",
                             chunk->command, "attempt", chunk->attempt, "stream", chunk->stream, "at", at,
                             "bytes", bytes);
    sw_print_json_line(line);
    json_decref(line);
    free(bytes);
}

static void json_event(const sw_event *event, const json_t *payload, void *context)
{
    (void)context;
    sw_event_print_json(event, (json_t *)payload, NULL);
}

static void json_output(const Sw__DeploymentLog *chunk, void *context)
{
    (void)context;
    sw_chunk_print_json(chunk);
}

static void json_kind(const char *kind, const char *field, json_t *value)
{
    json_t *line = json_pack("{s:s,s:o}", "kind", kind, field, value);
    sw_print_json_line(line);
    json_decref(line);
    fflush(stdout);
}

/* --- Lines --- */

typedef struct plain {
    const json_t *plan;
    sw_line_pair streams;
    bool troubled;
} plain;

static void plain_line(const char *line, void *context)
{
    (void)context;
    printf("  | %s\n", line);
}

static void plain_event(const sw_event *event, const json_t *payload, void *context)
{
    plain *p = context;
    char at[SW_TIME_TEXT_SIZE];
    sw_line_pair_flush(&p->streams);
    sw_event_time(at, event->at_us);
    printf("%s  ", at);
    sw_event_print(event->kind, payload);
    if (strcmp(event->kind, "command") == 0 && *sw_json_text(payload, "finished_at") == '\0') {
        char *text = sw_command_text(
            json_array_get(json_object_get(p->plan, "commands"), sw_json_number(payload, "command") - 1));
        printf("  $ %s\n", text != NULL ? text : "");
        free(text);
    }
}

static void plain_output(const Sw__DeploymentLog *chunk, void *context)
{
    plain *p = context;
    sw_line_pair_feed(&p->streams, chunk->stream, chunk->bytes.data, chunk->bytes.len);
}

static void plain_look(const char *trouble, void *context)
{
    plain *p = context;
    sw_follow_complain(trouble, &p->troubled);
}

static void plain_begin(plain *p)
{
    const json_t *deployment = json_object_get(p->plan, "deployment");
    char *target = sw_target_text(deployment);
    sw_line_pair_init(&p->streams, plain_line, NULL);
    printf("deployment %" PRIu64 ": %s\n", sw_json_number(deployment, "id"), target != NULL ? target : "");
    if (strcmp(sw_json_text(deployment, "status"), "REQUESTED") == 0)
        printf("waits for approval by somebody else: sitewire approve %" PRIu64 "\n",
               sw_json_number(deployment, "id"));
    free(target);
    fflush(stdout);
}

/* --- Waiting --- */

sw_code sw_outcome_code(int64_t id, const sw_outcome *outcome, sw_error *error)
{
    if (strcmp(outcome->status, "DONE") == 0)
        return SW_OK;
    return sw_fail(error, strcmp(outcome->status, "ABORTED") == 0 ? SW_ABORTED : SW_UNKNOWN,
                   "deployment %" PRId64 " is %s%s%s; `sitewire deployment %" PRId64 "` shows all about it",
                   id, outcome->status, *outcome->failure != '\0' ? ": " : "", outcome->failure, id);
}

/* Reports a deployment that continues although nobody waits for it any more. */
static sw_code go_on(int64_t id, sw_code code, sw_error *error)
{
    char why[SW_ERROR_MESSAGE_SIZE / 2] = "";
    if (code != SW_OK && error != NULL)
        snprintf(why, sizeof(why), "%.*s; ", (int)sizeof(why) - 3, error->message);
    return sw_fail(error, code == SW_OK ? SW_CANCELLED : code,
                   "%sdeployment %" PRId64 " continues; `sitewire logs %" PRId64
                   " -f` follows it, `sitewire abort %" PRId64 "` ends it",
                   why, id, id, id);
}

static bool can_redraw(const sw_cli *cli)
{
    const char *term = getenv("TERM");
    return cli->out_terminal && term != NULL && *term != '\0' && strcmp(term, "dumb") != 0;
}

sw_code sw_deployment_wait(sw_cli *cli, const json_t *plan, sw_error *error)
{
    const json_t *deployment = json_object_get(plan, "deployment");
    plain lines = {.plan = plan};
    sw_live_view *live = NULL;
    sw_outcome outcome;
    sw_follow follow = {.deployment = (int64_t)sw_json_number(deployment, "id"),
                        .project = sw_json_text(deployment, "project"),
                        .on_event = json_event,
                        .on_output = json_output};
    if (cli->json) {
        json_kind("plan", "plan", json_incref((json_t *)plan));
    } else if (can_redraw(cli) && (live = sw_live_view_new(cli, plan)) != NULL) {
        follow.on_event = sw_live_view_event;
        follow.on_output = sw_live_view_output;
        follow.on_look = sw_live_view_look;
        follow.context = live;
        follow.latest = LATEST;
    } else {
        plain_begin(&lines);
        follow.on_event = plain_event;
        follow.on_output = plain_output;
        follow.on_look = plain_look;
        follow.context = &lines;
    }
    sw_code code = sw_follow_run(cli, &follow, &outcome, error);
    sw_line_pair_flush(&lines.streams);
    sw_live_view_destroy(&live);
    if (code != SW_OK || *outcome.status == '\0')
        return go_on(follow.deployment, code, error);
    if (cli->json)
        json_kind("outcome", "outcome",
                  json_pack("{s:I,s:s,s:s}", "deployment", (json_int_t)follow.deployment, "status",
                            outcome.status, "failure", outcome.failure));
    return sw_outcome_code(follow.deployment, &outcome, error);
}
