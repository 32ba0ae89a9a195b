/* Several small compact messages in one frame (docs/protocol.md, section 6). Each frame costs time,
 * so messages to one peer in one round of a loop are sent together. Used by broker, worker and
 * client. */
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
 * memory or over SW_BATCH_MAX; the batch is then unchanged. */
uint8_t *sw_batch_append(sw_batch *batch, size_t size);
/* Makes a frame of all messages and empties the batch. A single message becomes an ordinary frame.
 * False when out of memory; the batch is then unchanged. The caller owns *frame. */
bool sw_batch_take(sw_batch *batch, zmq_msg_t *frame);
void sw_batch_clear(sw_batch *batch);

/* Whether a frame begins as a batch does. */
bool sw_batch_is(sw_view frame);
/* Steps through the messages; *rest is the whole frame at first. False at the end, where rest->data
 * is not NULL, and for a malformed batch or one over SW_BATCH_MAX, where it is NULL. */
bool sw_batch_next(sw_view *rest, sw_view *message);

#endif
