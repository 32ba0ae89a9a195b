/* The broker's sockets: made, configured and bound to the endpoints of the options. Used by
 * broker.c. */
#ifndef SW_BROKER_LISTEN_H
#define SW_BROKER_LISTEN_H

#include "broker/io/state.h"

/* Binds all endpoints. The loop calls `read_side` when a side's socket is readable and
 * `read_monitor` when its monitor is; the context of both is the side, whose owner is the
 * broker. The error names the option at fault. */
sw_code sw_listen_open(sw_broker *broker, sw_loop_fn *read_side, sw_loop_fn *read_monitor, sw_error *error);
/* Accepts what open left half-built. */
void sw_listen_close(sw_broker *broker);

#endif
