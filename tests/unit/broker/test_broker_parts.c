/* The broker's table, slab and timer wheel. */
#include "broker/core/slab.h"
#include "broker/core/table.h"
#include "broker/core/wheel.h"

#include "base/clock.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static bool has(const sw_table *table, uint32_t hash, uint32_t slot)
{
    uint32_t at = hash, found;
    while ((found = sw_table_next(table, hash, &at)) != SW_NONE)
        if (found == slot)
            return true;
    return false;
}

static void a_table_finds_what_it_holds(void **state)
{
    (void)state;
    sw_table table = {0};
    assert_int_equal(sw_table_next(&table, 5, &(uint32_t){5}), SW_NONE);
    sw_table_remove(&table, 5, 5);
    /* Few hashes, so that they collide and wrap. */
    for (uint32_t i = 0; i < 1000; i++)
        assert_true(sw_table_insert(&table, i % 37 * 0x10000001U, i));
    for (uint32_t i = 0; i < 1000; i += 3)
        sw_table_remove(&table, i % 37 * 0x10000001U, i);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(has(&table, i % 37 * 0x10000001U, i), i % 3 != 0);
    for (uint32_t i = 0; i < 1000; i++)
        sw_table_remove(&table, i % 37 * 0x10000001U, i);
    assert_int_equal(table.used, 0);
    sw_table_clear(&table);
}

static void hashes_see_every_byte(void **state)
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
    sw_wheel_node timer;
    int64_t due;
    char text[20];
} item;

static void a_slab_knows_who_lives(void **state)
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

static void timers_fire_in_time_and_never_early(void **state)
{
    (void)state;
    sw_slab slab = {.size = sizeof(item)};
    static sw_wheel wheel;
    int64_t now = 12345678;
    uint32_t seed = 7, fired = 0;
    sw_wheel_init(&wheel, &slab, offsetof(item, timer), now);
    for (int i = 0; i < 2000; i++) {
        uint32_t index = sw_slab_take(&slab);
        seed = seed * 1664525 + 1013904223;
        item *it = sw_slab_at(&slab, index);
        it->due = now + seed % 120000000; /* some turns of the wheel */
        sw_wheel_start(&wheel, index, it->due);
    }
    for (uint32_t i = 0; i < 2000; i += 5)
        sw_wheel_stop(&wheel, i);
    for (uint32_t i = 1; i < 2000; i += 5) {
        item *it = sw_slab_at(&slab, i);
        it->due += 1000000;
        sw_wheel_start(&wheel, i, it->due);
    }
    while (wheel.earliest_us != SW_NEVER) {
        assert_true(wheel.earliest_us > now);
        now = wheel.earliest_us;
        for (uint32_t index; (index = sw_wheel_due(&wheel, now)) != SW_NONE; fired++) {
            const item *it = sw_slab_at(&slab, index);
            assert_int_not_equal(index % 5, 0);
            assert_in_range(now - it->due, 0, SW_WHEEL_TICK_US);
        }
    }
    assert_int_equal(fired, 1600);
    /* A time that is over, and a long sleep. */
    sw_wheel_start(&wheel, 0, now - 100000000);
    sw_wheel_start(&wheel, 1, now + 50000000);
    now += 500000000;
    assert_int_not_equal(sw_wheel_due(&wheel, now), SW_NONE);
    assert_int_not_equal(sw_wheel_due(&wheel, now), SW_NONE);
    assert_int_equal(sw_wheel_due(&wheel, now), SW_NONE);
    sw_slab_clear(&slab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_finds_what_it_holds),
        cmocka_unit_test(hashes_see_every_byte),
        cmocka_unit_test(a_slab_knows_who_lives),
        cmocka_unit_test(timers_fire_in_time_and_never_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
