/* What a subscription comes to: the topics that its user may read. Pure. Used by subscribers.c.
 *
 * A topic is PACKAGE/KIND/PROJECT/. Of a subscription that names a package and a kind, a user gets the projects that begin as it
 * does and that it may read; an admin gets any subscription as it is. */
#ifndef SW_BROKER_RIGHTS_H
#define SW_BROKER_RIGHTS_H

#include "broker/auth/identity.h"

#define SW_TOPIC_MAX 512 /* bytes */

typedef void sw_grant_fn(void *context, sw_view topic);

/* Calls `grant` with each topic; returns how many there are. None of a subscription that is longer than SW_TOPIC_MAX. */
size_t sw_rights_grant(const sw_identity *identity, sw_view subscription, sw_grant_fn *grant, void *context);

#endif
