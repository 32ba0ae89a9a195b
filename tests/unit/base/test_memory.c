/* The base layer when memory runs out: each allocation in turn fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/heap.h"
#include "base/keyring.h"
#include "base/slab.h"
#include "heap.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- The allocator of these tests fails exactly the allocation that it was asked to fail --- */

static void one_of_three(void *context)
{
    int *failures = context;
    for (int i = 0; i < 3; i++) {
        char *text = strdup("text");
        *failures += text == NULL;
        free(text);
    }
}

static void test_heap(void **state)
{
    (void)state;
    int failures = 0;
    assert_int_equal(sw_heap_each(one_of_three, &failures), 4);
    assert_int_equal(failures, 3);
}

/* --- Arena --- */

/* An arena that ran short says so, keeps what it gave, and serves again after a reset. */
static void use_arena(void *context)
{
    (void)context;
    sw_arena *arena = sw_arena_new_with(64, 0);
    if (arena == NULL)
        return;
    char *first = sw_arena_strndup(arena, "first", 5);
    void *large = sw_arena_alloc(arena, 100000);
    char *text = sw_arena_printf(arena, "%0500d", 7);
    assert_int_equal(sw_arena_is_short(arena), first == NULL || large == NULL || text == NULL);
    if (first != NULL)
        assert_string_equal(first, "first");
    sw_arena_reset(arena);
    assert_false(sw_arena_is_short(arena));
    (void)sw_arena_alloc(arena, 100000);
    sw_arena_destroy(&arena);
    assert_null(arena);
}

static void test_arena(void **state)
{
    (void)state;
    assert_true(sw_heap_each(use_arena, NULL) > 4);
}

/* --- Hash table --- */

static bool has(const sw_hash_table *table, uint32_t hash, uint32_t number)
{
    uint32_t at = hash, found;
    while ((found = sw_hash_table_next(table, hash, &at)) != SW_NONE)
        if (found == number)
            return true;
    return false;
}

/* An insertion that failed has changed nothing; the same insertion then succeeds. */
static void fill_table(void *context)
{
    (void)context;
    sw_hash_table table = {0};
    for (uint32_t i = 0; i < 100; i++) {
        if (sw_hash_table_insert(&table, i % 7, i))
            continue;
        assert_int_equal(table.used, i);
        assert_false(has(&table, i % 7, i));
        assert_true(sw_hash_table_insert(&table, i % 7, i));
    }
    assert_int_equal(table.used, 100);
    for (uint32_t i = 0; i < 100; i++)
        assert_true(has(&table, i % 7, i));
    sw_hash_table_clear(&table);
}

/* 16 to 256 cells. */
static void test_hash_table(void **state)
{
    (void)state;
    assert_int_equal(sw_heap_each(fill_table, NULL), 6);
}

/* --- Slab --- */

typedef struct item {
    sw_slot slot;
    uint32_t number;
} item;

static void take(sw_slab *slab, uint32_t expected)
{
    uint32_t used = slab->used, index = sw_slab_take(slab);
    if (index == SW_NONE) {
        assert_int_equal(slab->used, used);
        assert_null(sw_slab_get(slab, expected));
        index = sw_slab_take(slab);
    }
    assert_int_equal(index, expected);
    assert_int_equal(slab->used, used + 1);
    ((item *)sw_slab_at(slab, index))->number = index;
}

/* Items stay where they are; a freed slot is taken again without memory. */
static void fill_slab(void *context)
{
    (void)context;
    sw_slab slab = {.size = sizeof(item)};
    for (uint32_t i = 0; i < 3 * SW_SLAB_CHUNK; i++)
        take(&slab, i);
    sw_slab_give(&slab, 7);
    assert_int_equal(sw_slab_take(&slab), 7);
    for (uint32_t i = 0; i < 3 * SW_SLAB_CHUNK; i++)
        assert_int_equal(((item *)sw_slab_get(&slab, i))->number, i == 7 ? 0 : i);
    sw_slab_clear(&slab);
}

/* A list of chunks and a chunk, three times. */
static void test_slab(void **state)
{
    (void)state;
    assert_int_equal(sw_heap_each(fill_slab, NULL), 7);
}

/* --- Heap by time --- */

static void fill_heap(void *context)
{
    (void)context;
    enum { NODES = 40 };
    sw_heap heap = {0};
    sw_heap_node nodes[NODES] = {{0}};
    for (size_t i = 0; i < NODES; i++) {
        if (!sw_heap_reserve(&heap, i + 1)) {
            assert_int_equal(heap.count, i);
            assert_true(sw_heap_reserve(&heap, i + 1));
        }
        sw_heap_put(&heap, &nodes[i], (int64_t)(NODES - i));
        assert_ptr_equal(sw_heap_first(&heap), &nodes[i]);
    }
    for (size_t i = NODES; i-- > 0;) {
        assert_ptr_equal(sw_heap_first(&heap), &nodes[i]);
        sw_heap_remove(&heap, &nodes[i]);
    }
    sw_heap_clear(&heap);
}

/* Room for 8, 16, 32 and 64. */
static void test_heap_by_time(void **state)
{
    (void)state;
    assert_int_equal(sw_heap_each(fill_heap, NULL), 5);
}

/* --- Keyring --- */

/* A change that failed leaves the file as it was. */
static void expect_keys(const char *path, size_t count, const char *last)
{
    sw_keyring ring;
    sw_error error;
    sw_heap_pause();
    assert_int_equal(sw_keyring_read(path, &ring, &error), SW_OK);
    assert_int_equal(ring.count, count);
    assert_string_equal(ring.keys[count - 1].id, last);
    sw_keyring_wipe(&ring);
    sw_heap_resume();
}

static void change_keys(void *context)
{
    const char *path = context;
    char first[SW_MASTER_KEY_ID], second[SW_MASTER_KEY_ID];
    sw_error error;
    sw_heap_pause();
    unlink(path);
    assert_int_equal(sw_keyring_add(path, first, &error), SW_OK);
    sw_heap_resume();
    sw_code code = sw_keyring_add(path, second, &error);
    if (code != SW_OK) {
        assert_int_equal(code, SW_RESOURCE_EXHAUSTED);
        expect_keys(path, 1, first);
        return;
    }
    expect_keys(path, 2, second);
    if ((code = sw_keyring_remove(path, first, &error)) != SW_OK)
        assert_int_equal(code, SW_RESOURCE_EXHAUSTED);
    expect_keys(path, code == SW_OK ? 1 : 2, second);
}

static void test_keyring(void **state)
{
    (void)state;
    char folder[] = "/tmp/sw-memory-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/keys", folder);
    sw_heap_each(change_keys, path);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heap), cmocka_unit_test(test_arena),        cmocka_unit_test(test_hash_table),
        cmocka_unit_test(test_slab), cmocka_unit_test(test_heap_by_time), cmocka_unit_test(test_keyring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
