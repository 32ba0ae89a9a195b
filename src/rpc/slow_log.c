/* The line of a slow call (slow_log.h). */
#include "rpc/slow_log.h"

#include "base/log.h"
#include <stdio.h>

static const char *number(char text[24], uint64_t value)
{
    snprintf(text, 24, "%llu", (unsigned long long)value);
    return text;
}

static const char *copy(char text[256], sw_view view)
{
    snprintf(text, 256, "%.*s", (int)view.size, view.size > 0 ? view.data : "");
    return text;
}

/* Anybody can make slow calls, so the number of lines is bounded. */
void sw_slow_log_write(sw_slow_log *log, const sw_ended_call *call)
{
    char texts[3][256], numbers[5][24];
    if (call->streams)
        return;
    log->count++;
    const char *code = call->code < SW_CODE_COUNT ? sw_code_name((sw_code)call->code) : "?";
    sw_log_limited(SW_LOG_WARNING, "slow call", "method", copy(texts[0], call->method), "caller",
                   copy(texts[1], call->caller), "code", code, "total_us",
                   number(numbers[0], (uint64_t)call->total_us), "queue_us",
                   number(numbers[1], call->timing.queue_us), "service_us",
                   number(numbers[2], call->timing.service_us), "sql_us",
                   number(numbers[3], call->timing.sql_us), "instance", call->instance, "call_id",
                   number(numbers[4], call->call_id), "trace_id", copy(texts[2], call->trace_id), NULL);
}

/* `00-TRACEID-PARENT-FLAGS` */
sw_view sw_call_header_trace_id(const sw_call_header *header)
{
    for (size_t i = 0; i < header->metadata_count; i++) {
        sw_view value = header->metadata[i].value;
        if (sw_view_equal(header->metadata[i].key, SW_VIEW("traceparent")) && value.size >= 36 &&
            value.data[2] == '-' && value.data[35] == '-')
            return (sw_view){value.data + 3, 32};
    }
    return (sw_view){0};
}

/* sw_call_end_fn */
static void ended(void *context, const sw_call *call, sw_code code, int64_t service_us)
{
    sw_slow_log *log = context;
    const sw_call_header *header = sw_call_get_header(call);
    sw_timing timing = *sw_call_timing(call);
    int64_t total_us = service_us + timing.queue_us;
    if (!sw_slow_log_wants(log, total_us))
        return;
    timing.service_us = service_us > UINT32_MAX ? UINT32_MAX : (uint32_t)service_us;
    const sw_ended_call slow = {.call_id = header->call_id,
                                .method = header->method,
                                .caller = sw_call_caller(call),
                                .trace_id = sw_call_header_trace_id(header),
                                .instance = log->instance,
                                .code = (uint32_t)code,
                                .total_us = total_us,
                                .timing = timing,
                                .streams = header->credit > 0};
    sw_slow_log_write(log, &slow);
}

void sw_slow_log_attach(sw_slow_log *log, sw_dispatch *dispatch)
{
    sw_dispatch_on_end(dispatch, ended, log);
}
