/* Reads what workers send and turns it into events of the core. Used by loop.c. */
#ifndef SW_BROKER_BACKEND_H
#define SW_BROKER_BACKEND_H

#include "broker/io/state.h"

/* Reads a batch of messages. True if there may be more. */
bool sw_backend_read(sw_broker *broker, sw_side *side);

#endif
