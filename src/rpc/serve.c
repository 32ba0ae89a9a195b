/* The way of a call from its bytes to its handler, and what happens to calls in flight. */
#include "rpc/call.h"

#include "base/clock.h"
#include "base/error.h"
#include "wire/validate.h"
#include <stdlib.h>
#include <string.h>

#define CREDIT_MAX      65535
#define POOL_MAX        1024                /* calls kept for reuse */
#define ARENA_MAX       (64U * 1024 * 1024) /* bytes of one call */
#define TIME_DEFAULT_MS 30000
#define TIME_MAX_MS     86400000

static void free_call(sw_call *call)
{
    sw_arena_destroy(&call->arena);
    free(call);
}

static sw_call *take_call(sw_dispatch *d)
{
    sw_call *call = d->pool;
    if (call != NULL) {
        d->pool = call->next;
        d->pool_count--;
    } else {
        call = malloc(sizeof(*call));
        sw_arena *arena = call == NULL ? NULL : sw_arena_new(ARENA_MAX);
        if (arena == NULL) {
            free(call);
            return NULL;
        }
        call->arena = arena;
    }
    sw_arena *arena = call->arena;
    memset(call, 0, offsetof(sw_call, header));
    call->arena = arena;
    call->dispatch = d;
    call->header.call_id = 0;
    call->header.metadata_count = 0;
    return call;
}

void sw_dispatch_release(sw_dispatch *dispatch, sw_call *call)
{
    if (call->shared)
        sw_calls_remove(&dispatch->calls, call);
    if (dispatch->pool_count == POOL_MAX) {
        free_call(call);
        return;
    }
    sw_arena_reset(call->arena);
    call->next = dispatch->pool;
    dispatch->pool = call;
    dispatch->pool_count++;
}

void sw_dispatch_free_calls(sw_dispatch *d)
{
    for (sw_call *call; (call = d->calls.first) != NULL;) {
        sw_calls_remove(&d->calls, call);
        free_call(call);
    }
    for (sw_call *call; (call = d->pool) != NULL;) {
        d->pool = call->next;
        free_call(call);
    }
    sw_calls_clear(&d->calls);
}

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

/* Takes over what the frames say: they do not outlive this. */
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
    call->method = sw_dispatch_find(d, path);
    if (call->method == NULL) {
        d->unknown_methods++;
        return sw_fail(error, SW_UNIMPLEMENTED,
                       "there is no method %.*s here; Reflection tells what there is",
                       (int)(path.size > 200 ? 200 : path.size), path.size == 0 ? "" : path.data);
    }
    if (d->calls.count >= d->calls_max)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "%zu calls are being served; try again later",
                       d->calls.count);
    if (payload.size > d->payload_max)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "the request has %zu bytes, %zu are the most",
                       payload.size, d->payload_max);
    const ProtobufCMessageDescriptor *type = call->method->descriptor->input;
    if (sw_message_validate(type, payload.data, payload.size, SW_REQUEST_ELEMENTS_MAX, error) != SW_OK)
        return SW_INVALID_ARGUMENT;
    *request = protobuf_c_message_unpack(type, sw_arena_allocator(call->arena), payload.size,
                                         (const uint8_t *)payload.data);
    if (*request == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "the request takes too much memory; send less at once");
    return SW_OK;
}

/* Tells a peer for whose call there is no memory. */
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
    sw_call *call = take_call(dispatch);
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
        sw_dispatch_release(dispatch, call);
    } else if (!sw_calls_add(&dispatch->calls, call)) {
        /* Nobody could find it to cancel it: it is answered here, and its handler told. */
        refuse(incoming);
        call->transport = NULL;
        sw_call_cancel(call, SW_CANCELLED);
    }
}

/* --- what happens to calls in flight --- */

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
        sw_calls_remove(calls, call);
        call->transport = NULL;
        sw_calls_add(calls, call); /* there is room: it was just taken out */
        sw_call_cancel(call, SW_CANCELLED);
    }
}

void sw_dispatch_expire(sw_dispatch *dispatch, int64_t now_ms)
{
    sw_calls *calls = &dispatch->calls;
    while (calls->count > 0 && calls->heap[0]->expires_ms <= now_ms) {
        sw_call *call = calls->heap[0];
        sw_calls_move(calls, call, SW_NEVER);
        sw_call_cancel(call, SW_DEADLINE_EXCEEDED);
    }
}

int64_t sw_dispatch_deadline_ms(const sw_dispatch *dispatch)
{
    return dispatch->calls.count == 0 ? SW_NEVER : dispatch->calls.heap[0]->expires_ms;
}

size_t sw_dispatch_in_flight(const sw_dispatch *dispatch)
{
    return dispatch->calls.count;
}
