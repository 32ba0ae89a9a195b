/* Quotas by name (quota.h). */
#include "broker/auth/quota.h"

#include <stdlib.h>
#include <string.h>

void sw_quotas_init(sw_quotas *all, uint64_t secret)
{
    *all = (sw_quotas){.secret = secret, .slab.size = sizeof(sw_quota)};
}

void sw_quotas_clear(sw_quotas *all)
{
    for (uint32_t i = 0; i < all->slab.top; i++) {
        sw_quota *each = sw_slab_get(&all->slab, i);
        if (each != NULL)
            free(each->name);
    }
    sw_slab_clear(&all->slab);
    sw_hash_table_clear(&all->table);
}

static sw_quota *find(const sw_quotas *all, sw_view name, uint32_t hash)
{
    uint32_t at = hash, number;
    while ((number = sw_hash_table_next(&all->table, hash, &at)) != SW_NONE) {
        sw_quota *quota = sw_slab_at(&all->slab, number);
        if (sw_view_equal(sw_view_of(quota->name), name))
            return quota;
    }
    return NULL;
}

static sw_quota *add(sw_quotas *all, sw_view name, uint32_t hash)
{
    char *copy = strndup(name.size == 0 ? "" : name.data, name.size);
    uint32_t number = copy == NULL ? SW_NONE : sw_slab_take(&all->slab);
    if (number != SW_NONE && !sw_hash_table_insert(&all->table, hash, number)) {
        sw_slab_give(&all->slab, number);
        number = SW_NONE;
    }
    if (number == SW_NONE) {
        free(copy);
        return NULL;
    }
    sw_quota *quota = sw_slab_at(&all->slab, number);
    quota->number = number;
    quota->hash = hash;
    quota->name = copy;
    return quota;
}

sw_quota *sw_quotas_join(sw_quotas *all, sw_view name)
{
    uint32_t hash = sw_hash_bytes(all->secret, name.data, name.size);
    sw_quota *quota = find(all, name, hash);
    if (quota == NULL)
        quota = add(all, name, hash);
    if (quota != NULL)
        quota->users++;
    return quota;
}

void sw_quotas_leave(sw_quotas *all, sw_quota **pointer)
{
    sw_quota *quota = *pointer;
    *pointer = NULL;
    if (quota == NULL || --quota->users > 0)
        return;
    sw_hash_table_remove(&all->table, quota->hash, quota->number);
    free(quota->name);
    quota->name = NULL;
    sw_slab_give(&all->slab, quota->number);
}
