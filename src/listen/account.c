/* Accounts by name (account.h). */
#include "listen/account.h"

#include <string.h>

void sw_accounts_init(sw_accounts *all, uint64_t secret)
{
    *all = (sw_accounts){.secret = secret, .slab.size = sizeof(sw_account)};
}

void sw_accounts_clear(sw_accounts *all)
{
    sw_slab_clear(&all->slab);
    sw_hash_table_clear(&all->table);
}

static sw_account *find(const sw_accounts *all, uint32_t hash, sw_account_kind kind, const uint8_t *name)
{
    uint32_t at = hash, number;
    while ((number = sw_hash_table_next(&all->table, hash, &at)) != SW_NONE) {
        sw_account *account = sw_slab_at(&all->slab, number);
        if (account->kind == kind && memcmp(account->name, name, SW_ACCOUNT_NAME) == 0)
            return account;
    }
    return NULL;
}

static sw_account *open_account(sw_accounts *all, uint32_t hash, sw_account_kind kind, const uint8_t *name)
{
    uint32_t number = sw_slab_take(&all->slab);
    if (number == SW_NONE)
        return NULL;
    if (!sw_hash_table_insert(&all->table, hash, number)) {
        sw_slab_give(&all->slab, number);
        return NULL;
    }
    sw_account *account = sw_slab_at(&all->slab, number);
    account->number = number;
    account->hash = hash;
    account->kind = (uint8_t)kind;
    memcpy(account->name, name, SW_ACCOUNT_NAME);
    return account;
}

sw_account *sw_accounts_join(sw_accounts *all, sw_account_kind kind, const uint8_t name[SW_ACCOUNT_NAME])
{
    uint32_t hash = sw_hash_bytes(all->secret ^ kind, name, SW_ACCOUNT_NAME);
    sw_account *account = find(all, hash, kind, name);
    if (account == NULL)
        account = open_account(all, hash, kind, name);
    if (account != NULL)
        account->connections++;
    return account;
}

void sw_accounts_leave(sw_accounts *all, sw_account **pointer)
{
    sw_account *account = *pointer;
    *pointer = NULL;
    if (account == NULL || --account->connections > 0)
        return;
    sw_hash_table_remove(&all->table, account->hash, account->number);
    sw_slab_give(&all->slab, account->number);
}
