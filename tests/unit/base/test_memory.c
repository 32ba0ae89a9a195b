/* The base layer when memory runs out: each allocation in turn fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/arena.h"
#include "heap.h"
#include <stdlib.h>
#include <string.h>

/* The allocator of these tests fails what it shall fail, and tells when nothing failed. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_heap), cmocka_unit_test(test_arena)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
