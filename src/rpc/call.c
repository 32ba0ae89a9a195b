/* A call from its handler's side (call.h). */
#include "rpc/calls.h"

#include "base/clock.h"
#include "base/error.h"
#include <string.h>

/* --- The request --- */

sw_arena *sw_call_arena(sw_call *call)
{
    return call->arena;
}

const sw_call_header *sw_call_get_header(const sw_call *call)
{
    return &call->header;
}

sw_view sw_call_caller(const sw_call *call)
{
    return call->caller;
}

sw_view sw_call_key(const sw_call *call)
{
    return call->key;
}

const sw_timing *sw_call_timing(const sw_call *call)
{
    return &call->timing;
}

int64_t sw_call_deadline_ms(const sw_call *call)
{
    return call->deadline_ms;
}

const ProtobufCMethodDescriptor *sw_call_method(const sw_call *call)
{
    return call->method->descriptor;
}

/* --- Cancellation and credit --- */

void sw_call_on_cancel(sw_call *call, sw_call_fn *fn, void *context)
{
    call->on_cancel = fn;
    call->cancel_context = context;
}

bool sw_call_is_cancelled(const sw_call *call)
{
    return call->cancel_code != SW_OK;
}

sw_code sw_call_cancel_code(const sw_call *call)
{
    return call->cancel_code;
}

void sw_call_cancel(sw_call *call, sw_code code)
{
    if (call->cancel_code != SW_OK)
        return;
    call->cancel_code = code;
    if (call->on_cancel != NULL)
        call->on_cancel(call, call->cancel_context);
}

void sw_call_on_credit(sw_call *call, sw_call_fn *fn, void *context)
{
    call->on_credit = fn;
    call->credit_context = context;
}

/* --- Replies --- */

void sw_call_add_trailer(sw_call *call, const char *key, const char *value)
{
    if (call->trailers == NULL)
        call->trailers = sw_arena_alloc(call->arena, SW_METADATA_MAX * sizeof(sw_pair));
    if (call->trailers == NULL || call->trailer_count == SW_METADATA_MAX)
        return;
    sw_view views[2] = {sw_view_of(key), sw_view_of(value)};
    for (int i = 0; i < 2; i++) {
        views[i].data = sw_arena_strndup(call->arena, views[i].data, views[i].size);
        if (views[i].data == NULL)
            return;
    }
    call->trailers[call->trailer_count++] = (sw_pair){views[0], views[1]};
}

static uint32_t saturate(int64_t us)
{
    return us < 0 ? 0 : us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

void sw_call_add_sql_us(sw_call *call, int64_t us)
{
    call->timing.sql_us = saturate((int64_t)call->timing.sql_us + us);
}

/* Sets what every message of a reply has in its header. The rest of the struct, which is large,
 * stays as it is. */
static void begin_header(sw_call *call, sw_reply_header *header, int64_t service_us)
{
    header->call_id = call->header.call_id;
    header->code = SW_OK;
    header->message = (sw_view){0};
    header->detail_count = header->trailer_count = 0;
    header->timing = call->timing;
    header->timing.service_us = saturate(service_us);
}

bool sw_call_partial(sw_call *call, const ProtobufCMessage *message)
{
    if (call->credit == 0 || call->cancel_code != SW_OK)
        return false;
    sw_reply_header header;
    begin_header(call, &header, sw_now_us() - call->started_us);
    if (!call->transport->send(call->transport, &call->route, false, &header, message)) {
        /* A stream must not have gaps: the handler has to end it, as after a cancel. */
        sw_call_cancel(call, SW_RESOURCE_EXHAUSTED);
        return false;
    }
    call->credit--;
    return true;
}

/* Replaces a final message that could not be encoded. */
static void send_failure(sw_call *call, sw_reply_header *header, sw_code *code)
{
    *code = SW_RESOURCE_EXHAUSTED;
    header->code = SW_RESOURCE_EXHAUSTED;
    header->message =
        SW_VIEW("the reply is larger than 64 MiB, or too large for the memory that is free now; ask for less "
                "at once, or try again later");
    header->detail_count = header->trailer_count = 0;
    call->transport->send(call->transport, &call->route, true, header, NULL);
}

static void end(sw_call *call, const ProtobufCMessage *message, const sw_error *error)
{
    int64_t service_us = sw_now_us() - call->started_us;
    sw_code code = error == NULL ? SW_OK : error->code;
    if (call->transport != NULL) {
        sw_reply_header header;
        begin_header(call, &header, service_us);
        if (error != NULL)
            sw_reply_header_from_error(error, &header);
        if (call->trailer_count > 0)
            memcpy(header.trailers, call->trailers, call->trailer_count * sizeof(sw_pair));
        header.trailer_count = call->trailer_count;
        if (!call->transport->send(call->transport, &call->route, true, &header, message))
            send_failure(call, &header, &code);
    }
    if (call->method != NULL)
        sw_method_count(call->method, code, service_us, call->timing.sql_us);
    if (call->calls->on_refusal != NULL && error != NULL &&
        (code == SW_UNAUTHENTICATED || code == SW_PERMISSION_DENIED))
        call->calls->on_refusal(call->calls->refusal_context, call, error);
    if (call->calls->on_end != NULL)
        call->calls->on_end(call->calls->end_context, call, code, service_us);
    call->ended = true;
    if (!call->in_handler)
        sw_calls_give(call);
}

void sw_call_reply(sw_call *call, const ProtobufCMessage *message)
{
    end(call, message, NULL);
}

void sw_call_fail(sw_call *call, const sw_error *error)
{
    if (error->code > SW_OK && error->code < SW_CODE_COUNT) {
        end(call, NULL, error);
        return;
    }
    sw_error internal = {.code = SW_INTERNAL};
    sw_fail(&internal, SW_INTERNAL, "the method failed without an error code");
    end(call, NULL, &internal);
}
