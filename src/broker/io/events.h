/* Events pass through the broker one way: publishers connect to XSUBs, subscribers to XPUBs, one
 * of each for ipc and one for tcp. auth/subscribers.c decides what subscribers get. Used by
 * listen.c and broker.c. */
#ifndef SW_BROKER_EVENTS_H
#define SW_BROKER_EVENTS_H

#include "broker/auth/auth.h"
#include "broker/auth/subscribers.h"
#include "net/loop.h"

typedef struct sw_events {
    sw_loop *loop; /* NULL: not in use */
    void *context; /* ZeroMQ's */
    const sw_broker_options *options;
    sw_auth *auth;
    sw_timer *again; /* runs when a batch was full */
    /* [0] ipc, [1] tcp; NULL when not in use. */
    void *publishers[2];
    sw_subscribers subscribers[2];
    uint64_t forwarded; /* events, for Stats */
} sw_events;

/* Everything is borrowed. `context` is ZeroMQ's. */
sw_code sw_events_open(sw_events *events, sw_loop *loop, void *context, const sw_broker_options *options,
                       sw_auth *auth, sw_error *error);
/* The socket of publishers or subscribers for a transport, made at the first call. The caller
 * binds it. */
sw_code sw_events_socket(sw_events *events, bool publishers, bool network, void **socket, sw_error *error);
/* Accepts events of zeros, and what open left half-built. */
void sw_events_close(sw_events *events);

/* The verdict or the rights of an identity may have changed: its subscribers are checked. */
void sw_events_check(sw_events *events, sw_identity *identity, int64_t now_us);

#endif
