/* The way of events through the broker: publishers connect to an XSUB, subscribers to an XPUB. Used by
 * loop.c. */
#ifndef SW_BROKER_EVENTS_H
#define SW_BROKER_EVENTS_H

#include "wire/loop.h"

typedef struct sw_events {
    sw_timer *again;                /* when a batch was full */
    void *publishers, *subscribers; /* XSUB, XPUB; NULL when not in use */
} sw_events;

/* Makes the sockets; the caller binds them. */
sw_code sw_events_open(sw_events *events, sw_loop *loop, void *context, sw_error *error);
void sw_events_close(sw_events *events, sw_loop *loop);

#endif
