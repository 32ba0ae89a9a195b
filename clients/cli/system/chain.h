/* The chain of history: computes its hashes anew, away from the database, and says where the first one is wrong and how.
 * Used by `sitewire audit verify`. */
#ifndef SW_CLI_SYSTEM_CHAIN_H
#define SW_CLI_SYSTEM_CHAIN_H

#include "store/audit.h"

#define SW_CHAIN_HASH 32

typedef struct sw_chain {
    int64_t count;               /* positions that are right */
    uint8_t hash[SW_CHAIN_HASH]; /* of the last of them; zeroes before the first */
    int64_t kept;                /* a head that was kept, or 0 */
    uint8_t kept_hash[SW_CHAIN_HASH];
    bool doubtful; /* the hash of the next position is not the one that comes out: what follows tells why */
    int64_t doubtful_change;
    uint8_t doubtful_hash[SW_CHAIN_HASH]; /* as it stands there */
} sw_chain;

/* `head`: NULL, or `POSITION:HASH` as an earlier audit printed it; INVALID_ARGUMENT if it is no such thing. */
sw_code sw_chain_init(sw_chain *chain, const char *head, sw_error *error);
/* The next position. DATA_LOSS says what is wrong; the chain takes no more then. */
sw_code sw_chain_add(sw_chain *chain, const sw_sealed *sealed, sw_error *error);
/* There is no more. DATA_LOSS as above. */
sw_code sw_chain_end(sw_chain *chain, sw_error *error);
/* `POSITION:HASH` of the last position. */
#define SW_CHAIN_HEAD_TEXT 90
void sw_chain_head(const sw_chain *chain, char text[SW_CHAIN_HEAD_TEXT]);

#endif
