/* The body of a message on its way through the broker: the core's opaque token. It is live while
 * it is in the frames that were received, and packed while its call waits. Used by the files
 * that receive and send. */
#ifndef SW_BROKER_BODY_H
#define SW_BROKER_BODY_H

#include "broker/core/core.h"
#include "wire/frame.h"

typedef struct sw_body {
    sw_view header, payload; /* of an RPC body */
    /* of a plain body: all its frames; otherwise those that `payload_frame` counts */
    zmq_msg_t *frames;
    uint8_t count;        /* of `frames` */
    uint8_t framing;      /* sw_framing: how it came */
    int8_t payload_frame; /* the frame that holds the payload and nothing else, or -1 */
    bool live;
} sw_body;

struct sw_peer;

/* A message as it was received, with the live body in it. */
typedef struct sw_received {
    sw_body body;             /* first: sw_body_free finds the rest by it */
    struct sw_received *next; /* in the pool, or among held messages (held.h): */
    struct sw_peer *from;
    int64_t held_us; /* since when it is held */
    sw_message message;
} sw_received;

/* Received messages are pooled, as each message needs one. */
typedef struct sw_body_pool {
    sw_received *free;
    unsigned count; /* of `free`, at most SW_BODY_POOL_MAX: more are freed */
} sw_body_pool;

#define SW_BODY_POOL_MAX 4096

/* With an empty message. NULL when out of memory. */
sw_received *sw_body_pool_take(sw_body_pool *pool);
/* One that shares the first frame of `received`: for a message in a batch. NULL when out of
 * memory. */
sw_received *sw_body_pool_share(sw_body_pool *pool, sw_received *received);
void sw_body_pool_clear(sw_body_pool *pool);
/* Bytes of all frames. */
size_t sw_received_size(const sw_received *received);

/* Closes its frames. Accepts NULL. */
void sw_body_free(sw_body_pool *pool, sw_body *body);
/* Sets a payload that is in a frame of its own; the body borrows the frame. */
void sw_body_set_payload(sw_body *body, zmq_msg_t *frame);
/* The same body in as little memory as possible: a live one has room for many frames, and the
 * messages of a batch share its buffer, so a small message that waits would keep a large one.
 * Consumes the body on success; NULL when out of memory. */
sw_body *sw_body_pack(sw_body_pool *pool, sw_body *body);

#endif
