/* What the broker refuses by itself: log lines, each kind limited to a rate (base/log.h), counters
 * for Stats, and a book of what the user service has not recorded yet (refusal_report.h). Used by
 * auth.c, subscribers.c and io/rounds.c. */
#ifndef SW_BROKER_REFUSALS_H
#define SW_BROKER_REFUSALS_H

#include "base/refusal_book.h"
#include "broker/auth/identity.h"
#include "listen/inbound.h"

typedef struct sw_refusals {
    uint64_t connections; /* for Stats */
    sw_refusal_book book;
} sw_refusals;

/* A connection or registration that is refused; `event` is the name of the log line. */
void sw_refusals_connection(sw_refusals *refusals, const char *event, sw_view key, const char *address,
                            const char *reason);
/* The user service has refused an identity, and with it so many connections that asked to come in.
 * It is logged once. */
void sw_refusals_identity(sw_refusals *refusals, const sw_identity *identity, bool is_new, unsigned count);
/* A connection that did not come in. Logged by io/rounds.c. */
void sw_refusals_handshake(sw_refusals *refusals, const sw_listener_failure *failure);
/* A subscription to something that the user may not read; or one too many. */
void sw_refusals_subscription(sw_refusals *refusals, const sw_identity *identity, sw_view topic);
void sw_refusals_too_many(sw_refusals *refusals, const sw_identity *identity);
/* A call that the broker answers by itself: UNAUTHENTICATED or PERMISSION_DENIED. `identity` may be
 * NULL. Not logged: it is the caller's own affair. */
void sw_refusals_call(sw_refusals *refusals, const sw_identity *identity, sw_view service, sw_code code,
                      sw_view reason);
/* An event that its publisher may not publish; `who`: its key or uid. */
void sw_refusals_event(sw_refusals *refusals, const char *who, const char *reason);
/* Logs an identity that the user service has accepted. */
void sw_refusals_accepted(const sw_identity *identity);

#endif
