/* What stands between dispatch and frames: a transport feeds calls in and puts replies into its frames.
 * Used by worker/connection.c (a worker's broker connections) and by the broker (its own services). */
#ifndef SW_RPC_TRANSPORT_H
#define SW_RPC_TRANSPORT_H

#include "rpc/dispatch.h"
#include "wire/batch.h"

/* Names a call to its transport: the tag of compact framing, or the address of MDP framing. */
typedef struct sw_route {
    uint64_t tag;
    sw_view address; /* empty: compact framing */
} sw_route;

typedef struct sw_transport sw_transport;

#define SW_REPLY_MAX (64U * 1024 * 1024 - 64 * 1024) /* bytes of a reply's payload: what a broker takes */

/* One message of a reply: a PARTIAL or the FINAL. `message` NULL: no payload. Consumes nothing. Must not call
 * back into dispatch. False if it cannot be encoded (sw_reply_encode_... failed): dispatch sends a failure
 * instead. */
typedef bool sw_transport_send(sw_transport *transport, const sw_route *route, bool final,
                               const sw_reply_header *header, const ProtobufCMessage *message);

/* Embed it in what the transport is; calls refer to it until it is abandoned. */
struct sw_transport {
    sw_transport_send *send;
};

/* A call as it arrived: views into the transport's frames, which dispatch copies from. */
typedef struct sw_incoming {
    sw_transport *transport;
    sw_route route;
    sw_view header;       /* encoded CallHeader */
    sw_view payload;      /* encoded request */
    sw_handover handover; /* the broker fills it in for its own services */
} sw_incoming;

/* Serves one call: it may be answered before this returns. */
void sw_dispatch_call(sw_dispatch *dispatch, const sw_incoming *incoming);
/* CANCEL and CREDIT of a call; nothing if there is no such call. */
void sw_dispatch_cancel(sw_dispatch *dispatch, sw_transport *transport, const sw_route *route);
void sw_dispatch_credit(sw_dispatch *dispatch, sw_transport *transport, const sw_route *route,
                        uint32_t messages);
/* The transport goes away: its calls are cancelled, and their replies go nowhere. */
void sw_dispatch_abandon(sw_dispatch *dispatch, sw_transport *transport);
/* Cancels the calls whose deadline has passed. */
void sw_dispatch_expire(sw_dispatch *dispatch, int64_t now_ms);
/* The next deadline on the monotonic clock, SW_NEVER without calls: when to call sw_dispatch_expire. */
int64_t sw_dispatch_deadline_ms(const sw_dispatch *dispatch);
/* Calls being served. */
size_t sw_dispatch_in_flight(const sw_dispatch *dispatch);

/* Bounds: bytes of a request (0: 4 MiB) and calls at once (0: 65535). Calls beyond are RESOURCE_EXHAUSTED. */
void sw_dispatch_set_bounds(sw_dispatch *dispatch, size_t payload_max, size_t calls_max);

/* Makes the compact frame or frames of a reply, the payload packed in place: *frame, and *payload if that is
 * larger than SW_COMPACT_INLINE (*count is 2 then). With a batch (or NULL) a small one is put in there (*count is 0). The caller closes them. False when out of memory,
 * or if the payload is over SW_REPLY_MAX or the header over SW_HEADER_MAX. */
bool sw_reply_encode_compact(uint64_t tag, bool final, const sw_reply_header *header,
                             const ProtobufCMessage *message, sw_batch *batch, zmq_msg_t *frame,
                             zmq_msg_t *payload, int *count);
/* The two frames of an MDP reply body. False as above. */
bool sw_reply_encode_body(const sw_reply_header *header, const ProtobufCMessage *message,
                          zmq_msg_t *header_frame, zmq_msg_t *payload);

#endif
