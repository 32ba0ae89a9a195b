/* What the connections of one key, address or uid hold together: their number, and the bytes of
 * messages that are half read or not yet written. A bound on each would not bound many. Pure. Used
 * by the files of this folder. */
#ifndef SW_LISTEN_HOLDING_H
#define SW_LISTEN_HOLDING_H

#include "base/slab.h"
#include <stddef.h>

#define SW_HOLDING_NAME 32 /* bytes; shorter names are filled up with zeros */

/* A service has a holding of its own, so that clients with its key or uid cannot take its room. */
typedef enum {
    SW_HOLDING_KEY,
    SW_HOLDING_ADDRESS,
    SW_HOLDING_UID,
    SW_HOLDING_SERVICE_KEY,
    SW_HOLDING_SERVICE_UID
} sw_holding_kind;

typedef struct sw_holding {
    sw_slot slot;
    uint32_t number, hash;
    uint32_t connections;
    uint8_t kind;
    uint8_t name[SW_HOLDING_NAME];
    size_t bytes;
} sw_holding;

typedef struct sw_holdings {
    sw_slab slab;
    sw_hash_table table;
    uint64_t secret; /* seeds hashes */
} sw_holdings;

void sw_holdings_init(sw_holdings *all, uint64_t secret);
void sw_holdings_clear(sw_holdings *all);
/* Adds a connection to the holding of that name, which is opened for the first one. NULL when out
 * of memory. */
sw_holding *sw_holdings_join(sw_holdings *all, sw_holding_kind kind, const uint8_t name[SW_HOLDING_NAME]);
/* Takes it off again. Sets the pointer to NULL; accepts NULL. */
void sw_holdings_leave(sw_holdings *all, sw_holding **holding);

#endif
