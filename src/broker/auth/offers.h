/* Which services a worker may offer: those that its certificate names (--service-keys) or, on ipc
 * without a key, those that --local-services names for its uid. Used by auth.c and io/backend.c. */
#ifndef SW_BROKER_OFFERS_H
#define SW_BROKER_OFFERS_H

#include "broker/auth/caller.h"
#include "cert/cert_store.h"

#define SW_OFFERS_REASON 320 /* bytes of a reason, with its NUL */

typedef struct sw_offers {
    const char *local;   /* --local-services; NULL or "": no uid may offer anything */
    sw_cert_store *keys; /* lent; NULL: no key may */
    uint64_t refused;    /* registrations, for Stats */
} sw_offers;

/* Whether the text is a list UID=NAME,...; names that follow belong to the last uid, and the uid *
 * is any other. INVALID_ARGUMENT names the part that is wrong. NULL is empty. */
sw_code sw_offers_check(const char *text, sw_error *error);

/* Whether a list of names, separated by commas or spaces, covers a service. A name is that of a
 * service, or `prefix.*`, or `*` for everything outside `sitewire.*`. */
bool sw_names_cover(sw_view names, sw_view service);

/* OK if the worker may offer a service; otherwise PERMISSION_DENIED with the reason, or the failure
 * of sw_cert_store_find. */
sw_code sw_offers_judge(const sw_offers *offers, const sw_caller *worker, sw_view service, sw_error *error);

#endif
