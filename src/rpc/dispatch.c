/* The path of a call from its bytes to its handler, and what can happen to it until it ends. */
#include "rpc/calls.h"

#include "base/clock.h"
#include "base/error.h"
#include "wire/validate.h"
#include <stdlib.h>

#define CREDIT_MAX      65535
#define PAYLOAD_MAX     (4U * 1024 * 1024)
#define CALLS_MAX       65535
#define TIME_DEFAULT_MS 30000
#define TIME_MAX_MS     86400000

struct sw_dispatch {
    sw_methods methods;
    sw_calls calls;
    size_t payload_max, calls_max;
    uint64_t unknown_methods;
};

sw_dispatch *sw_dispatch_new(void)
{
    sw_dispatch *dispatch = calloc(1, sizeof(*dispatch));
    if (dispatch != NULL)
        sw_dispatch_set_bounds(dispatch, 0, 0);
    return dispatch;
}

void sw_dispatch_destroy(sw_dispatch **dispatch)
{
    if (*dispatch == NULL)
        return;
    sw_calls_clear(&(*dispatch)->calls);
    sw_methods_clear(&(*dispatch)->methods);
    free(*dispatch);
    *dispatch = NULL;
}

void sw_dispatch_set_bounds(sw_dispatch *dispatch, size_t payload_max, size_t calls_max)
{
    dispatch->payload_max = payload_max == 0 ? PAYLOAD_MAX : payload_max;
    dispatch->calls_max = calls_max == 0 ? CALLS_MAX : calls_max;
}

/* --- Methods --- */

sw_code sw_dispatch_add(sw_dispatch *dispatch, const sw_method *method, sw_error *error)
{
    return sw_methods_add(&dispatch->methods, method, error);
}

sw_code sw_dispatch_check(const sw_dispatch *dispatch, sw_error *error)
{
    return sw_methods_check(&dispatch->methods, error);
}

size_t sw_dispatch_services(const sw_dispatch *dispatch, const char *const **names)
{
    *names = (const char *const *)dispatch->methods.services;
    return dispatch->methods.service_count;
}

size_t sw_dispatch_methods(const sw_dispatch *dispatch, const sw_method_entry *const **methods)
{
    *methods = (const sw_method_entry *const *)dispatch->methods.entries;
    return dispatch->methods.count;
}

void sw_dispatch_on_end(sw_dispatch *dispatch, sw_call_end_fn *fn, void *context)
{
    dispatch->calls.on_end = fn;
    dispatch->calls.end_context = context;
}

void sw_dispatch_on_refusal(sw_dispatch *dispatch, sw_call_refusal_fn *fn, void *context)
{
    dispatch->calls.on_refusal = fn;
    dispatch->calls.refusal_context = context;
}

const uint64_t *sw_dispatch_unknown(const sw_dispatch *dispatch)
{
    return &dispatch->unknown_methods;
}

/* --- A new call --- */

static bool copy_view(sw_arena *arena, sw_view *view)
{
    if (view->size == 0)
        return true;
    view->data = sw_arena_strndup(arena, view->data, view->size);
    return view->data != NULL;
}

static int64_t time_left_ms(const sw_call *call, const sw_handover *handover)
{
    int64_t left = handover->time_left_ms != 0 ? handover->time_left_ms : call->header.time_left_ms;
    return left == 0 ? TIME_DEFAULT_MS : left > TIME_MAX_MS ? TIME_MAX_MS : left;
}

/* Copies what the frames say: they do not outlive this. */
static sw_code adopt(sw_call *call, const sw_incoming *incoming, sw_error *error)
{
    call->started_us = sw_now_us();
    call->transport = incoming->transport;
    call->timing.queue_us = incoming->handover.queue_us;
    call->route = incoming->route;
    call->caller = incoming->handover.caller;
    call->key = incoming->handover.key;
    sw_view header = incoming->header;
    if (!copy_view(call->arena, &header) || !copy_view(call->arena, &call->route.address) ||
        !copy_view(call->arena, &call->caller) || !copy_view(call->arena, &call->key)) {
        call->route.address = incoming->route.address;
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "no memory for the call; try again later");
    }
    if (!sw_call_header_decode(header.data, header.size, &call->header))
        return sw_fail(error, SW_INVALID_ARGUMENT, "the call header is malformed");
    call->deadline_ms = call->started_us / 1000 + time_left_ms(call, &incoming->handover);
    call->credit = call->header.credit > CREDIT_MAX ? CREDIT_MAX : call->header.credit;
    return SW_OK;
}

/* Finds the method and unpacks its request. */
static sw_code prepare(sw_dispatch *d, sw_call *call, sw_view payload, ProtobufCMessage **request,
                       sw_error *error)
{
    sw_view path = call->header.method;
    call->method = sw_methods_find(&d->methods, path);
    if (call->method == NULL) {
        d->unknown_methods++;
        return sw_fail(error, SW_UNIMPLEMENTED, "there is no method %.*s here; Reflection lists the methods",
                       (int)(path.size > 200 ? 200 : path.size), path.size == 0 ? "" : path.data);
    }
    if (d->calls.count >= d->calls_max)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "%zu calls are being served; try again later",
                       d->calls.count);
    if (payload.size > d->payload_max)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "the request has %zu bytes, at most %zu are allowed",
                       payload.size, d->payload_max);
    const ProtobufCMessageDescriptor *type = call->method->descriptor->input;
    if (sw_message_validate(type, payload.data, payload.size, SW_REQUEST_ELEMENTS_MAX, error) != SW_OK)
        return SW_INVALID_ARGUMENT;
    *request = protobuf_c_message_unpack(type, sw_arena_allocator(call->arena), payload.size,
                                         (const uint8_t *)payload.data);
    if (*request == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "the request needs too much memory; send less at once");
    return SW_OK;
}

/* Answers a call for which there is no memory. */
static void refuse(const sw_incoming *incoming)
{
    sw_call_header *asked = malloc(sizeof(*asked));
    sw_reply_header header = {.code = SW_RESOURCE_EXHAUSTED,
                              .message = SW_VIEW("no memory for the call; try again later")};
    if (asked != NULL && sw_call_header_decode(incoming->header.data, incoming->header.size, asked))
        header.call_id = asked->call_id;
    free(asked);
    incoming->transport->send(incoming->transport, &incoming->route, true, &header, NULL);
}

void sw_dispatch_call(sw_dispatch *dispatch, const sw_incoming *incoming)
{
    sw_call *call = sw_calls_take(&dispatch->calls);
    if (call == NULL) {
        refuse(incoming);
        return;
    }
    sw_error error;
    ProtobufCMessage *request;
    if (adopt(call, incoming, &error) != SW_OK ||
        prepare(dispatch, call, incoming->payload, &request, &error) != SW_OK) {
        error.retry_safe = true; /* nothing has run */
        sw_call_fail(call, &error);
        return;
    }
    call->in_handler = true;
    call->method->method.handler(call, request, call->method->method.context);
    call->in_handler = false;
    if (call->ended) {
        sw_calls_give(call);
    } else if (!sw_calls_add(call)) {
        /* It could not be found for a cancel later: it is answered here, and its handler is
         * informed. */
        refuse(incoming);
        call->transport = NULL;
        sw_call_cancel(call, SW_CANCELLED);
    }
}

/* --- Calls in flight --- */

void sw_dispatch_cancel(sw_dispatch *dispatch, sw_transport *transport, const sw_route *route)
{
    sw_call *call = sw_calls_find(&dispatch->calls, transport, route);
    if (call != NULL)
        sw_call_cancel(call, SW_CANCELLED);
}

void sw_dispatch_credit(sw_dispatch *dispatch, sw_transport *transport, const sw_route *route,
                        uint32_t messages)
{
    sw_call *call = sw_calls_find(&dispatch->calls, transport, route);
    if (call == NULL || messages == 0)
        return;
    bool waited = call->credit == 0;
    call->credit = messages > CREDIT_MAX - call->credit ? CREDIT_MAX : call->credit + messages;
    if (waited && call->on_credit != NULL)
        call->on_credit(call, call->credit_context);
}

void sw_dispatch_abandon(sw_dispatch *dispatch, sw_transport *transport)
{
    sw_calls *calls = &dispatch->calls;
    for (calls->cursor = calls->first; calls->cursor != NULL;) {
        sw_call *call = calls->cursor;
        calls->cursor = call->later;
        if (call->transport != transport)
            continue;
        sw_calls_remove(call);
        call->transport = NULL;
        sw_calls_add(call); /* cannot fail: it has just been removed */
        sw_call_cancel(call, SW_CANCELLED);
    }
}

void sw_dispatch_expire(sw_dispatch *dispatch, int64_t now_ms)
{
    sw_heap *deadlines = &dispatch->calls.deadlines;
    while (sw_heap_first_at(deadlines) <= now_ms) {
        sw_call *call = SW_HEAP_ITEM(sw_heap_first(deadlines), sw_call, deadline);
        sw_heap_put(deadlines, &call->deadline, SW_NEVER);
        sw_call_cancel(call, SW_DEADLINE_EXCEEDED);
    }
}

int64_t sw_dispatch_deadline_ms(const sw_dispatch *dispatch)
{
    return sw_heap_first_at(&dispatch->calls.deadlines);
}

size_t sw_dispatch_in_flight(const sw_dispatch *dispatch)
{
    return dispatch->calls.count;
}
