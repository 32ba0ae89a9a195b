/* The way of events through the broker: publishers connect to XSUBs, subscribers to XPUBs, one of each for ipc and one for
 * tcp. Used by listen.c. */
#ifndef SW_BROKER_EVENTS_H
#define SW_BROKER_EVENTS_H

#include "wire/keyfile.h"
#include "wire/loop.h"

typedef struct sw_events {
    sw_loop *loop;
    void *context;
    sw_timer *again; /* when a batch was full */
    /* [0] ipc, [1] tcp; NULL when not in use. */
    void *publishers[2], *subscribers[2];
} sw_events;

sw_code sw_events_open(sw_events *events, sw_loop *loop, void *context, sw_error *error);
/* The socket of publishers or subscribers for a transport, made when it is not there; the caller binds it. With a key
 * it is encrypted, and ZAP is asked in `domain`. */
sw_code sw_events_socket(sw_events *events, bool publishers, bool network, const sw_key_file *key,
                         const char *domain, void **socket, sw_error *error);
void sw_events_close(sw_events *events);

#endif
