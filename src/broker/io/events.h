/* The way of events through the broker: publishers connect to XSUBs, subscribers to XPUBs, one of each for ipc and one for
 * tcp. What subscribers get is decided in subscribers.c. Used by listen.c and auth.c. */
#ifndef SW_BROKER_EVENTS_H
#define SW_BROKER_EVENTS_H

#include "broker/auth/subscribers.h"
#include "net/keyfile.h"
#include "net/loop.h"

typedef struct sw_events {
    struct sw_broker *broker; /* NULL: not in use */
    sw_timer *again;          /* when a batch was full */
    /* [0] ipc, [1] tcp; NULL when not in use. */
    void *publishers[2];
    sw_subscribers subscribers[2];
    uint64_t forwarded; /* events, for Stats */
} sw_events;

sw_code sw_events_open(struct sw_broker *broker, sw_error *error);
/* The socket of publishers or subscribers for a transport, made when it is not there; the caller binds it. */
sw_code sw_events_socket(sw_events *events, bool publishers, bool network, void **socket, sw_error *error);
void sw_events_close(sw_events *events);

/* The user service has spoken of an identity, or its verdict is over: what it has subscribed to is looked at again. */
void sw_events_check(sw_events *events, sw_identity *identity);

#endif
