/* Turns a subscription into the topics that its user may read. Pure. Used by subscribers.c.
 *
 * A topic is PACKAGE/KIND/PROJECT/. A subscription must name a package and a kind; the user gets
 * those of its projects that match the rest as a prefix. An admin gets any subscription
 * unchanged. */
#ifndef SW_BROKER_RIGHTS_H
#define SW_BROKER_RIGHTS_H

#include "broker/auth/identity.h"

#define SW_TOPIC_MAX 512 /* bytes */

typedef void sw_grant_fn(void *context, sw_view topic);

/* Calls `grant` with each topic and returns their number: 0 if the subscription is longer than
 * SW_TOPIC_MAX. */
size_t sw_rights_grant(const sw_identity *identity, sw_view subscription, sw_grant_fn *grant, void *context);

#endif
