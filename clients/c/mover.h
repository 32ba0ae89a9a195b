/* Moves the link between brokers: away from one that cannot serve a call, and back to one that the
 * list prefers, once it serves. A move waits a moment for the calls that are under way; meanwhile
 * new ones are held back. Used by client.c and outcome.c. Not thread-safe. */
#ifndef SW_CLIENT_MOVER_H
#define SW_CLIENT_MOVER_H

#include "c/link.h"
#include "c/pending.h"
#include "c/probe/probe.h"

#define SW_MOVER_PAUSE_US 1000000 /* before a broker that could not serve is asked again */

typedef enum { SW_MOVE_NONE, SW_MOVE_LEAVING, SW_MOVE_RETURNING } sw_move;

typedef struct sw_mover {
    sw_link *link;
    const sw_pending_calls *calls;
    sw_random *random;
    int64_t *tried_us; /* of each endpoint: when it was last left, or the link was last sent there */
    sw_move move;
    size_t target;    /* of the move */
    int64_t until_us; /* when a move that waits for calls is made, or given up */
    int64_t look_us;  /* when to look again for a preferred broker; SW_NEVER: not at all */
    size_t looked;    /* the endpoint that the probe is at */
    sw_probe probe;
    sw_server_choice server; /* of the probe */
} sw_mover;

/* Everything outlives the mover; the link has its endpoints. */
sw_code sw_mover_init(sw_mover *mover, sw_link *link, const sw_pending_calls *calls, sw_random *random,
                      sw_error *error);
/* Accepts one that is all zeros. */
void sw_mover_clear(sw_mover *mover);

/* The link came up, or went down. */
void sw_mover_up(sw_mover *mover, int64_t now_us);
void sw_mover_down(sw_mover *mover);
/* The broker cannot serve a call. True: the link goes on to another endpoint. False: all of them
 * were tried within the last SW_MOVER_PAUSE_US. */
bool sw_mover_leave(sw_mover *mover, int64_t now_us);
/* The broker has served a call. */
void sw_mover_served(sw_mover *mover, const sw_pending_call *call);

/* Does what is due. True if something changed. */
bool sw_mover_work(sw_mover *mover, int64_t now_us);
/* Lets an epoll set watch the probe, now and later; or the descriptors for a poll of the caller's
 * own: returns how many. */
void sw_mover_watch(sw_mover *mover, int epoll);
nfds_t sw_mover_poll(const sw_mover *mover, struct pollfd items[2]);
int64_t sw_mover_due_us(const sw_mover *mover);

#endif
