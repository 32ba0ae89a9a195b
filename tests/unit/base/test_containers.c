/* Hash, hash table, slab and heap. */
#include "base/heap.h"
#include "base/slab.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static bool has(const sw_hash_table *table, uint32_t hash, uint32_t slot)
{
    uint32_t at = hash, found;
    while ((found = sw_hash_table_next(table, hash, &at)) != SW_NONE)
        if (found == slot)
            return true;
    return false;
}

static void test_hash_table(void **state)
{
    (void)state;
    sw_hash_table table = {0};
    assert_int_equal(sw_hash_table_next(&table, 5, &(uint32_t){5}), SW_NONE);
    sw_hash_table_remove(&table, 5, 5);
    /* Few hashes, so that they collide and wrap. */
    for (uint32_t i = 0; i < 1000; i++)
        assert_true(sw_hash_table_insert(&table, i % 37 * 0x10000001U, i));
    for (uint32_t i = 0; i < 1000; i += 3)
        sw_hash_table_remove(&table, i % 37 * 0x10000001U, i);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(has(&table, i % 37 * 0x10000001U, i), i % 3 != 0);
    for (uint32_t i = 0; i < 1000; i++)
        sw_hash_table_remove(&table, i % 37 * 0x10000001U, i);
    assert_int_equal(table.used, 0);
    sw_hash_table_clear(&table);
}

static void test_hash(void **state)
{
    (void)state;
    char bytes[40] = {0};
    uint32_t before = sw_hash_bytes(1, bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = 1;
        assert_int_not_equal(sw_hash_bytes(1, bytes, sizeof(bytes)), before);
        bytes[i] = 0;
    }
    assert_int_not_equal(sw_hash_bytes(2, bytes, sizeof(bytes)), before);
    assert_int_not_equal(sw_hash_bytes(1, bytes, 39), before);
}

typedef struct item {
    sw_slot slot;
    char text[20];
} item;

static void test_slab(void **state)
{
    (void)state;
    sw_slab slab = {.size = sizeof(item)};
    assert_null(sw_slab_get(&slab, 0));
    for (uint32_t i = 0; i < 300; i++)
        assert_int_equal(sw_slab_take(&slab), i);
    item *one = sw_slab_get(&slab, 7);
    uint32_t generation = one->slot.generation;
    strcpy(one->text, "old");
    sw_slab_give(&slab, 7);
    assert_null(sw_slab_get(&slab, 7));
    assert_int_equal(sw_slab_take(&slab), 7);
    assert_string_equal(one->text, "");
    assert_int_equal(one->slot.generation, generation + 1);
    assert_null(sw_slab_get(&slab, 300));
    assert_null(sw_slab_get(&slab, SW_NONE));
    sw_slab_clear(&slab);
}

typedef struct alarm {
    int64_t at; /* INT64_MAX: not in the heap */
    sw_heap_node node;
} alarm;

/* The heap agrees with a search through all alarms. */
static void check_first(const sw_heap *heap, const alarm *alarms, size_t count)
{
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(sw_heap_has(&alarms[i].node), alarms[i].at != INT64_MAX);
        if (alarms[i].at < first)
            first = alarms[i].at;
    }
    assert_int_equal(sw_heap_first_at(heap), first);
    if (first == INT64_MAX)
        assert_null(sw_heap_first(heap));
    else
        assert_int_equal(SW_HEAP_ITEM(sw_heap_first(heap), alarm, node)->at, first);
}

static void test_heap(void **state)
{
    (void)state;
    enum { ALARMS = 100 };
    sw_heap heap = {0};
    alarm alarms[ALARMS];
    uint32_t random = 7;
    for (size_t i = 0; i < ALARMS; i++)
        alarms[i] = (alarm){.at = INT64_MAX};
    assert_true(sw_heap_reserve(&heap, ALARMS));
    assert_true(sw_heap_reserve(&heap, 1));
    for (int i = 0; i < 5000; i++) {
        random = random * 1664525 + 1013904223;
        alarm *one = &alarms[(random >> 8) % ALARMS];
        if ((random >> 16) % 3 == 0) {
            sw_heap_remove(&heap, &one->node);
            one->at = INT64_MAX;
        } else {
            one->at = (int)(random >> 20) - 2000; /* often twice the same */
            sw_heap_put(&heap, &one->node, one->at);
            assert_int_equal(sw_heap_at(&heap, &one->node), one->at);
        }
        check_first(&heap, alarms, ALARMS);
    }
    for (int64_t last = INT64_MIN; heap.count > 0;) {
        alarm *first = SW_HEAP_ITEM(sw_heap_first(&heap), alarm, node);
        assert_true(first->at >= last);
        last = first->at;
        sw_heap_remove(&heap, &first->node);
    }
    sw_heap_clear(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_hash_table),
        cmocka_unit_test(test_slab),
        cmocka_unit_test(test_heap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
