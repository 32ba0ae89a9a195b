/* The cache of statement shapes (statement.h). */
#include "store/pg/statement.h"
#include "base/hash.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 512

struct sw_statements {
    uint64_t clock; /* counts uses: the order of eviction */
    int filled;
    int buckets[BUCKETS]; /* first slot, or -1 */
    sw_statement slots[SW_STATEMENTS_MAX];
};

sw_statements *sw_statements_new(void)
{
    sw_statements *statements = calloc(1, sizeof(*statements));
    if (statements)
        memset(statements->buckets, 0xff, sizeof(statements->buckets));
    return statements;
}

void sw_statements_destroy(sw_statements **statements)
{
    if (!*statements)
        return;
    for (int i = 0; i < (*statements)->filled; i++) {
        free((*statements)->slots[i].text);
        free((*statements)->slots[i].types);
    }
    free(*statements);
    *statements = NULL;
}

static void unlink_slot(sw_statements *statements, int slot)
{
    int *at = &statements->buckets[statements->slots[slot].hash % BUCKETS];
    while (*at != slot)
        at = &statements->slots[*at].next;
    *at = statements->slots[slot].next;
}

/* An empty slot, or the least recently used one that is free, removed from its bucket; or -1. */
static int take_slot(sw_statements *statements)
{
    if (statements->filled < SW_STATEMENTS_MAX)
        return statements->filled++;
    int oldest = -1;
    for (int i = 0; i < SW_STATEMENTS_MAX; i++)
        if (!statements->slots[i].users &&
            (oldest < 0 || statements->slots[i].used < statements->slots[oldest].used))
            oldest = i;
    if (oldest >= 0)
        unlink_slot(statements, oldest);
    return oldest;
}

sw_statement *sw_statements_get(sw_statements *statements, const char *text, size_t length, const Oid *types,
                                int count)
{
    uint32_t hash = sw_hash_bytes(0, text, length);
    size_t types_size = (size_t)count * sizeof(Oid);
    int *bucket = &statements->buckets[hash % BUCKETS];
    sw_statement *statement = NULL;
    for (int i = *bucket; i >= 0; i = statements->slots[i].next) {
        statement = &statements->slots[i];
        if (statement->hash == hash && statement->count == count && strcmp(statement->text, text) == 0 &&
            (count == 0 || memcmp(statement->types, types, types_size) == 0)) {
            statement->used = ++statements->clock;
            statement->users++;
            return statement;
        }
    }
    char *text_copy = strdup(text);
    Oid *types_copy = malloc(types_size ? types_size : 1);
    int slot = text_copy && types_copy ? take_slot(statements) : -1;
    if (slot < 0) {
        free(text_copy);
        free(types_copy);
        return NULL;
    }
    if (types_size)
        memcpy(types_copy, types, types_size);
    statement = &statements->slots[slot];
    free(statement->text);
    free(statement->types);
    *statement = (sw_statement){.text = text_copy,
                                .types = types_copy,
                                .count = count,
                                .slot = slot,
                                .generation = statement->generation + 1,
                                .users = 1,
                                .hash = hash,
                                .used = ++statements->clock,
                                .next = *bucket};
    snprintf(statement->name, sizeof(statement->name), "s%d_%u", slot, statement->generation);
    *bucket = slot;
    return statement;
}

bool sw_statement_is_known(const sw_known_statement *known)
{
    return known->statement && known->statement->generation == known->generation;
}

sw_statement *sw_statements_again(sw_statements *statements, const sw_known_statement *known)
{
    known->statement->used = ++statements->clock;
    known->statement->users++;
    return known->statement;
}

void sw_statement_release(sw_statement *statement)
{
    if (statement)
        statement->users--;
}
