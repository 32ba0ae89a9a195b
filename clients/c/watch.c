/* A watch (<sitewire/watch.h>): hears events over a subscription, sees by their numbers what it has missed, and reads that from the
 * service. sequence.h knows what was delivered.
 *
 * One call is under way at a time: a check, which asks for the heads of projects and so finds what was lost unseen; or a fill, which
 * reads all events from a position on. What is heard during a fill waits for its end. */
#include <sitewire/watch.h>

#include "event.h"
#include "sequence.h"
#include "sitewire/deployment/v1/deployment.pb-c.h"
#include "subscription.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define PAGE           1000    /* of a List */
#define HEARD_MAX      8192    /* that wait for a fill; what is beyond is read from the service */
#define BATCH          1024    /* messages read in one round */
#define CHECK_US       5000000 /* after events, so that the cursor stays short */
#define IDLE_CHECK_US  30000000
#define POLL_US        1000000 /* without a subscription */
#define AGAIN_US       100000  /* what a check misses may still be on its way */
#define CALL_FAILED_US 500000
#define CALL_MS        10000
#define PROJECTS_MAX   1000
#define NONE           INT64_MAX

/* Topics, by kind; the last one is of heads. */
static const char *const kinds[] = {"state", "command", "log", "head"};
#define KINDS (sizeof(kinds) / sizeof(*kinds))

typedef enum { IDLE, CHECKING, FILLING } call_kind;

/* An event that was heard while a fill was under way. */
typedef struct heard {
    zmq_msg_t body;
    uint64_t fill; /* fills that had begun by then */
} heard;

struct sw_watch {
    sw_client *client;
    sw_event_fn *fn;
    void *context;
    char **projects;
    size_t project_count;
    bool wanted[KINDS];
    int64_t deployment;
    sw_subscription subscription;
    sw_sequence sequence;
    bool ready;     /* the sequence has a base */
    bool dirty;     /* something was delivered since the last check */
    call_kind call; /* under way */
    uint64_t call_id;
    int64_t check_us;   /* when the next check is due */
    int64_t pause_us;   /* no call before that */
    int64_t missing;    /* from here on a fill is needed; NONE: no */
    int64_t from, read; /* of the fill: where it began, how far it is */
    uint64_t fills;     /* that have begun */
    bool fresh;         /* the next check is the first of a connection */
    int64_t page_from;  /* of a check: how far it is */
    int64_t behind;     /* all was delivered up to here, as far as it has seen; NONE: up to page_from */
    int64_t
        lost; /* of that, what is missing for sure, if it is a new connection or was so in the last check */
    int64_t suspect; /* how far the last check was, if something was behind; 0: nothing */
    heard *waiting;
    size_t first, count; /* of waiting */
    uint64_t delivered, gaps, filled;
    char *text; /* what the callback's texts lie in */
    size_t text_size;
    char *cursor;
    int epoll, timer;
    sw_error error; /* it has failed for good */
    bool busy;
};

static bool fail(sw_watch *watch, const sw_error *error)
{
    if (watch->error.code == SW_OK)
        watch->error = *error;
    return false;
}

static bool fail_memory(sw_watch *watch)
{
    sw_error error;
    sw_fail(&error, SW_RESOURCE_EXHAUSTED, "out of memory");
    return fail(watch, &error);
}

/* --- Delivery --- */

static char *put_text(char **at, sw_view text)
{
    char *begin = *at;
    if (text.size > 0)
        memcpy(begin, text.data, text.size);
    begin[text.size] = '\0';
    *at += text.size + 1;
    return begin;
}

static bool is_wanted(const sw_watch *watch, const sw_event_view *event)
{
    if (watch->deployment != 0 && event->deployment != watch->deployment)
        return false;
    for (size_t i = 0; i < KINDS; i++)
        if (sw_view_equal(event->kind, sw_view_of(kinds[i])))
            return watch->wanted[i];
    return false; /* of a newer service */
}

static bool deliver(sw_watch *watch, const sw_event_view *view)
{
    if (!sw_sequence_take(&watch->sequence, view->project, view->position))
        return fail_memory(watch);
    if (!watch->dirty) {
        watch->dirty = true;
        int64_t due_us = sw_now_us() + CHECK_US;
        watch->check_us = due_us < watch->check_us ? due_us : watch->check_us;
    }
    if (!is_wanted(watch, view))
        return true;
    size_t size = view->project.size + view->kind.size + view->payload.size + 3;
    if (size > watch->text_size) {
        free(watch->text);
        watch->text_size = size * 2;
        if ((watch->text = malloc(watch->text_size)) == NULL) {
            watch->text_size = 0;
            return fail_memory(watch);
        }
    }
    char *at = watch->text;
    sw_event event = {.position = view->position,
                      .project = put_text(&at, view->project),
                      .project_sequence = view->project_sequence,
                      .deployment = view->deployment,
                      .kind = put_text(&at, view->kind),
                      .at_us = view->at_us,
                      .payload = put_text(&at, view->payload)};
    watch->delivered++;
    watch->fn(&event, watch->context);
    return true;
}

/* --- What is heard --- */

static void miss(sw_watch *watch, int64_t from)
{
    if (watch->missing == NONE)
        watch->gaps++;
    if (from < watch->missing)
        watch->missing = from;
}

static bool is_head(const sw_event_view *event)
{
    return sw_view_equal(event->kind, SW_VIEW("head"));
}

/* Puts a message aside until the fill is over; false if there is no room: it is read from the service then. */
static bool keep(sw_watch *watch, zmq_msg_t *body)
{
    if (watch->count == HEARD_MAX)
        return false;
    watch->waiting[(watch->first + watch->count++) % HEARD_MAX] = (heard){*body, watch->fills};
    return true;
}

/* True: done with. `covered`: a fill has read all that came before, and perhaps this one. */
static bool judge(sw_watch *watch, const sw_event_view *event, bool covered)
{
    int64_t mark = sw_sequence_mark(&watch->sequence, event->project);
    if (is_head(event)) {
        if (event->position > mark && !covered)
            miss(watch, mark);
        return true;
    }
    sw_sequence_verdict verdict =
        sw_sequence_judge(&watch->sequence, event->project, event->position, event->previous_position);
    if (verdict == SW_SEQUENCE_GAP && !covered) {
        miss(watch, mark);
        return false;
    }
    if (verdict != SW_SEQUENCE_OLD) /* what a fill has not found is not there any more */
        deliver(watch, event);
    return true;
}

static void hear(sw_watch *watch, zmq_msg_t *body)
{
    sw_event_view event;
    bool waits = !watch->ready || watch->call == FILLING || watch->missing != NONE || watch->count > 0;
    bool known = sw_event_decode((sw_view){zmq_msg_data(body), zmq_msg_size(body)}, &event);
    if (known && (waits || !judge(watch, &event, false)) && keep(watch, body))
        return;
    zmq_msg_close(body);
}

/* After a fill: what was heard meanwhile, until something is missing again. */
static void hear_waiting(sw_watch *watch)
{
    while (watch->count > 0 && watch->missing == NONE && watch->error.code == SW_OK) {
        heard *next = &watch->waiting[watch->first];
        sw_event_view event;
        sw_event_decode((sw_view){zmq_msg_data(&next->body), zmq_msg_size(&next->body)}, &event);
        if (!judge(watch, &event, next->fill < watch->fills))
            return;
        zmq_msg_close(&next->body);
        watch->first = (watch->first + 1) % HEARD_MAX;
        watch->count--;
    }
}

/* --- Calls --- */

static void number_text(char text[24], int64_t number)
{
    snprintf(text, 24, "%lld", (long long)number);
}

/* Starts ListEvents or ListEventHeads: what is after `from`, or with from < 0 the last one. The two requests have the same form. */
static void start(sw_watch *watch, call_kind kind, int64_t from, sw_reply_fn *fn)
{
    char position[24], *values[1] = {position};
    Sw__Filter after = SW__FILTER__INIT, of = SW__FILTER__INIT, *filters[2];
    Sw__OrderBy order = SW__ORDER_BY__INIT, *orders[1] = {&order};
    Sw__ListEventsRequest events = SW__LIST_EVENTS_REQUEST__INIT;
    Sw__ListEventHeadsRequest heads = SW__LIST_EVENT_HEADS_REQUEST__INIT;
    const sw_call_options options = {.size = sizeof(options), .timeout_ms = CALL_MS};
    size_t count = 0;
    sw_error error;
    if (from >= 0) {
        number_text(position, from);
        after.field = (char *)"position";
        after.op = (char *)">";
        after.values = values;
        after.n_values = 1;
        filters[count++] = &after;
    }
    if (watch->project_count > 0) {
        of.field = (char *)"project";
        of.op = (char *)"in";
        of.values = watch->projects;
        of.n_values = watch->project_count;
        filters[count++] = &of;
    }
    order.field = (char *)"position";
    order.has_descending = true;
    order.descending = from < 0;
    events.filters = heads.filters = filters;
    events.n_filters = heads.n_filters = count;
    events.order_by = heads.order_by = orders;
    events.n_order_by = heads.n_order_by = 1;
    events.has_page_size = heads.has_page_size = true;
    events.page_size = heads.page_size = from < 0 ? 1 : PAGE;
    bool fills = kind == FILLING;
    sw_code code =
        sw_client_start(watch->client,
                        fills ? "/sitewire.deployment.v1.Deployments/ListEvents"
                              : "/sitewire.deployment.v1.Deployments/ListEventHeads",
                        fills ? &events.base : &heads.base, &options, fn, watch, &watch->call_id, &error);
    if (code == SW_OK)
        watch->call = kind;
    else if (code == SW_RESOURCE_EXHAUSTED) /* the caller has too many calls in flight */
        watch->pause_us = sw_now_us() + CALL_FAILED_US;
    else
        fail(watch, &error);
}

/* Whether a call went well; if not, it is repeated, or the watch has failed. */
static bool take_outcome(sw_watch *watch, const sw_reply *reply)
{
    watch->call = IDLE;
    watch->call_id = 0;
    if (reply->code == SW_OK)
        return true;
    switch (reply->code) {
    case SW_INVALID_ARGUMENT:
    case SW_PERMISSION_DENIED:
    case SW_UNAUTHENTICATED:
        fail(watch, reply->error);
        break;
    default:
        watch->pause_us = sw_now_us() + CALL_FAILED_US;
    }
    return false;
}

static void fail_reply(sw_watch *watch)
{
    sw_error error;
    sw_fail(&error, SW_DATA_LOSS, "the service's list of events cannot be decoded");
    fail(watch, &error);
}

static void next_check(sw_watch *watch, int64_t after_us)
{
    watch->check_us = sw_now_us() + after_us;
}

static void on_fill(const sw_reply *reply, void *context)
{
    sw_watch *watch = context;
    if (!take_outcome(watch, reply)) {
        if (watch->from < watch->missing) /* again, from where it was: what was read is delivered */
            watch->missing = watch->from;
        return;
    }
    sw_view rest = {reply->payload, reply->payload_size}, item;
    size_t count = 0;
    while (watch->error.code == SW_OK && sw_event_next(&rest, &item)) {
        sw_event_view event;
        if (!sw_event_decode(item, &event)) {
            fail_reply(watch);
            return;
        }
        count++;
        watch->read = event.position;
        int64_t mark = sw_sequence_mark(&watch->sequence, event.project);
        if (event.position <= mark)
            continue;
        /* Behind its mark the table is whole; before it, something is missing that nobody had noticed. */
        if (event.previous_position > mark && watch->from > mark) {
            miss(watch, mark);
            return;
        }
        watch->filled++;
        deliver(watch, &event);
    }
    if (rest.size > 0 && watch->error.code == SW_OK)
        fail_reply(watch);
    if (watch->error.code != SW_OK)
        return;
    if (count == PAGE) {
        start(watch, FILLING, watch->read, on_fill);
        if (watch->call != FILLING)
            watch->missing = watch->from;
        return;
    }
    if (watch->from <= watch->sequence.base) /* nothing was left out */
        sw_sequence_settle(&watch->sequence, watch->read);
    hear_waiting(watch);
}

static void begin_fill(sw_watch *watch)
{
    watch->from = watch->read = watch->missing;
    watch->missing = NONE;
    watch->fills++;
    start(watch, FILLING, watch->from, on_fill);
    if (watch->call != FILLING)
        watch->missing = watch->from;
}

/* What a check found, once it has seen all heads. What is behind may be on its way: it is missing if it is so still a moment
 * later. A new connection has missed it for sure. */
static void conclude_check(sw_watch *watch)
{
    bool up = watch->subscription.up;
    sw_sequence_settle(&watch->sequence, watch->behind == NONE ? watch->page_from : watch->behind);
    watch->dirty = watch->behind != NONE;
    if (watch->behind == NONE || watch->suspect > 0 || watch->fresh || !up) {
        if (watch->lost != NONE)
            miss(watch, watch->lost);
        watch->suspect = 0;
        next_check(watch, !up ? POLL_US : watch->dirty ? CHECK_US : IDLE_CHECK_US);
    } else {
        watch->suspect = watch->page_from;
        next_check(watch, AGAIN_US);
    }
    watch->fresh = false;
}

static void take_head(sw_watch *watch, const Sw__EventHead *head)
{
    int64_t mark = sw_sequence_mark(&watch->sequence, sw_view_of(head->project));
    watch->page_from = head->position > watch->page_from ? head->position : watch->page_from;
    if (head->position <= mark)
        return;
    watch->behind = mark < watch->behind ? mark : watch->behind;
    if ((watch->suspect == 0 || head->position <= watch->suspect) && mark < watch->lost)
        watch->lost = mark;
}

static void on_check(const sw_reply *reply, void *context)
{
    sw_watch *watch = context;
    if (!take_outcome(watch, reply))
        return;
    Sw__ListEventHeadsResponse *heads;
    sw_error error;
    if (sw_unpack(&sw__list_event_heads_response__descriptor, (sw_view){reply->payload, reply->payload_size},
                  NULL, (ProtobufCMessage **)&heads, &error) != SW_OK) {
        fail(watch, &error);
        return;
    }
    size_t count = heads->n_items;
    for (size_t i = 0; i < count; i++)
        take_head(watch, heads->items[i]);
    protobuf_c_message_free_unpacked(&heads->base, NULL);
    if (!watch->ready) {
        sw_sequence_settle(&watch->sequence, watch->page_from);
        watch->ready = true;
        next_check(watch, watch->subscription.up ? CHECK_US : POLL_US);
        hear_waiting(watch);
    } else if (count == PAGE) {
        start(watch, CHECKING, watch->page_from, on_check);
    } else {
        conclude_check(watch);
    }
}

static void begin_check(sw_watch *watch)
{
    watch->page_from = watch->sequence.base;
    watch->behind = watch->lost = NONE;
    start(watch, CHECKING, watch->ready ? watch->page_from : -1, on_check);
}

/* --- The loop --- */

/* Everything that can be done now. True if there may be more. */
static bool work(sw_watch *watch)
{
    int64_t now_us = sw_now_us();
    if (sw_subscription_work(&watch->subscription, now_us)) {
        watch->fresh = true;
        watch->check_us = now_us;
    }
    int left = BATCH;
    for (zmq_msg_t body;
         left > 0 && watch->error.code == SW_OK && sw_subscription_read(&watch->subscription, &body); left--)
        hear(watch, &body);
    sw_client_process(watch->client, 0);
    if (watch->call == IDLE && watch->error.code == SW_OK && now_us >= watch->pause_us) {
        if (watch->ready && watch->missing != NONE)
            begin_fill(watch);
        else if (!watch->ready || now_us >= watch->check_us)
            begin_check(watch);
        if (watch->call != IDLE)
            sw_client_process(watch->client, 0);
    }
    return left == 0;
}

static int64_t next_due(const sw_watch *watch)
{
    int64_t due = watch->subscription.due_us, call = SW_NEVER;
    if (watch->call == IDLE)
        call = !watch->ready || watch->missing != NONE ? 0 : watch->check_us;
    if (call < watch->pause_us && watch->call == IDLE)
        call = watch->pause_us;
    return call < due ? call : due;
}

static void arm(sw_watch *watch, bool at_once)
{
    uint64_t fired;
    if (watch->timer < 0)
        return;
    (void)!read(watch->timer, &fired, sizeof(fired));
    int64_t due = at_once ? 1 : next_due(watch);
    struct itimerspec spec = {0};
    if (due != SW_NEVER) {
        due = due > 0 ? due : 1; /* 0 would disarm */
        spec.it_value = (struct timespec){.tv_sec = due / 1000000, .tv_nsec = due % 1000000 * 1000};
    }
    timerfd_settime(watch->timer, TFD_TIMER_ABSTIME, &spec, NULL);
}

static void wait_for_work(sw_watch *watch, int64_t until_us)
{
    int64_t due = next_due(watch), now_us = sw_now_us();
    due = due < until_us ? due : until_us;
    int64_t left_ms = due == SW_NEVER ? -1 : due <= now_us ? 0 : (due - now_us + 999) / 1000;
    const sw_subscription *from = &watch->subscription;
    struct pollfd items[] = {{.fd = sw_client_fd(watch->client), .events = POLLIN},
                             {.fd = from->socket_fd, .events = POLLIN},
                             {.fd = from->monitor_fd, .events = POLLIN}};
    poll(items, from->socket != NULL ? 3 : 1, left_ms > INT_MAX ? INT_MAX : (int)left_ms);
}

int sw_watch_process(sw_watch *watch, int64_t timeout_ms)
{
    if (watch->busy)
        return 0;
    watch->busy = true;
    uint64_t before = watch->delivered;
    int64_t until_us = SW_NEVER;
    if (timeout_ms >= 0 && timeout_ms < INT64_MAX / 2000)
        until_us = sw_now_us() + timeout_ms * 1000;
    bool more;
    for (;;) {
        more = work(watch);
        if (watch->delivered != before || watch->error.code != SW_OK || timeout_ms == 0)
            break;
        if (until_us != SW_NEVER && sw_now_us() >= until_us)
            break;
        if (!more)
            wait_for_work(watch, until_us);
    }
    arm(watch, more);
    watch->busy = false;
    uint64_t called = watch->delivered - before;
    if (called == 0 && watch->error.code != SW_OK)
        return -1;
    return called > INT_MAX ? INT_MAX : (int)called;
}

int sw_watch_fd(sw_watch *watch)
{
    if (watch->epoll >= 0)
        return watch->epoll;
    struct epoll_event event = {.events = EPOLLIN};
    int client = sw_client_fd(watch->client);
    watch->epoll = epoll_create1(EPOLL_CLOEXEC);
    watch->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (client >= 0 && watch->epoll >= 0 && watch->timer >= 0 &&
        epoll_ctl(watch->epoll, EPOLL_CTL_ADD, watch->timer, &event) == 0 &&
        epoll_ctl(watch->epoll, EPOLL_CTL_ADD, client, &event) == 0) {
        sw_subscription_watch(&watch->subscription, watch->epoll);
        arm(watch, true);
        return watch->epoll;
    }
    if (watch->epoll >= 0)
        close(watch->epoll);
    if (watch->timer >= 0)
        close(watch->timer);
    return watch->epoll = watch->timer = -1;
}

/* --- What it tells --- */

const char *sw_watch_cursor(sw_watch *watch)
{
    free(watch->cursor);
    watch->cursor = watch->ready ? sw_sequence_write(&watch->sequence) : NULL;
    return watch->cursor == NULL ? "" : watch->cursor;
}

bool sw_watch_is_ready(const sw_watch *watch)
{
    return watch->ready;
}

const sw_error *sw_watch_error(const sw_watch *watch)
{
    return &watch->error;
}

void sw_watch_get_status(const sw_watch *watch, sw_watch_status *status)
{
    *status = (sw_watch_status){.subscribed = watch->subscription.up,
                                .endpoint = sw_subscription_endpoint(&watch->subscription),
                                .reason = watch->subscription.reason,
                                .delivered = watch->delivered,
                                .gaps = watch->gaps,
                                .filled = watch->filled};
}

/* --- Life --- */

static sw_code take_kinds(sw_watch *watch, const char *text, sw_error *error)
{
    bool all = text == NULL || *text == '\0';
    for (size_t i = 0; i < KINDS; i++)
        watch->wanted[i] = all && i + 1 < KINDS;
    for (const char *at = all ? "" : text; *at != '\0';) {
        size_t size = strcspn(at, ","), i = 0;
        while (i + 1 < KINDS && !sw_view_equal((sw_view){at, size}, sw_view_of(kinds[i])))
            i++;
        if (i + 1 == KINDS)
            return sw_fail_field(error, SW_INVALID_ARGUMENT, "kinds",
                                 "kind '%.*s': one of state, command and log, or several with commas",
                                 (int)(size < 64 ? size : 64), at);
        watch->wanted[i] = true;
        at += size + (at[size] == ',');
    }
    return SW_OK;
}

static bool add_topics(sw_watch *watch, const char *project)
{
    bool good = true;
    for (size_t i = 0; i < KINDS && good; i++) {
        char *topic;
        good =
            asprintf(&topic, project == NULL ? "deployment/%s/" : "deployment/%s/%s/", kinds[i], project) > 0;
        if (good) {
            good = sw_subscription_add(&watch->subscription, topic);
            free(topic);
        }
    }
    return good;
}

static sw_code take_projects(sw_watch *watch, const sw_watch_options *options, sw_error *error)
{
    if (options->project_count > PROJECTS_MAX)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "projects",
                             "%zu projects; at most %d, or none for all", options->project_count,
                             PROJECTS_MAX);
    watch->projects = calloc(options->project_count + 1, sizeof(char *));
    bool good = watch->projects != NULL && (options->project_count > 0 || add_topics(watch, NULL));
    for (size_t i = 0; good && i < options->project_count; i++) {
        const char *project = options->projects[i];
        if (project == NULL || *project == '\0' || strpbrk(project, "/,= \n") != NULL)
            return sw_fail_field(error, SW_INVALID_ARGUMENT, "projects",
                                 "'%s' is no project; one is `website:` or `drupaldocrootcore:` and a code",
                                 project == NULL ? "" : project);
        good = (watch->projects[i] = strdup(project)) != NULL && add_topics(watch, project);
        watch->project_count += good;
    }
    return good ? SW_OK : sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
}

static sw_code take_options(sw_watch *watch, const sw_watch_options *options, sw_error *error)
{
    if (options->fn == NULL)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "fn", "a watch needs a function to call");
    watch->fn = options->fn;
    watch->context = options->context;
    watch->deployment = options->deployment;
    sw_code code = sw_subscription_open(&watch->subscription, watch->client, options->endpoints, error);
    if (code == SW_OK)
        code = take_kinds(watch, options->kinds, error);
    if (code == SW_OK)
        code = take_projects(watch, options, error);
    if (code != SW_OK || options->cursor == NULL || *options->cursor == '\0')
        return code;
    if (!sw_sequence_read(&watch->sequence, options->cursor))
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "cursor",
                             "'%.64s' is no cursor: give one that a watch has told, or 0 for the first event",
                             options->cursor);
    watch->ready = true;
    watch->missing = watch->sequence.base;
    return SW_OK;
}

sw_code sw_watch_open(sw_client *client, const sw_watch_options *given, sw_watch **result, sw_error *error)
{
    sw_watch_options options = {0};
    *result = NULL;
    if (given->size == 0)
        return sw_fail(error, SW_INVALID_ARGUMENT, "the size of sw_watch_options is not set");
    memcpy(&options, given, given->size < sizeof(options) ? given->size : sizeof(options));
    sw_watch *watch = calloc(1, sizeof(*watch));
    if (watch == NULL || (watch->waiting = calloc(HEARD_MAX, sizeof(heard))) == NULL) {
        free(watch);
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    }
    watch->client = client;
    watch->epoll = watch->timer = watch->subscription.epoll = -1;
    watch->missing = NONE;
    watch->check_us = SW_NEVER;
    next_check(watch, POLL_US);
    sw_code code = take_options(watch, &options, error);
    if (code != SW_OK)
        sw_watch_close(&watch);
    *result = watch;
    return code;
}

void sw_watch_close(sw_watch **pointer)
{
    sw_watch *watch = *pointer;
    if (watch == NULL)
        return;
    if (watch->call != IDLE)
        sw_client_forget(watch->client, watch->call_id);
    sw_subscription_close(&watch->subscription);
    for (; watch->count > 0; watch->count--, watch->first = (watch->first + 1) % HEARD_MAX)
        zmq_msg_close(&watch->waiting[watch->first].body);
    for (size_t i = 0; watch->projects != NULL && i < watch->project_count; i++)
        free(watch->projects[i]);
    free(watch->projects);
    sw_sequence_clear(&watch->sequence);
    if (watch->timer >= 0)
        close(watch->timer);
    if (watch->epoll >= 0)
        close(watch->epoll);
    free(watch->waiting);
    free(watch->text);
    free(watch->cursor);
    free(watch);
    *pointer = NULL;
}
