/* The rounds of the broker's loop: what happens when a socket is readable, and after each round.
 * Used by broker.c. */
#ifndef SW_BROKER_ROUNDS_H
#define SW_BROKER_ROUNDS_H

#include "broker/io/state.h"

/* The functions of the owner of the frontend's and backend's connections. The context is the
 * side. */
sw_admission sw_rounds_admit(void *context, sw_inbound *session);
void sw_rounds_read(void *context, sw_inbound *session);
void sw_rounds_lost(void *context, sw_inbound *session);
bool sw_rounds_answers(void *context, sw_inbound *session);
/* After each round: time, actions, lost peers, and when to wake up again. The context is the
 * broker. */
void sw_rounds_settle(void *context);

#endif
