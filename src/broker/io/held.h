/* Messages of clients that wait for the user service's verdict on their caller: a key that has
 * been quiet for long is asked about with its first call. Bounded; beyond that, calls are
 * answered as unchecked. Used by frontend.c and carry_out.c. */
#ifndef SW_BROKER_HELD_H
#define SW_BROKER_HELD_H

#include "broker/io/body.h"

typedef struct sw_held {
    sw_received *first, *last;
    size_t count, bytes;
} sw_held;

/* Takes a message; false at the bound. */
bool sw_held_add(sw_held *held, sw_received *received, struct sw_peer *from, int64_t now_us);
/* Puts a message back that was taken out, whatever the bound. */
void sw_held_keep(sw_held *held, sw_received *received);
/* Takes all messages out, a list by `next`, in the order in which they came. */
sw_received *sw_held_take(sw_held *held);
/* Frees the messages of a peer; NULL: all. */
void sw_held_drop(sw_held *held, sw_body_pool *pool, const struct sw_peer *from);

#endif
