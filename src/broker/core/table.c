/* Open addressing with linear probing and backward shift: no tombstones, so a table that lives for years
 * stays as quick as a new one. */
#include "broker/core/table.h"

#include <stdlib.h>
#include <string.h>

#define SMALLEST 16U

static void place(sw_table *table, uint64_t cell)
{
    uint32_t at = (uint32_t)(cell >> 32) & table->mask;
    while ((uint32_t)table->cells[at] != SW_NONE)
        at = (at + 1) & table->mask;
    table->cells[at] = cell;
}

static bool grow(sw_table *table)
{
    uint32_t old = table->cells == NULL ? 0 : table->mask + 1, size = old == 0 ? SMALLEST : old * 2;
    uint64_t *cells = size == 0 ? NULL : malloc(size * sizeof(*cells)), *before = table->cells;
    if (cells == NULL)
        return false;
    memset(cells, 0xff, size * sizeof(*cells));
    table->cells = cells;
    table->mask = size - 1;
    for (uint32_t i = 0; i < old; i++)
        if ((uint32_t)before[i] != SW_NONE)
            place(table, before[i]);
    free(before);
    return true;
}

bool sw_table_insert(sw_table *table, uint32_t hash, uint32_t slot)
{
    /* At most three quarters full. */
    if ((table->cells == NULL || table->used >= table->mask - table->mask / 4) && !grow(table))
        return false;
    place(table, (uint64_t)hash << 32 | slot);
    table->used++;
    return true;
}

void sw_table_remove(sw_table *table, uint32_t hash, uint32_t slot)
{
    if (table->used == 0)
        return;
    uint64_t cell = (uint64_t)hash << 32 | slot;
    uint32_t mask = table->mask, hole = hash & mask;
    while (table->cells[hole] != cell) {
        if ((uint32_t)table->cells[hole] == SW_NONE)
            return;
        hole = (hole + 1) & mask;
    }
    /* Moves up what would no longer be found behind the hole. */
    for (uint32_t at = (hole + 1) & mask; (uint32_t)table->cells[at] != SW_NONE; at = (at + 1) & mask) {
        uint32_t home = (uint32_t)(table->cells[at] >> 32) & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            table->cells[hole] = table->cells[at];
            hole = at;
        }
    }
    table->cells[hole] = UINT64_MAX;
    table->used--;
}

void sw_table_clear(sw_table *table)
{
    free(table->cells);
    *table = (sw_table){0};
}

uint32_t sw_hash_bytes(uint64_t secret, const void *data, size_t size)
{
    const unsigned char *at = data;
    uint64_t hash = secret ^ size * 0x9e3779b97f4a7c15U;
    for (; size >= 8; size -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        unsigned __int128 product = (unsigned __int128)(hash ^ word) * 0xa0761d6478bd642fU;
        hash = ((uint64_t)product ^ (uint64_t)(product >> 64)) + secret;
    }
    uint64_t word = 0;
    if (size > 0)
        memcpy(&word, at, size);
    return sw_hash_numbers(secret, hash, word);
}
