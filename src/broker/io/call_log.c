/* Records of calls (call_log.h). The header of a call is kept as it came and read only if somebody
 * asks. */
#include "broker/io/call_log.h"

#include <stdlib.h>
#include <string.h>

#define HEADER_MAX 256 /* bytes; of a longer one only the method and the trace are kept */

typedef struct sw_call_record {
    uint64_t route; /* whose it is: a place is used again */
    int64_t arrived_us;
    uint32_t queue_us, worker, size;
    uint8_t header[HEADER_MAX];
} sw_call_record;

/* --- records --- */

/* NULL when out of memory: the call is then not reported. */
static sw_call_record *record_for(sw_call_log *log, uint64_t route)
{
    size_t place = (uint32_t)route;
    if (place >= log->count) {
        size_t count = log->count * 2 > place ? log->count * 2 : place + 64;
        sw_call_record *grown = reallocarray(log->records, count, sizeof(*grown));
        if (grown == NULL)
            return NULL;
        memset(grown + log->count, 0, (count - log->count) * sizeof(*grown));
        log->records = grown;
        log->count = count;
    }
    return &log->records[place];
}

static const sw_call_record *find(const sw_call_log *log, uint64_t route)
{
    size_t place = (uint32_t)route;
    return route != 0 && place < log->count && log->records[place].route == route ? &log->records[place]
                                                                                  : NULL;
}

/* A long header without what nobody asks for here. */
static uint32_t shorten(sw_view from, uint8_t to[HEADER_MAX])
{
    sw_call_header header;
    if (!sw_call_header_decode(from.data, from.size, &header))
        return 0;
    header.request_id = header.destination = (sw_view){0};
    size_t kept = 0;
    for (size_t i = 0; i < header.metadata_count; i++)
        if (sw_view_equal(header.metadata[i].key, SW_VIEW("traceparent")))
            header.metadata[kept++] = header.metadata[i];
    header.metadata_count = kept;
    size_t size = sw_call_header_encode(&header, to, HEADER_MAX);
    return size <= HEADER_MAX ? (uint32_t)size : 0;
}

void sw_call_log_request(sw_call_log *log, const sw_action *action, int64_t now_us)
{
    const sw_body *body = action->body;
    if (body->framing == SW_FRAMING_PLAIN || !sw_trace_wants(log->trace, INT64_MAX))
        return;
    sw_call_record *record = record_for(log, action->route);
    if (record == NULL)
        return;
    record->route = action->route;
    record->arrived_us = now_us - action->queue_us;
    record->queue_us = action->queue_us;
    record->worker = action->worker;
    record->size =
        body->header.size <= HEADER_MAX ? (uint32_t)body->header.size : shorten(body->header, record->header);
    if (body->header.size <= HEADER_MAX)
        memcpy(record->header, body->header.data, record->size);
}

void sw_call_log_close(sw_call_log *log)
{
    free(log->records);
    *log = (sw_call_log){0};
}

/* --- the end --- */

/* The header of a call that no worker took is in the body that the answer gives up. */
static sw_view header_of(const sw_call_record *record, const sw_action *action)
{
    const sw_body *body = action->body;
    if (record != NULL)
        return (sw_view){(const char *)record->header, record->size};
    bool is_request = action->kind == SW_ACTION_ANSWER && body != NULL && body->framing != SW_FRAMING_PLAIN;
    return is_request ? body->header : (sw_view){0};
}

/* The times and the code that the service gave. */
static void read_reply(const sw_action *action, sw_ended_call *call)
{
    const sw_body *body = action->body;
    sw_reply_header header;
    if (action->kind != SW_ACTION_REPLY ||
        !sw_reply_header_decode(body->header.data, body->header.size, &header))
        return;
    call->code = header.code;
    call->timing.service_us = header.timing.service_us;
    call->timing.sql_us = header.timing.sql_us;
}

void sw_call_log_end(sw_call_log *log, const sw_action *action, uint32_t code,
                     sw_view (*caller)(void *context, const sw_action *action), void *context, int64_t now_us)
{
    if (!sw_trace_wants(log->trace, INT64_MAX))
        return;
    const sw_call_record *record = find(log, action->route);
    int64_t total_us = record != NULL ? now_us - record->arrived_us : action->queue_us;
    sw_view bytes = header_of(record, action);
    sw_call_header header;
    if (!sw_trace_wants(log->trace, total_us) || bytes.size == 0 ||
        !sw_call_header_decode(bytes.data, bytes.size, &header))
        return;
    sw_ended_call call = {.call_id = action->call_id,
                          .method = header.method,
                          .caller = caller(context, action),
                          .trace_id = sw_call_header_trace_id(&header),
                          .instance =
                              record != NULL ? sw_core_worker_instance(log->core, record->worker) : "",
                          .code = code,
                          .total_us = total_us,
                          .timing = {.queue_us = record != NULL ? record->queue_us : action->queue_us},
                          .streams = header.credit > 0};
    read_reply(action, &call);
    sw_trace_ended(log->trace, &call);
}
