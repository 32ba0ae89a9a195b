/* Several small compact messages in one frame (docs/protocol.md, section 6): frames are what costs,
 * so what is sent to one peer in one round of a loop leaves together. Used by broker, rpc runtime
 * and client. */
#ifndef SW_WIRE_BATCH_H
#define SW_WIRE_BATCH_H

#include "wire/frame.h"

#define SW_BATCH_MAX  65536 /* bytes of a batch */
#define SW_BATCH_FULL 32768 /* send a fuller batch now: below, any one message fits */

typedef struct sw_batch {
    uint8_t *data; /* NULL while it is empty */
    size_t size, room;
    unsigned count; /* messages in it */
} sw_batch;

/* Room for one more encoded message of `size` bytes, which the caller writes. NULL when out of
 * memory or over SW_BATCH_MAX; what is in the batch stays. */
uint8_t *sw_batch_append(sw_batch *batch, size_t size);
/* Makes a frame of all messages, that of a single one as if there were no batch, and empties the
 * batch. False when out of memory: the batch stays. The caller owns *frame. */
bool sw_batch_take(sw_batch *batch, zmq_msg_t *frame);
void sw_batch_clear(sw_batch *batch);

/* True for a frame that begins as a batch does. */
bool sw_batch_is(sw_view frame);
/* Steps through the messages: *rest is the frame at first. False at the end, and for a broken
 * batch, or one over SW_BATCH_MAX, where rest->data is NULL then. */
bool sw_batch_next(sw_view *rest, sw_view *message);

#endif
