/* Events pass through the broker one way: from publishers (PUB) to subscribers (SUB), each with a
 * listener for ipc and one for tcp. auth/subscribers.c decides who hears what. Used by listen.c and
 * broker.c. */
#ifndef SW_BROKER_EVENTS_H
#define SW_BROKER_EVENTS_H

#include "broker/auth/subscribers.h"
#include "listen/listener.h"
#include "net/loop.h"

#define SW_HEARTBEAT_MS 2000 /* between pings to a silent peer */
#define SW_SILENCE_MS   8000 /* a peer that answers none is lost */

typedef struct sw_events {
    sw_loop *loop; /* NULL: not in use */
    sw_listeners *listeners;
    const sw_broker_options *options;
    sw_auth *auth;
    sw_timer *sweep; /* runs while subscriptions of connections that ended are being removed */
    /* [0] ipc, [1] tcp; NULL when not in use. */
    sw_listener *publishers[2], *subscriber_listeners[2];
    sw_subscribers subscribers;
    uint64_t forwarded, refused; /* events, for Stats */
} sw_events;

/* Everything is borrowed. `secret` seeds hashes. */
sw_code sw_events_open(sw_events *events, sw_loop *loop, sw_listeners *listeners,
                       const sw_broker_options *options, sw_auth *auth, uint64_t secret, sw_error *error);
/* The listener of publishers or subscribers for a transport, made at the first call. The caller
 * binds it. NULL when out of memory. */
sw_listener *sw_events_listener(sw_events *events, bool publishers, bool network);
/* After the listeners were destroyed. Accepts events of zeros, and what open left half-built. */
void sw_events_close(sw_events *events);

/* Certificates have changed: publishers without one are cut off. */
void sw_events_recheck(sw_events *events);
/* The verdict or the rights of an identity may have changed: its subscribers are checked. */
void sw_events_check(sw_events *events, sw_identity *identity, int64_t now_us);

#endif
