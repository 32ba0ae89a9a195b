/* What a worker may offer and publish: the services that its certificate names (--service-keys) or,
 * on ipc without a key, those that --local-services names for its uid; and the events of the
 * packages of these services. Used by auth.c, io/backend.c and io/events.c. */
#ifndef SW_BROKER_OFFERS_H
#define SW_BROKER_OFFERS_H

#include "broker/auth/caller.h"
#include "cert/cert_store.h"

#define SW_OFFERS_REASON 320 /* bytes of a reason, with its NUL */

/* A name in --local-services, and the uid that may offer it. */
typedef struct sw_local_offer {
    int64_t uid; /* or SW_UID_ANY */
    sw_view name;
} sw_local_offer;

typedef struct sw_offers {
    sw_local_offer *local; /* --local-services; NULL: no uid may offer anything */
    size_t local_count;
    sw_cert_store *keys; /* lent; NULL: no key may */
    uint64_t refused;    /* registrations, for Stats */
} sw_offers;

/* Reads the list UID=NAME,...; names that follow belong to the last uid, which may be the name of a
 * user, or * for any other. INVALID_ARGUMENT names the part that is wrong; RESOURCE_EXHAUSTED
 * without memory. NULL is empty. The text is borrowed. Clear the offers also after a failure. */
sw_code sw_offers_read(sw_offers *offers, const char *text, sw_error *error);
void sw_offers_clear(sw_offers *offers);

/* Whether a list of names, separated by commas or spaces, covers a service. A name is that of a
 * service, or `prefix.*`, or `*` for everything outside `sitewire.*`. */
bool sw_names_cover(sw_view names, sw_view service);

/* OK if the worker may offer a service; otherwise PERMISSION_DENIED with the reason, or the failure
 * of sw_cert_store_find. */
sw_code sw_offers_judge(const sw_offers *offers, const sw_caller *worker, sw_view service, sw_error *error);

/* Whether a list of names covers the events of a package, the first part of a topic: some service
 * in it is covered. The package of `sitewire.deployment.v1.Deployments` is `deployment`: packages
 * without a dot are sitewire's own, those of others have one (`acme.shop`). */
bool sw_names_cover_package(sw_view names, sw_view package);
/* OK if the publisher may publish events of a package; `names` are those of its certificate, which
 * the caller keeps, so that no file is read for an event. Otherwise PERMISSION_DENIED with the
 * reason. */
sw_code sw_offers_judge_package(const sw_offers *offers, const sw_caller *publisher, const char *names,
                                sw_view package, sw_error *error);

#endif
