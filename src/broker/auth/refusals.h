/* Log lines about identities and refusals. They are limited to a rate, so that a flood of
 * strangers cannot fill the disk; the counters of Stats include what was not logged. Used by
 * auth.c, zap.c and subscribers.c. */
#ifndef SW_BROKER_REFUSALS_H
#define SW_BROKER_REFUSALS_H

#include "broker/auth/identity.h"

typedef struct sw_refusals {
    uint64_t connections; /* for Stats */
    int64_t window_us;    /* when the current second of log lines ends */
    unsigned logged;      /* lines in it */
} sw_refusals;

/* Counts and logs a connection or key that is refused; `event` is the name of the log line. */
void sw_refusals_connection(sw_refusals *refusals, const char *event, sw_view key, const char *address,
                            const char *reason, int64_t now_us);
/* Logs a subscription to something that the user may not read. */
void sw_refusals_subscription(sw_refusals *refusals, const sw_identity *identity, const char *topic,
                              int64_t now_us);
/* Logs an identity that the user service has accepted. */
void sw_refusals_accepted(sw_refusals *refusals, const sw_identity *identity, int64_t now_us);

#endif
