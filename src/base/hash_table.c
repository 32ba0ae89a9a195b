/* Open addressing with linear probing. A removal shifts the cells behind it back instead of leaving
 * a tombstone, so a table that lives for years stays as fast as a new one. */
#include "base/hash_table.h"

#include <stdlib.h>

#define SIZE_FIRST 16U
#define SIZE_MOST  (1U << 31)

static void place(sw_hash_table *table, uint64_t cell)
{
    uint32_t at = (uint32_t)(cell >> 32) & table->mask;
    while ((uint32_t)table->cells[at] != SW_NONE)
        at = (at + 1) & table->mask;
    table->cells[at] = cell;
}

static bool grow(sw_hash_table *table)
{
    uint32_t old_size = table->cells == NULL ? 0 : table->mask + 1;
    uint32_t size = old_size == 0 ? SIZE_FIRST : old_size * 2;
    uint64_t *old = table->cells, *cells = old_size == SIZE_MOST ? NULL : malloc(size * sizeof(*cells));
    if (cells == NULL)
        return false;
    memset(cells, 0xff, size * sizeof(*cells));
    table->cells = cells;
    table->mask = size - 1;
    for (uint32_t i = 0; i < old_size; i++)
        if ((uint32_t)old[i] != SW_NONE)
            place(table, old[i]);
    free(old);
    return true;
}

bool sw_hash_table_insert(sw_hash_table *table, uint32_t hash, uint32_t number)
{
    bool full = table->cells == NULL || table->used >= table->mask - table->mask / 4;
    if (full && !grow(table))
        return false;
    place(table, (uint64_t)hash << 32 | number);
    table->used++;
    return true;
}

void sw_hash_table_remove(sw_hash_table *table, uint32_t hash, uint32_t number)
{
    if (table->used == 0)
        return;
    uint64_t cell = (uint64_t)hash << 32 | number;
    uint32_t mask = table->mask, hole = hash & mask;
    while (table->cells[hole] != cell) {
        if ((uint32_t)table->cells[hole] == SW_NONE)
            return;
        hole = (hole + 1) & mask;
    }
    /* A cell behind the hole moves into it unless its probing starts after the hole. */
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

void sw_hash_table_clear(sw_hash_table *table)
{
    free(table->cells);
    *table = (sw_hash_table){0};
}
