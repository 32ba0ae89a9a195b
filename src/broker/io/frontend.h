/* Reads what clients send and turns it into events of the core. Used by loop.c. */
#ifndef SW_BROKER_FRONTEND_H
#define SW_BROKER_FRONTEND_H

#include "broker/io/state.h"

/* Reads the messages that have come from a client. */
void sw_frontend_read(sw_broker *broker, sw_peer *peer);
/* Reads the held messages whose callers have a verdict now; true if there were any. */
bool sw_frontend_release(sw_broker *broker);

#endif
