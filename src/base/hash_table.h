/* A hash table from 32-bit hashes to numbers, which name the caller's items (indexes of an array,
 * slots of a slab). The caller keeps the keys and compares the candidates: a lookup reads
 *
 *     uint32_t at = hash, number;
 *     while ((number = sw_hash_table_next(&table, hash, &at)) != SW_NONE)
 *         if (items[number] has the key)
 *             return &items[number];
 *
 * Eight bytes for each cell, at most three quarters of them used. Only an insertion allocates, when
 * the table doubles; it never shrinks. Not thread-safe. */
#ifndef SW_BASE_HASH_TABLE_H
#define SW_BASE_HASH_TABLE_H

#include "base/hash.h"
#include <stdbool.h>

#define SW_NONE UINT32_MAX /* no number */

/* All zeros is an empty table. */
typedef struct sw_hash_table {
    uint64_t *cells; /* hash in the upper half, number in the lower; SW_NONE in an empty cell */
    uint32_t mask, used;
} sw_hash_table;

/* False when out of memory; the table is then unchanged. The number is not SW_NONE. The pair of
 * hash and number is not in the table yet. */
bool sw_hash_table_insert(sw_hash_table *table, uint32_t hash, uint32_t number);
/* Does nothing if the pair is not in the table. */
void sw_hash_table_remove(sw_hash_table *table, uint32_t hash, uint32_t number);
/* Frees the cells; the table is empty then. */
void sw_hash_table_clear(sw_hash_table *table);

/* The next candidate for a hash: start with *at = hash. SW_NONE after the last. */
static inline uint32_t sw_hash_table_next(const sw_hash_table *table, uint32_t hash, uint32_t *at)
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
