/* Holdings by name (holding.h). */
#include "listen/holding.h"

#include <string.h>

void sw_holdings_init(sw_holdings *all, uint64_t secret)
{
    *all = (sw_holdings){.secret = secret, .slab.size = sizeof(sw_holding)};
}

void sw_holdings_clear(sw_holdings *all)
{
    sw_slab_clear(&all->slab);
    sw_hash_table_clear(&all->table);
}

static sw_holding *find(const sw_holdings *all, uint32_t hash, sw_holding_kind kind, const uint8_t *name)
{
    uint32_t at = hash, number;
    while ((number = sw_hash_table_next(&all->table, hash, &at)) != SW_NONE) {
        sw_holding *holding = sw_slab_at(&all->slab, number);
        if (holding->kind == kind && memcmp(holding->name, name, SW_HOLDING_NAME) == 0)
            return holding;
    }
    return NULL;
}

static sw_holding *open_holding(sw_holdings *all, uint32_t hash, sw_holding_kind kind, const uint8_t *name)
{
    uint32_t number = sw_slab_take(&all->slab);
    if (number == SW_NONE)
        return NULL;
    if (!sw_hash_table_insert(&all->table, hash, number)) {
        sw_slab_give(&all->slab, number);
        return NULL;
    }
    sw_holding *holding = sw_slab_at(&all->slab, number);
    holding->number = number;
    holding->hash = hash;
    holding->kind = (uint8_t)kind;
    memcpy(holding->name, name, SW_HOLDING_NAME);
    return holding;
}

sw_holding *sw_holdings_join(sw_holdings *all, sw_holding_kind kind, const uint8_t name[SW_HOLDING_NAME])
{
    uint32_t hash = sw_hash_bytes(all->secret ^ kind, name, SW_HOLDING_NAME);
    sw_holding *holding = find(all, hash, kind, name);
    if (holding == NULL)
        holding = open_holding(all, hash, kind, name);
    if (holding != NULL)
        holding->connections++;
    return holding;
}

void sw_holdings_leave(sw_holdings *all, sw_holding **pointer)
{
    sw_holding *holding = *pointer;
    *pointer = NULL;
    if (holding == NULL || --holding->connections > 0)
        return;
    sw_hash_table_remove(&all->table, holding->hash, holding->number);
    sw_slab_give(&all->slab, holding->number);
}
