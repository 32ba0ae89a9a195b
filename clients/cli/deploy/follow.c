/* Follows a deployment: see follow.h. Events say how much output exists; output up to that point
 * is delivered before the events after it. While one page is delivered, the next one is read, so
 * that memory does not grow with the output. */
#include "cli/deploy/follow.h"
#include "base/clock.h"
#include "base/error.h"
#include "cli/deploy/log_reader.h"
#include "cli/run/interrupt.h"
#include "cli/schema/value.h"
#include "cli/term/grid.h"
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS    200     /* how often to check for a signal */
#define SILENCE_US 3000000 /* no subscription for this long is reported */

/* An event that waits until the output before it is delivered. */
typedef struct queued {
    sw_event event; /* its kind and project are lent, its payload is not set */
    json_t *payload;
    int64_t output; /* bytes of output before it */
} queued;

typedef struct follower {
    const sw_follow *follow;
    sw_watch *watch;
    sw_outcome *outcome;
    sw_log_reader reader;
    int64_t given; /* output before this byte is delivered */
    int64_t end;   /* the output exists up to this byte, as the events say */
    queued *queue;
    size_t first, count, room;
    bool over, failed;
    sw_error error;
    int64_t silent_us; /* since when there has been no subscription; 0: there is one */
} follower;

bool sw_status_is_final(const char *status)
{
    return strcmp(status, "DONE") == 0 || strcmp(status, "FAILED") == 0 || strcmp(status, "ABORTED") == 0;
}

void sw_follow_complain(const char *trouble, bool *told)
{
    if (trouble != NULL && !*told) {
        fputs("trying again: ", stderr);
        sw_text_print(stderr, trouble);
        fputc('\n', stderr);
    }
    *told = trouble != NULL;
}

static void fail(follower *f, const sw_error *error)
{
    if (!f->failed)
        f->error = *error;
    f->failed = true;
}

/* --- Output --- */

/* Reads the next page, if there is more output. */
static void read_on(follower *f)
{
    sw_log_reader *reader = &f->reader;
    if (reader->offset >= f->end)
        return;
    if (!reader->reading && f->follow->latest > 0 && f->end - reader->offset > f->follow->latest)
        reader->offset = f->end - f->follow->latest;
    sw_log_reader_start(reader, f->end - reader->offset);
}

/* --- Events --- */

static bool grow(follower *f)
{
    size_t room = f->room > 0 ? f->room * 2 : 16;
    queued *grown;
    if (f->first > 0) { /* there is free space in front */
        memmove(f->queue, f->queue + f->first, (f->count - f->first) * sizeof(*f->queue));
        f->count -= f->first;
        f->first = 0;
        return true;
    }
    grown = realloc(f->queue, room * sizeof(*grown));
    if (grown == NULL)
        return false;
    f->queue = grown;
    f->room = room;
    return true;
}

static void enqueue(follower *f, const sw_event *event, json_t *payload)
{
    static const char *const kinds[] = {"command", "state"};
    sw_error error;
    if (f->count == f->room && !grow(f)) {
        sw_fail(&error, SW_RESOURCE_EXHAUSTED, "out of memory");
        fail(f, &error);
        return;
    }
    queued *last = &f->queue[f->count++];
    *last = (queued){.event = *event, .payload = json_incref(payload), .output = f->end};
    last->event.kind = kinds[strcmp(event->kind, "state") == 0];
    last->event.project = f->follow->project;
    last->event.payload = NULL;
}

static void end_with(follower *f, const char *status, const char *failure)
{
    f->over = true;
    snprintf(f->outcome->status, sizeof(f->outcome->status), "%s", status);
    snprintf(f->outcome->failure, sizeof(f->outcome->failure), "%s", failure);
}

static void on_event(const sw_event *event, void *context)
{
    follower *f = context;
    json_t *payload = json_loads(event->payload, JSON_DECODE_ANY, NULL);
    if (strcmp(event->kind, "log") == 0) {
        int64_t end = (int64_t)(sw_json_number(payload, "offset") + sw_json_number(payload, "size"));
        int32_t command = (int32_t)sw_json_number(payload, "command"); /* 0: of several */
        bool wanted = f->follow->command == 0 || command == 0 || command == f->follow->command;
        if (wanted && end > f->end)
            f->end = end;
    } else {
        enqueue(f, event, payload);
        if (strcmp(event->kind, "state") == 0 && sw_status_is_final(sw_json_text(payload, "status")))
            end_with(f, sw_json_text(payload, "status"), sw_json_text(payload, "failure"));
    }
    json_decref(payload);
}

/* Delivers the events whose preceding output is delivered. */
static void give_events(follower *f)
{
    for (; f->first < f->count && f->queue[f->first].output <= f->given; f->first++) {
        queued *next = &f->queue[f->first];
        if (f->follow->on_event != NULL)
            f->follow->on_event(&next->event, next->payload, f->follow->context);
        json_decref(next->payload);
    }
    if (f->first == f->count)
        f->first = f->count = 0;
}

static void give_page(follower *f, const Sw__ReadLogResponse *page)
{
    for (size_t i = 0; i < page->n_items; i++) {
        const Sw__DeploymentLog *chunk = page->items[i];
        f->given = chunk->offset;
        give_events(f);
        f->follow->on_output(chunk, f->follow->context);
        f->given = chunk->offset + (int64_t)chunk->bytes.len;
    }
}

/* --- The loop --- */

/* The cursor from which a watch sees the deployment from its first event on. Events numbered
 * after the current head arrive in any case. */
static sw_code find_start(sw_cli *cli, const sw_follow *follow, char cursor[32], sw_error *error)
{
    json_t *heads = NULL, *events = NULL;
    json_t *of_project =
        json_pack("{s:[{s:s,s:[s]}]}", "filters", "field", "project", "values", follow->project);
    json_t *first = json_pack("{s:[{s:s,s:[o]}],s:[{s:s}],s:i}", "filters", "field", "deployment", "values",
                              json_sprintf("%lld", (long long)follow->deployment), "order_by", "field",
                              "position", "page_size", 1);
    sw_code code = sw_cli_call(cli, "Deployments/ListEventHeads", of_project, NULL, &heads, error);
    if (code == SW_OK)
        code = sw_cli_call(cli, "Deployments/ListEvents", first, NULL, &events, error);
    uint64_t position = sw_json_number(json_array_get(json_object_get(events, "items"), 0), "position");
    uint64_t head = sw_json_number(json_array_get(json_object_get(heads, "items"), 0), "position");
    snprintf(cursor, 32, "%llu", (unsigned long long)(position > 0 ? position - 1 : head));
    json_decref(of_project);
    json_decref(first);
    json_decref(heads);
    json_decref(events);
    return code;
}

/* The reason why no events arrive, or NULL. */
static const char *trouble(follower *f, char text[SW_ERROR_MESSAGE_SIZE])
{
    sw_watch_status status;
    int64_t now_us = sw_now_us();
    sw_watch_get_status(f->watch, &status);
    if (status.subscribed)
        f->silent_us = 0;
    else if (f->silent_us == 0)
        f->silent_us = now_us;
    if (f->reader.error.code != SW_OK)
        snprintf(text, SW_ERROR_MESSAGE_SIZE, "%s", f->reader.error.message);
    else if (f->silent_us != 0 && now_us - f->silent_us > SILENCE_US)
        snprintf(text, SW_ERROR_MESSAGE_SIZE, "no connection to the events at %s%s%s", status.endpoint,
                 *status.reason != '\0' ? ": " : "", status.reason);
    else
        return NULL;
    return text;
}

static sw_code loop(follower *f, sw_error *error)
{
    char text[SW_ERROR_MESSAGE_SIZE];
    struct pollfd item = {.fd = sw_watch_fd(f->watch), .events = POLLIN};
    for (bool idle = false; !sw_cli_stopped() && !ferror(stdout);) {
        if (idle)
            poll(&item, 1, LOOK_MS);
        if (sw_watch_process(f->watch, item.fd < 0 && idle ? LOOK_MS : 0) < 0)
            fail(f, sw_watch_error(f->watch));
        if (f->reader.hopeless)
            fail(f, &f->reader.error);
        if (f->failed) {
            *error = f->error;
            return error->code;
        }
        Sw__ReadLogResponse *page = sw_log_reader_take(&f->reader);
        idle = page == NULL;
        read_on(f);
        if (page != NULL) {
            give_page(f, page);
            /* Removed meanwhile, or of another command: an event names none if it is of several. */
            if (page->n_items == 0 && (f->over || f->follow->command != 0))
                f->end = f->reader.offset;
            sw__read_log_response__free_unpacked(page, NULL);
        }
        /* There is no output before the offset where it starts. */
        if (f->reader.offset >= f->end && !f->reader.reading && f->reader.page == NULL)
            f->given = f->end;
        give_events(f);
        if (f->over && f->first == f->count && f->reader.offset >= f->end)
            return SW_OK;
        if (f->follow->on_look != NULL)
            f->follow->on_look(trouble(f, text), f->follow->context);
        fflush(stdout);
    }
    *f->outcome = (sw_outcome){0};
    return SW_OK;
}

static sw_log_reader reader_of(const sw_follow *follow)
{
    return (sw_log_reader){
        .deployment = follow->deployment, .command = follow->command, .offset = follow->offset};
}

sw_code sw_follow_run(sw_cli *cli, const sw_follow *follow, sw_outcome *outcome, sw_error *error)
{
    char cursor[32];
    follower f = {.follow = follow, .outcome = outcome, .reader = reader_of(follow)};
    const sw_watch_options options = {.size = sizeof(options),
                                      .projects = &follow->project,
                                      .project_count = 1,
                                      .deployment = follow->deployment,
                                      .cursor = cursor,
                                      .fn = on_event,
                                      .context = &f};
    *outcome = (sw_outcome){0};
    sw_code code = sw_cli_client(cli, &f.reader.client, error);
    if (code == SW_OK)
        code = find_start(cli, follow, cursor, error);
    sw_cli_lift_deadline(cli);
    if (code == SW_OK)
        code = sw_watch_open(f.reader.client, &options, &f.watch, error);
    if (code == SW_OK)
        code = loop(&f, error);
    sw_watch_close(&f.watch);
    sw_log_reader_close(&f.reader);
    cli->client = f.reader.client;
    for (; f.first < f.count; f.first++)
        json_decref(f.queue[f.first].payload);
    free(f.queue);
    return code;
}

sw_code sw_follow_read(sw_cli *cli, const sw_follow *follow, sw_error *error)
{
    sw_log_reader reader = reader_of(follow);
    sw_code code = sw_cli_client(cli, &reader.client, error);
    if (code != SW_OK)
        return code;
    sw_log_reader_start(&reader, INT64_MAX);
    while ((reader.reading || reader.page != NULL) && !sw_cli_stopped() && !ferror(stdout)) {
        sw_client_process(reader.client, LOOK_MS);
        Sw__ReadLogResponse *page = sw_log_reader_take(&reader);
        if (page == NULL)
            continue;
        sw_cli_renew_deadline(cli);
        if (page->n_items > 0)
            sw_log_reader_start(&reader, INT64_MAX);
        for (size_t i = 0; i < page->n_items; i++)
            follow->on_output(page->items[i], follow->context);
        sw__read_log_response__free_unpacked(page, NULL);
    }
    if (reader.error.code != SW_OK && error != NULL)
        *error = reader.error;
    code = reader.error.code;
    if (code == SW_OK && sw_cli_stopped())
        code = sw_fail(error, SW_CANCELLED, "interrupted");
    sw_log_reader_close(&reader);
    cli->client = reader.client;
    return code;
}
