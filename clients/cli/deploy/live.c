/* The live view: see live.h. Events and output update a model, which is drawn a few times a
 * second. */
#include "cli/deploy/live.h"
#include "base/clock.h"
#include "cli/deploy/event_text.h"
#include "cli/deploy/follow.h"
#include "cli/deploy/plan.h"
#include "cli/deploy/queue.h"
#include "cli/schema/value.h"
#include "cli/term/grid.h"
#include "cli/term/lines.h"
#include "cli/term/screen.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define TAIL_MAX     10 /* lines of output */
#define COMMANDS_MAX 20 /* shown at once, at most */

/* A command and its last attempt. */
typedef struct shown_command {
    char *text; /* malloc'ed */
    const char *step;
    int64_t begun_us, ended_us; /* 0: has not happened */
    uint64_t attempt;
    bool succeeded;
    char *result; /* malloc'ed; of an attempt that has ended */
} shown_command;

struct sw_live_view {
    int64_t id;
    char *target, status[32], *who, *failure; /* who: the approver or runner of the last change */
    sw_queue_position position;
    int64_t since_us; /* when the status was reached */
    bool aborting, over;
    size_t count, current; /* number of commands; the index of the one that began last */
    shown_command *commands;
    sw_line_pair streams;
    char *tail[TAIL_MAX];
    size_t tail_first, tail_count;
    sw_screen *screen;
};

/* --- The model --- */

static void add_line(const char *line, void *context)
{
    sw_live_view *l = context;
    size_t at = (l->tail_first + l->tail_count) % TAIL_MAX;
    if (l->tail_count == TAIL_MAX) {
        l->tail_first = (l->tail_first + 1) % TAIL_MAX;
        free(l->tail[at]);
    } else {
        l->tail_count++;
    }
    l->tail[at] = strdup(line);
}

static void drop_tail(sw_live_view *l)
{
    for (size_t i = 0; i < TAIL_MAX; i++) {
        free(l->tail[i]);
        l->tail[i] = NULL;
    }
    l->tail_first = l->tail_count = 0;
    sw_line_pair_init(&l->streams, add_line, l);
}

static void set_text(char **text, const char *value)
{
    free(*text);
    *text = *value != '\0' ? sw_text_safe(value, false) : NULL;
}

static void take_state(sw_live_view *l, const sw_event *event, const json_t *payload)
{
    if (json_is_true(json_object_get(payload, "abort"))) {
        l->aborting = true;
        return;
    }
    snprintf(l->status, sizeof(l->status), "%s", sw_json_text(payload, "status"));
    l->since_us = event->at_us;
    l->over = sw_status_is_final(l->status);
    set_text(&l->who, sw_json_text(payload, "runner"));
    set_text(&l->failure, sw_json_text(payload, "failure"));
}

static void take_command(sw_live_view *l, const sw_event *event, const json_t *payload)
{
    size_t number = sw_json_number(payload, "command");
    if (number < 1 || number > l->count)
        return;
    shown_command *c = &l->commands[number - 1];
    if (*sw_json_text(payload, "finished_at") == '\0') {
        if (l->current != number - 1)
            drop_tail(l);
        l->current = number - 1;
        c->attempt = sw_json_number(payload, "attempt");
        c->begun_us = event->at_us;
        c->ended_us = 0;
        return;
    }
    const json_t *exit_code = json_object_get(payload, "exit_code");
    c->ended_us = event->at_us;
    c->succeeded = json_is_integer(exit_code) && json_integer_value(exit_code) == 0;
    free(c->result);
    c->result = sw_attempt_text(payload);
    sw_line_pair_flush(&l->streams);
}

void sw_live_view_event(const sw_event *event, const json_t *payload, void *live)
{
    sw_live_view *l = live;
    if (strcmp(event->kind, "state") == 0)
        take_state(l, event, payload);
    else
        take_command(l, event, payload);
}

void sw_live_view_output(const Sw__DeploymentLog *chunk, void *live)
{
    sw_live_view *l = live;
    sw_line_pair_feed(&l->streams, chunk->stream, chunk->bytes.data, chunk->bytes.len);
}

/* --- The frame --- */

typedef struct frame {
    sw_screen_line lines[SW_SCREEN_LINES];
    size_t count;
} frame;

__attribute__((format(printf, 3, 4))) static void add(frame *f, const char *style, const char *format, ...)
{
    va_list list;
    char *text = NULL;
    if (f->count == SW_SCREEN_LINES)
        return;
    va_start(list, format);
    if (vasprintf(&text, format, list) < 0)
        text = NULL;
    va_end(list);
    f->lines[f->count++] = (sw_screen_line){.text = text, .style = style};
}

static void add_queue(const sw_live_view *l, frame *f)
{
    char *ids = json_array_size(l->position.behind) > 0 ? sw_cell_text(l->position.behind) : NULL;
    if (strcmp(l->status, "REQUESTED") == 0)
        add(f, NULL, "waits for approval by somebody else: sitewire approve %" PRId64, l->id);
    else if (ids != NULL)
        add(f, NULL, "waits behind %s", ids);
    else
        add(f, NULL, "waits for a runner");
    free(ids);
}

static void add_status(const sw_live_view *l, frame *f)
{
    char span[SW_SPAN_TEXT_SIZE];
    static const char *const good = "32", *const bad = "31";
    sw_span_text(span, sw_wall_us() - l->since_us);
    if (l->over)
        add(f, strcmp(l->status, "DONE") == 0 ? good : bad, "%s%s%s", l->status,
            l->failure != NULL ? ": " : "", l->failure != NULL ? l->failure : "");
    else if (strcmp(l->status, "IN_PROGRESS") == 0)
        add(f, NULL, "%s%s%s for %s%s", l->status, l->who != NULL ? " on " : "", l->who != NULL ? l->who : "",
            span, l->aborting ? "; an abort was requested" : "");
    else
        add_queue(l, f);
}

static void add_command(const sw_live_view *l, frame *f, const shown_command *c)
{
    char span[SW_SPAN_TEXT_SIZE] = "", attempt[32] = "";
    bool runs = c->begun_us != 0 && c->ended_us == 0;
    const char *mark = c->begun_us == 0 ? "" : runs && !l->over ? "runs" : c->succeeded ? "ok" : "failed";
    if (c->begun_us != 0)
        sw_span_text(span, (runs ? sw_wall_us() : c->ended_us) - c->begun_us);
    if (c->attempt > 1)
        snprintf(attempt, sizeof(attempt), "attempt %" PRIu64 ": ", c->attempt);
    add(f,
        runs            ? "1"
        : *mark == 'f'  ? "31"
        : *mark == '\0' ? "2"
                        : NULL,
        "  %-6s %8s  %s  %s%s%s%s%s", mark, span, c->step, attempt, c->text != NULL ? c->text : "",
        *mark == 'f' && c->result != NULL ? " (" : "", *mark == 'f' && c->result != NULL ? c->result : "",
        *mark == 'f' && c->result != NULL ? ")" : "");
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Draws what fits on the terminal: the commands around the current one, and the last lines of
 * output. */
static void draw(sw_live_view *l, const char *trouble)
{
    frame f = {.count = 0};
    size_t width, height;
    sw_screen_size(&width, &height);
    size_t room = height > 5 ? height - 4 : 1; /* other lines: heading, trouble, cursor */
    bool with_tail = !l->over || strcmp(l->status, "DONE") != 0;
    size_t tail = with_tail ? least(l->tail_count, room / 2) : 0;
    size_t commands = least(least(l->count, room - tail), COMMANDS_MAX);
    size_t first = l->current > commands / 2 ? l->current - commands / 2 : 0;
    first = least(first, l->count - commands);
    add(&f, "1", "deployment %" PRId64 ": %s", l->id, l->target != NULL ? l->target : "");
    add_status(l, &f);
    for (size_t i = first; i < first + commands; i++)
        add_command(l, &f, &l->commands[i]);
    for (size_t i = l->tail_count - tail; i < l->tail_count; i++) {
        const char *line = l->tail[(l->tail_first + i) % TAIL_MAX];
        add(&f, "2", "  | %s", line != NULL ? line : "");
    }
    if (trouble != NULL && !l->over)
        add(&f, "33", "trying again: %s", trouble);
    sw_screen_draw(l->screen, f.lines, f.count);
}

void sw_live_view_look(const char *trouble, void *live)
{
    sw_live_view *l = live;
    if (strcmp(l->status, "REQUESTED") == 0 || strcmp(l->status, "ACCEPTED") == 0)
        sw_queue_position_refresh(&l->position);
    draw(l, trouble);
}

/* --- Creation and destruction --- */

sw_live_view *sw_live_view_new(sw_cli *cli, const json_t *plan)
{
    const json_t *deployment = json_object_get(plan, "deployment"),
                 *commands = json_object_get(plan, "commands");
    sw_live_view *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return NULL;
    l->id = (int64_t)sw_json_number(deployment, "id");
    l->position =
        (sw_queue_position){.cli = cli, .id = l->id, .behind = json_incref(json_object_get(plan, "behind"))};
    l->target = sw_target_text(deployment);
    l->since_us = sw_wall_us();
    snprintf(l->status, sizeof(l->status), "%s", sw_json_text(deployment, "status"));
    sw_line_pair_init(&l->streams, add_line, l);
    l->commands = calloc(json_array_size(commands) + 1, sizeof(*l->commands));
    l->screen = l->commands != NULL ? sw_screen_new(cli->out_color) : NULL;
    if (l->screen == NULL) {
        sw_live_view_destroy(&l);
        return NULL;
    }
    for (; l->count < json_array_size(commands); l->count++) {
        const json_t *command = json_array_get(commands, l->count);
        l->commands[l->count] =
            (shown_command){.text = sw_command_text(command), .step = sw_json_text(command, "step")};
    }
    draw(l, NULL);
    return l;
}

void sw_live_view_destroy(sw_live_view **live)
{
    sw_live_view *l = *live;
    if (l == NULL)
        return;
    sw_queue_position_close(&l->position);
    if (l->screen != NULL)
        draw(l, NULL);
    sw_screen_destroy(&l->screen);
    drop_tail(l);
    for (size_t i = 0; i < l->count; i++) {
        free(l->commands[i].text);
        free(l->commands[i].result);
    }
    free(l->commands);
    free(l->target);
    free(l->who);
    free(l->failure);
    free(l);
    *live = NULL;
}
