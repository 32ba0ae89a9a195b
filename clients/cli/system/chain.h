/* The chain of hashes over the history: computes them again, outside of the database, and
 * reports the first one that is wrong and what is wrong. Used by `sitewire audit verify`. */
#ifndef SW_CLI_SYSTEM_CHAIN_H
#define SW_CLI_SYSTEM_CHAIN_H

#include "store/audit.h"

#define SW_CHAIN_HASH 32

typedef struct sw_chain {
    int64_t count;               /* number of positions checked, all correct */
    uint8_t hash[SW_CHAIN_HASH]; /* of the last of them; zeros before the first */
    int64_t kept;                /* position of the head that the user kept, or 0 */
    uint8_t kept_hash[SW_CHAIN_HASH];
    bool doubtful; /* the next hash is wrong; the position after it tells why */
    int64_t doubtful_change;
    uint8_t doubtful_hash[SW_CHAIN_HASH]; /* the hash stored there */
} sw_chain;

/* `head`: NULL, or `POSITION:HASH` as an earlier audit printed it; INVALID_ARGUMENT for anything
 * else. */
sw_code sw_chain_init(sw_chain *chain, const char *head, sw_error *error);
/* Checks the next position. DATA_LOSS says what is wrong; do not add more after that. */
sw_code sw_chain_add(sw_chain *chain, const sw_sealed *sealed, sw_error *error);
/* Checks what only the end of the chain can show. DATA_LOSS as above. */
sw_code sw_chain_end(sw_chain *chain, sw_error *error);
/* `POSITION:HASH` of the last position. */
#define SW_CHAIN_HEAD_TEXT 90
void sw_chain_head(const sw_chain *chain, char text[SW_CHAIN_HEAD_TEXT]);

#endif
