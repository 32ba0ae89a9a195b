/* Methods and the calls that are being served: what a service author sees. A transport (worker/server.h for
 * workers, the broker for itself) feeds requests in; handlers answer now or later. One thread. */
#ifndef SW_RPC_DISPATCH_H
#define SW_RPC_DISPATCH_H

#include "base/arena.h"
#include "wire/header.h"
#include <protobuf-c/protobuf-c.h>

typedef struct sw_dispatch sw_dispatch;
typedef struct sw_call sw_call;

/* Called with the unpacked, validated request (it lives in the call's arena). Must end in exactly one
 * sw_call_reply or sw_call_fail, now or later. */
typedef void sw_handler(sw_call *call, const ProtobufCMessage *request, void *context);

typedef struct sw_method {
    const ProtobufCServiceDescriptor *service;
    const char *name; /* `GetWebsite` */
    sw_handler *handler;
    void *context;
} sw_method;

sw_dispatch *sw_dispatch_new(void);
void sw_dispatch_destroy(sw_dispatch **dispatch);

/* Registers a method. INTERNAL by name if the service has no such rpc or it has a handler already. */
sw_code sw_dispatch_add(sw_dispatch *dispatch, const sw_method *method, sw_error *error);
/* FAILED_PRECONDITION by name if an rpc of a service with at least one handler has none. */
sw_code sw_dispatch_check(const sw_dispatch *dispatch, sw_error *error);
/* Full names of services with handlers, the built-in ones excluded; *names lives as long as the dispatch. */
size_t sw_dispatch_services(const sw_dispatch *dispatch, const char *const **names);

/* Of a call. Views live as long as the call. */
sw_arena *sw_call_arena(sw_call *call);
const sw_call_header *sw_call_get_header(const sw_call *call);
sw_view sw_call_caller(const sw_call *call);
sw_view sw_call_key(const sw_call *call);         /* the public key it came with, Z85; empty on ipc */
int64_t sw_call_deadline_ms(const sw_call *call); /* monotonic clock */
const ProtobufCMethodDescriptor *sw_call_method(const sw_call *call);

/* Called at most once, when the client cancels, goes away or the deadline passes while the call is being
 * served. The handler still ends the call. NULL removes it. */
void sw_call_on_cancel(sw_call *call, void (*fn)(sw_call *call, void *context), void *context);
bool sw_call_is_cancelled(const sw_call *call);
/* How a cancelled call shall end: CANCELLED, DEADLINE_EXCEEDED, or RESOURCE_EXHAUSTED after a message of a stream
 * that is too large to send; OK for a call that is not cancelled. */
sw_code sw_call_cancel_code(const sw_call *call);

/* What the reply's header will say. Texts are copied. */
void sw_call_add_trailer(sw_call *call, const char *key, const char *value);
void sw_call_add_sql_us(sw_call *call, int64_t us);

/* Streams: PARTIAL messages, one unit of credit each. False: nothing is sent, for want of credit (on_credit
 * is called when there is) or because the call is cancelled. */
bool sw_call_partial(sw_call *call, const ProtobufCMessage *message);
void sw_call_on_credit(sw_call *call, void (*fn)(sw_call *call, void *context), void *context);

/* The end of a call; the call is gone afterwards. A stream ends with message NULL. */
void sw_call_reply(sw_call *call, const ProtobufCMessage *message);
void sw_call_fail(sw_call *call, const sw_error *error);

#endif
