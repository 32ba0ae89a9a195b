/* A call as its handler sees it: the request's circumstances, replies, streams, cancellation. The
 * call belongs to its dispatch. One thread. */
#ifndef SW_RPC_CALL_H
#define SW_RPC_CALL_H

#include "base/arena.h"
#include "wire/header.h"
#include <protobuf-c/protobuf-c.h>

typedef struct sw_call sw_call;
typedef void sw_call_fn(sw_call *call, void *context);
/* Of a call that has ended: it may be looked at during the function. */
/* Sees a call that is refused: UNAUTHENTICATED or PERMISSION_DENIED. */
typedef void sw_call_refusal_fn(void *context, const sw_call *call, const sw_error *error);
typedef void sw_call_end_fn(void *context, const sw_call *call, sw_code code, int64_t service_us);

/* The views and the arena live as long as the call. */
sw_arena *sw_call_arena(sw_call *call);
const sw_call_header *sw_call_get_header(const sw_call *call);
sw_view sw_call_caller(const sw_call *call);
sw_view sw_call_key(const sw_call *call);             /* the caller's public key, Z85; empty on ipc */
int64_t sw_call_deadline_ms(const sw_call *call);     /* monotonic clock */
const sw_timing *sw_call_timing(const sw_call *call); /* service_us is not known before the end */
const ProtobufCMethodDescriptor *sw_call_method(const sw_call *call);

/* `fn` is called at most once: when the client cancels or goes away, or when the deadline passes
 * while the call is being served. The handler must still end the call. NULL removes it. */
void sw_call_on_cancel(sw_call *call, sw_call_fn *fn, void *context);
bool sw_call_is_cancelled(const sw_call *call);
/* How a cancelled call must end: CANCELLED, DEADLINE_EXCEEDED, or RESOURCE_EXHAUSTED after a
 * message of a stream that is too large to send. OK for a call that is not cancelled. */
sw_code sw_call_cancel_code(const sw_call *call);

/* Go into the reply's header. Texts are copied. A trailer beyond SW_METADATA_MAX, or without memory
 * for it, is left out. */
void sw_call_add_trailer(sw_call *call, const char *key, const char *value);
void sw_call_add_sql_us(sw_call *call, int64_t us);

/* Sends a message of a stream; it costs one unit of credit. False if nothing is sent: there is no
 * credit (`fn` of sw_call_on_credit is called when there is some), or the call is cancelled. */
bool sw_call_partial(sw_call *call, const ProtobufCMessage *message);
void sw_call_on_credit(sw_call *call, sw_call_fn *fn, void *context);

/* End the call, which is gone afterwards. A stream ends with message NULL. */
void sw_call_reply(sw_call *call, const ProtobufCMessage *message);
void sw_call_fail(sw_call *call, const sw_error *error);

#endif
