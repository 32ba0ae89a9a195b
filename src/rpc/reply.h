/* Replies as frames, in both framings: header and payload are encoded where they are sent from.
 * Used by transports. */
#ifndef SW_RPC_REPLY_H
#define SW_RPC_REPLY_H

#include "wire/batch.h"
#include <protobuf-c/protobuf-c.h>

/* Bytes of a reply's payload that a broker accepts. */
#define SW_REPLY_MAX (64U * 1024 * 1024 - 64 * 1024)

/* The compact frame of a reply in *frame, and in *payload a second one if the payload is larger
 * than SW_COMPACT_INLINE (*count is 2 then). With a batch (which may be NULL), a small message goes
 * into the batch instead and *count is 0. The caller closes the frames. False when out of memory,
 * or if the payload is over SW_REPLY_MAX or the header over SW_HEADER_MAX. */
bool sw_reply_encode_compact(uint64_t tag, bool final, const sw_reply_header *header,
                             const ProtobufCMessage *message, sw_batch *batch, zmq_msg_t *frame,
                             zmq_msg_t *payload, int *count);
/* The two frames of an MDP reply body. False as above. */
bool sw_reply_encode_body(const sw_reply_header *header, const ProtobufCMessage *message,
                          zmq_msg_t *header_frame, zmq_msg_t *payload);

#endif
