/* Reads what workers send and turns it into events of the core. Used by loop.c. */
#ifndef SW_BROKER_BACKEND_H
#define SW_BROKER_BACKEND_H

#include "broker/io/state.h"

/* Reads the messages that have come from a worker. */
void sw_backend_read(sw_broker *broker, sw_peer *peer);

#endif
