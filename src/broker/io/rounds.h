/* The rounds of the broker's loop: what happens when a socket is readable, and after each round.
 * Used by broker.c. */
#ifndef SW_BROKER_ROUNDS_H
#define SW_BROKER_ROUNDS_H

#include "broker/io/state.h"

/* A side's socket or monitor is readable. The context is the side. */
void sw_rounds_read_side(void *context, short ready);
void sw_rounds_read_monitor(void *context, short ready);
/* After each round: time, actions, lost peers, and when to wake up again. The context is the
 * broker. */
void sw_rounds_settle(void *context);

#endif
