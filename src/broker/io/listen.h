/* The broker's listeners: made, configured and bound to the endpoints of the options. Used by
 * broker.c. */
#ifndef SW_BROKER_LISTEN_H
#define SW_BROKER_LISTEN_H

#include "broker/io/state.h"

/* Binds all endpoints. `owner` is that of the frontend's and backend's connections, with the side
 * as its context. The error names the option at fault. */
sw_code sw_listen_open(sw_broker *broker, const sw_listener_owner *owner, sw_error *error);
/* Accepts what open left half-built. */
void sw_listen_shut(sw_broker *broker);

#endif
