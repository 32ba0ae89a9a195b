/* Log lines about identities and refusals, each kind limited to a rate (base/log.h); the counters
 * of Stats include what was not logged. Used by auth.c and subscribers.c. */
#ifndef SW_BROKER_REFUSALS_H
#define SW_BROKER_REFUSALS_H

#include "broker/auth/identity.h"

typedef struct sw_refusals {
    uint64_t connections; /* for Stats */
} sw_refusals;

/* Counts and logs a connection or key that is refused; `event` is the name of the log line. */
void sw_refusals_connection(sw_refusals *refusals, const char *event, sw_view key, const char *address,
                            const char *reason);
/* Logs a subscription to something that the user may not read. */
void sw_refusals_subscription(const sw_identity *identity, sw_view topic);
/* Logs an event that its publisher may not publish; `who`: its key or uid. */
void sw_refusals_event(const char *who, const char *reason);
/* Logs an identity that the user service has accepted. */
void sw_refusals_accepted(const sw_identity *identity);

#endif
