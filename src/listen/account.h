/* What the connections of one key, address or uid hold together: their number, and the bytes of
 * messages that are half read or not yet written. A bound on each would not bound many. Pure. Used
 * by the files of this folder. */
#ifndef SW_LISTEN_ACCOUNT_H
#define SW_LISTEN_ACCOUNT_H

#include "base/slab.h"
#include <stddef.h>

#define SW_ACCOUNT_NAME 32 /* bytes; shorter names are filled up with zeros */

typedef enum { SW_ACCOUNT_KEY, SW_ACCOUNT_ADDRESS, SW_ACCOUNT_UID } sw_account_kind;

typedef struct sw_account {
    sw_slot slot;
    uint32_t number, hash;
    uint32_t connections;
    uint8_t kind;
    uint8_t name[SW_ACCOUNT_NAME];
    size_t bytes;
} sw_account;

typedef struct sw_accounts {
    sw_slab slab;
    sw_hash_table table;
    uint64_t secret; /* seeds hashes */
} sw_accounts;

void sw_accounts_init(sw_accounts *all, uint64_t secret);
void sw_accounts_clear(sw_accounts *all);
/* Adds a connection to the account of that name, which is opened for the first one. NULL when out
 * of memory. */
sw_account *sw_accounts_join(sw_accounts *all, sw_account_kind kind, const uint8_t name[SW_ACCOUNT_NAME]);
/* Takes it off again. Sets the pointer to NULL; accepts NULL. */
void sw_accounts_leave(sw_accounts *all, sw_account **account);

#endif
