/* A hash table from hashes to slot numbers: open addressing, linear probing. What the keys are is the
 * caller's business: it compares the candidates. Used for identities, instances, services and call ids. */
#ifndef SW_BROKER_TABLE_H
#define SW_BROKER_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SW_NONE UINT32_MAX /* no slot */

typedef struct sw_table {
    uint64_t *cells; /* hash in the upper half, slot in the lower; SW_NONE in an empty one */
    uint32_t mask, used;
} sw_table;

/* False when out of memory. The slot is not SW_NONE. */
bool sw_table_insert(sw_table *table, uint32_t hash, uint32_t slot);
/* Nothing if it is not there. */
void sw_table_remove(sw_table *table, uint32_t hash, uint32_t slot);
void sw_table_clear(sw_table *table);

/* Hashes with a secret of the process, so that peers cannot choose collisions. */
uint32_t sw_hash_bytes(uint64_t secret, const void *data, size_t size);
static inline uint32_t sw_hash_numbers(uint64_t secret, uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)(a ^ secret) * (b ^ 0x9e3779b97f4a7c15U ^ secret << 1);
    uint64_t mixed = (uint64_t)product ^ (uint64_t)(product >> 64);
    mixed *= 0xd6e8feb86659fd93U;
    return (uint32_t)(mixed >> 32);
}

/* Candidates for a hash: start with *at = hash; SW_NONE at the end. */
static inline uint32_t sw_table_next(const sw_table *table, uint32_t hash, uint32_t *at)
{
    if (table->used == 0)
        return SW_NONE;
    for (;;) {
        uint64_t cell = table->cells[*at & table->mask];
        if ((uint32_t)cell == SW_NONE)
            return SW_NONE;
        (*at)++;
        if ((uint32_t)(cell >> 32) == hash)
            return (uint32_t)cell;
    }
}

#endif
