/* Checks, fills and comparisons, see read.h. */
#include "c/watch/read.h"
#include "base/clock.h"
#include "base/error.h"
#include "c/watch/hear.h"
#include "sitewire/deployment/v1/deployment.pb-c.h"

#include <stdio.h>

#define PAGE           1000   /* items of a List */
#define AGAIN_US       100000 /* what a check misses may still arrive by then */
#define CALL_FAILED_US 500000
#define CALL_MS        10000

static void number_text(char text[24], int64_t number)
{
    snprintf(text, 24, "%lld", (long long)number);
}

static void call(sw_watch *watch, sw_watch_call kind, const char *method, const ProtobufCMessage *request,
                 sw_reply_fn *fn)
{
    const sw_call_options options = {.size = sizeof(options), .timeout_ms = CALL_MS};
    sw_error error;
    sw_code code =
        sw_client_start(watch->client, method, request, &options, fn, watch, &watch->call_id, &error);
    if (code == SW_OK)
        watch->call = kind;
    else if (code == SW_RESOURCE_EXHAUSTED) /* the caller has too many calls in flight */
        watch->pause_us = sw_now_us() + CALL_FAILED_US;
    else
        sw_watch_fail(watch, &error);
}

/* Starts ListEvents or ListEventHeads after position `from`; from < 0 asks for the last item
 * only. The two requests have the same fields. */
static void start(sw_watch *watch, sw_watch_call kind, int64_t from, sw_reply_fn *fn)
{
    char position[24], *values[1] = {position};
    Sw__Filter after = SW__FILTER__INIT, of = SW__FILTER__INIT, *filters[2];
    Sw__OrderBy order = SW__ORDER_BY__INIT, *orders[1] = {&order};
    Sw__ListEventsRequest events = SW__LIST_EVENTS_REQUEST__INIT;
    Sw__ListEventHeadsRequest heads = SW__LIST_EVENT_HEADS_REQUEST__INIT;
    size_t count = 0;
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
    if (kind == SW_WATCH_FILLING)
        call(watch, kind, "/sitewire.deployment.v1.Deployments/ListEvents", &events.base, fn);
    else
        call(watch, kind, "/sitewire.deployment.v1.Deployments/ListEventHeads", &heads.base, fn);
}

/* Whether the call succeeded. If not, it is made again after a pause, or the watch has failed. */
static bool take_outcome(sw_watch *watch, const sw_reply *reply)
{
    watch->call = SW_WATCH_IDLE;
    watch->call_id = 0;
    if (reply->code == SW_OK)
        return true;
    switch (reply->code) {
    case SW_INVALID_ARGUMENT:
    case SW_PERMISSION_DENIED:
    case SW_UNAUTHENTICATED:
        sw_watch_fail(watch, reply->error);
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
    sw_watch_fail(watch, &error);
}

void sw_watch_next_check(sw_watch *watch, int64_t after_us)
{
    watch->check_us = sw_now_us() + after_us;
}

static void on_fill(const sw_reply *reply, void *context)
{
    sw_watch *watch = context;
    if (!take_outcome(watch, reply)) {
        /* again from where it was: what it has read is delivered */
        if (watch->from < watch->missing)
            watch->missing = watch->from;
        return;
    }
    sw_view rest = {reply->payload, reply->payload_size}, item;
    size_t count = 0;
    bool whole = watch->from <= watch->sequence.base; /* no event is left out */
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
        /* The fill began after this project's mark, and something between the two is missing,
         * too. */
        if (event.previous_position > mark && watch->from > mark) {
            sw_watch_miss(watch, mark);
            return;
        }
        watch->filled++;
        if (whole) /* keeps the cursor short, however many projects there are */
            sw_sequence_advance(&watch->sequence, event.position);
        sw_watch_deliver(watch, &event);
    }
    if (rest.size > 0 && watch->error.code == SW_OK)
        fail_reply(watch);
    if (watch->error.code != SW_OK)
        return;
    if (whole) {
        sw_sequence_settle(&watch->sequence, watch->read);
        watch->from = watch->read; /* if the next page fails, it is tried again from here */
    }
    if (count == PAGE) {
        start(watch, SW_WATCH_FILLING, watch->read, on_fill);
        if (watch->call != SW_WATCH_FILLING)
            watch->missing = watch->from;
        return;
    }
    sw_watch_hear_waiting(watch);
}

void sw_watch_begin_fill(sw_watch *watch)
{
    watch->from = watch->read = watch->missing;
    watch->missing = SW_WATCH_NONE;
    watch->fills++;
    start(watch, SW_WATCH_FILLING, watch->from, on_fill);
    if (watch->call != SW_WATCH_FILLING)
        watch->missing = watch->from;
}

/* The end of a check that has seen all heads. What was not delivered may still arrive over the
 * subscription: it counts as missing if the next check, a moment later, finds the same. A new
 * connection cannot have heard it. */
static void conclude_check(sw_watch *watch)
{
    bool up = watch->subscription.up;
    sw_sequence_settle(&watch->sequence, watch->behind == SW_WATCH_NONE ? watch->page_from : watch->behind);
    watch->dirty = watch->behind != SW_WATCH_NONE;
    if (watch->behind == SW_WATCH_NONE || watch->suspect > 0 || watch->fresh || !up) {
        if (watch->lost != SW_WATCH_NONE)
            sw_watch_miss(watch, watch->lost);
        watch->suspect = 0;
        sw_watch_next_check(watch, !up            ? SW_WATCH_POLL_US
                                   : watch->dirty ? SW_WATCH_CHECK_US
                                                  : SW_WATCH_IDLE_CHECK_US);
    } else {
        watch->suspect = watch->page_from;
        sw_watch_next_check(watch, AGAIN_US);
    }
    watch->fresh = false;
}

/* A failure is ignored: the next check asks again. A service or a schema that is older never
 * answers. */
static void on_position(const sw_reply *reply, void *context)
{
    sw_watch *watch = context;
    sw_error error;
    watch->call = SW_WATCH_IDLE;
    watch->call_id = 0;
    if (reply->code != SW_OK)
        return;
    const Sw__EventPosition *events =
        sw_client_message(watch->client, reply, &sw__event_position__descriptor, &error);
    if (events == NULL) {
        sw_watch_fail(watch, &error);
        return;
    }
    if (events->position < watch->last) {
        sw_fail_field(
            &error, SW_OUT_OF_RANGE, "cursor",
            "the cursor is at event %lld, but there are no more than %lld: the database is an older one than "
            "the cursor, restored from a backup perhaps. Begin with 0, or without a cursor",
            (long long)watch->last, (long long)events->position);
        sw_watch_fail(watch, &error);
    }
}

static void begin_comparison(sw_watch *watch)
{
    Sw__ReadEventPositionRequest request = SW__READ_EVENT_POSITION_REQUEST__INIT;
    call(watch, SW_WATCH_COMPARING, "/sitewire.deployment.v1.Deployments/ReadEventPosition", &request.base,
         on_position);
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
    sw_error error;
    const Sw__ListEventHeadsResponse *heads =
        sw_client_message(watch->client, reply, &sw__list_event_heads_response__descriptor, &error);
    if (heads == NULL) {
        sw_watch_fail(watch, &error);
        return;
    }
    size_t count = heads->n_items;
    for (size_t i = 0; i < count; i++)
        take_head(watch, heads->items[i]);
    if (!watch->ready) {
        sw_sequence_settle(&watch->sequence, watch->page_from);
        watch->ready = true;
        sw_watch_next_check(watch, watch->subscription.up ? SW_WATCH_CHECK_US : SW_WATCH_POLL_US);
        sw_watch_hear_waiting(watch);
    } else if (count == PAGE) {
        start(watch, SW_WATCH_CHECKING, watch->page_from, on_check);
    } else {
        conclude_check(watch);
        if (watch->page_from < watch->last)
            begin_comparison(watch);
    }
}

void sw_watch_begin_check(sw_watch *watch)
{
    /* Includes the head at the base: seeing it proves that the events reach as far as the
     * cursor. */
    watch->page_from = watch->sequence.base > 0 ? watch->sequence.base - 1 : 0;
    watch->last = sw_sequence_last(&watch->sequence);
    watch->behind = watch->lost = SW_WATCH_NONE;
    start(watch, SW_WATCH_CHECKING, watch->ready ? watch->page_from : -1, on_check);
}
