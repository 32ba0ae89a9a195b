/* Carries out the actions of the core. Used by the files that feed events into it. */
#ifndef SW_BROKER_CARRY_OUT_H
#define SW_BROKER_CARRY_OUT_H

#include "broker/io/state.h"

/* Carries out all actions, including those that follow from them. */
void sw_broker_flush(sw_broker *broker);
/* A client or worker whose connection ended, or that is cut off, as an event for the core. */
void sw_broker_lost(sw_broker *broker, sw_peer *peer);

#endif
