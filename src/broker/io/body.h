/* The body of a message on its way through the broker: the core's opaque token. It is live while it is in the
 * frames that were received, and packed while its call waits. Used by frontend.c, backend.c, send.c, self.c.
 */
#ifndef SW_BROKER_BODY_H
#define SW_BROKER_BODY_H

#include "broker/core/core.h"
#include "wire/frame.h"

typedef struct sw_body {
    sw_view header, payload; /* of an RPC body */
    zmq_msg_t *frames; /* of a plain one, the body's frames alone; of any other, what `payload_frame` says */
    uint8_t count;     /* of frames that belong to it */
    uint8_t framing;   /* sw_framing: how it came */
    int8_t payload_frame; /* the frame that holds the payload and nothing else, or -1 */
    bool live;
} sw_body;

struct sw_peer;

/* A body in received frames. */
typedef struct sw_live {
    sw_body body;
    struct sw_live *next; /* in the pool, or among those that wait for a verdict: */
    struct sw_peer *from;
    int64_t held_us;    /* since when it waits */
    sw_message message; /* identity first; received into */
} sw_live;

typedef struct sw_pool {
    sw_live *free;
    unsigned count; /* of them, at most SW_POOL_MAX: more are given back */
} sw_pool;

#define SW_POOL_MAX 4096

/* With an empty message. NULL when out of memory. */
sw_live *sw_pool_take(sw_pool *pool);
/* One that shares the second frame of `live`: for a message in a batch. NULL when out of memory. */
sw_live *sw_pool_share(sw_pool *pool, sw_live *live);
void sw_pool_clear(sw_pool *pool);

/* Closes its frames. NULL is nothing. */
void sw_body_free(sw_pool *pool, sw_body *body);
/* The same body in as little memory as can be: live frames share the 8 KiB buffers that ZeroMQ receives into,
 * so that a small message that stays would keep a large buffer. The body given is freed; NULL when out of
 * memory, it is not freed then. */
sw_body *sw_body_pack(sw_pool *pool, sw_body *body);

#endif
