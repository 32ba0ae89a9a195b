/* Reads what clients send and turns it into events of the core. Used by loop.c. */
#ifndef SW_BROKER_FRONTEND_H
#define SW_BROKER_FRONTEND_H

#include "broker/io/state.h"

/* Reads a batch of messages. True if there may be more. */
bool sw_frontend_read(sw_broker *broker, sw_side *side);
/* Reads the held messages whose callers have a verdict now; true if there were any. */
bool sw_frontend_release(sw_broker *broker);

#endif
