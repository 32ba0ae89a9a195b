/* What the subscribers of one user hold together, whichever keys they use. Pure. Used by
 * subscribers.c. */
#ifndef SW_BROKER_QUOTA_H
#define SW_BROKER_QUOTA_H

#include "base/slab.h"
#include "base/view.h"

typedef struct sw_quota {
    sw_slot slot;
    uint32_t number, hash;
    uint32_t users;         /* subscribers that share it */
    uint32_t subscriptions; /* of all of them */
    size_t bytes;           /* of memory that these take, at most */
    char *name;
} sw_quota;

typedef struct sw_quotas {
    sw_slab slab;
    sw_hash_table table;
    uint64_t secret; /* seeds hashes */
} sw_quotas;

void sw_quotas_init(sw_quotas *all, uint64_t secret);
void sw_quotas_clear(sw_quotas *all);
/* The quota of a user, made for its first subscriber. NULL when out of memory. */
sw_quota *sw_quotas_join(sw_quotas *all, sw_view name);
/* Sets the pointer to NULL; accepts NULL. */
void sw_quotas_leave(sw_quotas *all, sw_quota **quota);

#endif
