/* Between dispatch and frames: a transport feeds calls in and puts replies into its frames.
 * Implemented by worker/connection.c (a worker's connections to brokers) and by the broker for its
 * own services. */
#ifndef SW_RPC_TRANSPORT_H
#define SW_RPC_TRANSPORT_H

#include "rpc/dispatch.h"

/* Identifies a call to its transport: the tag of compact framing, or the address of MDP framing. */
typedef struct sw_route {
    uint64_t tag;
    sw_view address; /* empty: compact framing */
} sw_route;

typedef struct sw_transport sw_transport;

/* Sends one message of a reply: a PARTIAL or the FINAL. `message` NULL: no payload. Consumes
 * nothing. Must not call back into dispatch. False if the message cannot be encoded: dispatch then
 * sends a failure instead. */
typedef bool sw_transport_send(sw_transport *transport, const sw_route *route, bool final,
                               const sw_reply_header *header, const ProtobufCMessage *message);

/* Embedded in the transport's own type; calls refer to it until it is abandoned. */
struct sw_transport {
    sw_transport_send *send;
};

/* A call as it arrived: views into the transport's frames, which dispatch copies from. */
typedef struct sw_incoming {
    sw_transport *transport;
    sw_route route;
    sw_view header;       /* encoded CallHeader */
    sw_view payload;      /* encoded request */
    sw_handover handover; /* of the broker; for its own services, it fills this in itself */
} sw_incoming;

/* Serves one call: it may be answered before this returns. */
void sw_dispatch_call(sw_dispatch *dispatch, const sw_incoming *incoming);
/* The client cancels a call, or grants credit for more messages. Nothing happens without such a
 * call. */
void sw_dispatch_cancel(sw_dispatch *dispatch, sw_transport *transport, const sw_route *route);
void sw_dispatch_credit(sw_dispatch *dispatch, sw_transport *transport, const sw_route *route,
                        uint32_t messages);
/* The transport goes away: its calls are cancelled, and their replies are dropped. */
void sw_dispatch_abandon(sw_dispatch *dispatch, sw_transport *transport);
/* Cancels the calls whose deadline has passed. */
void sw_dispatch_expire(sw_dispatch *dispatch, int64_t now_ms);
/* The next deadline on the monotonic clock, SW_NEVER without one: when to call
 * sw_dispatch_expire. */
int64_t sw_dispatch_deadline_ms(const sw_dispatch *dispatch);

#endif
