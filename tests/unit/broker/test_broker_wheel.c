/* The broker's timer wheel. */
#include "broker/core/wheel.h"

#include "base/clock.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

typedef struct item {
    sw_slot slot;
    sw_wheel_node timer;
    int64_t due;
} item;

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
    /* A time in the past, and a long pause. */
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
        cmocka_unit_test(timers_fire_in_time_and_never_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
