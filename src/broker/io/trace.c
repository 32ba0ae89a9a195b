/* Slow calls in the log, and traces of calls as streams (trace.h). */
#include "broker/io/trace.h"

#include "base/clock.h"
#include "base/error.h"
#include "sitewire/rpc/v1/rpc.pb-c.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WATCHES_MAX   16
#define COUNT_DEFAULT 100
#define COUNT_MAX     10000

typedef struct sw_call_watch {
    struct sw_call_watch *next;
    sw_trace *trace;
    sw_call *call;
    const Sw__WatchCallsRequest *wanted; /* in the call's arena */
    uint32_t left, missed;
    sw_timer *timer; /* of its time_ms, or NULL */
} sw_call_watch;

/* --- what a watch wants --- */

/* `Service/Method` fits `/package.Service/Method`, and `Method` does, too. */
static bool fits_method(sw_view method, const char *wanted)
{
    size_t size = strlen(wanted);
    if (size > method.size || memcmp(method.data + method.size - size, wanted, size) != 0)
        return false;
    return size == method.size || strchr("./", method.data[method.size - size - 1]) != NULL;
}

static bool fits_text(sw_view text, const char *wanted)
{
    return wanted == NULL || *wanted == '\0' || sw_view_equal(text, sw_view_of(wanted));
}

static bool fits(const Sw__WatchCallsRequest *wanted, const sw_ended_call *call)
{
    return (wanted->call_id == 0 || wanted->call_id == call->call_id) &&
           (uint64_t)call->total_us >= wanted->slower_than_us && fits_text(call->caller, wanted->caller) &&
           fits_text(call->trace_id, wanted->trace_id) &&
           (wanted->method == NULL || *wanted->method == '\0' || fits_method(call->method, wanted->method));
}

/* --- the stream --- */

static char *copy(char text[256], sw_view view)
{
    snprintf(text, 256, "%.*s", (int)view.size, view.size > 0 ? view.data : "");
    return text;
}

static void unlink_watch(sw_call_watch *watch)
{
    sw_call_watch **at = &watch->trace->watches;
    while (*at != watch)
        at = &(*at)->next;
    *at = watch->next;
    watch->trace->count--;
    sw_timer_destroy(&watch->timer);
    free(watch);
}

static void end(sw_call_watch *watch)
{
    sw_call *call = watch->call;
    sw_call_on_cancel(call, NULL, NULL);
    unlink_watch(watch);
    sw_call_reply(call, NULL);
}

static void time_is_over(void *context)
{
    end(context);
}

static void cancelled(sw_call *call, void *context)
{
    sw_error error;
    sw_code code = sw_call_cancel_code(call);
    unlink_watch(context);
    sw_fail(&error, code,
            code == SW_CANCELLED ? "the trace was cancelled" : "the time for the trace is over");
    sw_call_fail(call, &error);
}

/* A message that cannot be sent for want of memory cancels its call, and with it the watch. */
static bool is_running(const sw_trace *trace, const sw_call_watch *watch)
{
    const sw_call_watch *each = trace->watches;
    while (each != NULL && each != watch)
        each = each->next;
    return each != NULL;
}

/* Ends the watch after its last message. */
static void send(sw_trace *trace, sw_call_watch *watch, const sw_ended_call *call)
{
    Sw__TracedCall message = SW__TRACED_CALL__INIT;
    Sw__Timing timing = SW__TIMING__INIT;
    Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    int64_t began_us = sw_wall_us() - call->total_us;
    char texts[3][256];
    at.seconds = began_us / 1000000;
    at.nanos = (int32_t)(began_us % 1000000) * 1000;
    timing.has_queue_us = timing.has_service_us = timing.has_sql_us = 1;
    timing.queue_us = call->timing.queue_us;
    timing.service_us = call->timing.service_us;
    timing.sql_us = call->timing.sql_us;
    message.at = &at;
    message.method = copy(texts[0], call->method);
    message.caller = copy(texts[1], call->caller);
    message.trace_id = copy(texts[2], call->trace_id);
    message.instance = (char *)call->instance;
    message.has_call_id = message.has_code = message.has_total_us = 1;
    message.call_id = call->call_id;
    message.code = call->code;
    message.total_us = (uint64_t)call->total_us;
    message.timing = &timing;
    message.has_missed = watch->missed > 0;
    message.missed = watch->missed;
    if (!sw_call_partial(watch->call, &message.base)) {
        if (is_running(trace, watch))
            watch->missed++; /* the reader is slow; nothing is kept for it */
        return;
    }
    watch->missed = 0;
    if (--watch->left == 0)
        end(watch);
}

/* --- the method --- */

static void fail(sw_call *call, sw_code code, const char *field, const char *text)
{
    sw_error error;
    (void)sw_fail_field(&error, code, field, "%s", text);
    error.retry_safe = code == SW_RESOURCE_EXHAUSTED;
    sw_call_fail(call, &error);
}

static void watch_calls(sw_call *call, const ProtobufCMessage *request, void *context)
{
    sw_trace *trace = context;
    const Sw__WatchCallsRequest *wanted = (const Sw__WatchCallsRequest *)request;
    if (sw_call_get_header(call)->credit == 0) {
        fail(call, SW_INVALID_ARGUMENT, "", "WatchCalls is a stream: the call must grant credit");
        return;
    }
    if (wanted->count > COUNT_MAX) {
        fail(call, SW_INVALID_ARGUMENT, "count", "at most 10000 calls; start another trace afterwards");
        return;
    }
    sw_call_watch *watch = trace->count < WATCHES_MAX ? calloc(1, sizeof(*watch)) : NULL;
    sw_timer *timer = watch != NULL ? sw_loop_timer(trace->loop, time_is_over, watch) : NULL;
    if (timer == NULL) {
        free(watch);
        fail(call, SW_RESOURCE_EXHAUSTED, "", "16 traces are running, the most at once; end one of them");
        return;
    }
    *watch = (sw_call_watch){.next = trace->watches,
                             .trace = trace,
                             .call = call,
                             .wanted = wanted,
                             .left = wanted->count == 0 ? COUNT_DEFAULT : wanted->count,
                             .timer = timer};
    trace->watches = watch;
    trace->count++;
    sw_call_on_cancel(call, cancelled, watch);
    if (wanted->time_ms > 0)
        sw_timer_start(timer, sw_now_ms() + wanted->time_ms);
}

/* --- what call_log.c calls --- */

bool sw_trace_wants(const sw_trace *trace, int64_t total_us)
{
    return trace->watches != NULL || sw_slow_log_wants(&trace->slow, total_us);
}

void sw_trace_ended(sw_trace *trace, const sw_ended_call *call)
{
    if (sw_slow_log_wants(&trace->slow, call->total_us))
        sw_slow_log_write(&trace->slow, call);
    for (sw_call_watch *watch = trace->watches, *next; watch != NULL; watch = next) {
        next = watch->next;
        if (fits(watch->wanted, call))
            send(trace, watch, call);
    }
}

sw_code sw_trace_open(sw_trace *trace, sw_loop *loop, sw_dispatch *dispatch, const int64_t *slow_ms,
                      sw_error *error)
{
    *trace = (sw_trace){.loop = loop, .slow = {.slow_ms = slow_ms}};
    const sw_method method = {&sw__trace__descriptor, "WatchCalls", watch_calls, trace};
    return sw_dispatch_add(dispatch, &method, error);
}

void sw_trace_close(sw_trace *trace)
{
    for (sw_call_watch *watch = trace->watches, *next; watch != NULL; watch = next) {
        next = watch->next;
        sw_timer_destroy(&watch->timer);
        free(watch);
    }
    trace->watches = NULL;
    trace->count = 0;
}
