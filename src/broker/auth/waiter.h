/* Handshakes that wait for the user service's verdict on who is behind them. Each is part of a
 * caller or a subscriber. Pure. Used by auth.c and subscribers.c. */
#ifndef SW_BROKER_WAITER_H
#define SW_BROKER_WAITER_H

#include "broker/auth/identity.h"
#include "listen/inbound.h"

typedef struct sw_waiter {
    struct sw_waiter *next, *previous;
    sw_identity *identity; /* NULL: it does not wait */
    bool subscribes;       /* the projects of the identity must be known, too */
    /* Ends the handshake; never SW_ADMISSION_WAIT. */
    void (*decide)(struct sw_waiter *waiter, sw_admission admission);
} sw_waiter;

/* Whether the identity comes in. SW_ADMISSION_WAIT: the user service is asked, and `decide` will be
 * called, unless the waiter leaves before. */
sw_admission sw_waiter_ask(sw_waiter *waiter, sw_identities *all, sw_identity *identity, int64_t now_us);
/* It no longer waits; does nothing if it did not. */
void sw_waiter_leave(sw_waiter *waiter);
/* The user service has answered about an identity, or cannot be asked: decides what waits for it.
 * Returns how many were refused. */
unsigned sw_waiters_release(sw_identity *identity, int64_t now_us);

#endif
