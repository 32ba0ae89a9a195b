/* Time, on two clocks. The monotonic one can be replaced by tests. */
#include "base/clock.h"
#include <stddef.h>
#include <time.h>

static sw_clock_fn *replaced;

static int64_t read_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t sw_now_us(void)
{
    return replaced != NULL ? replaced() : read_us(CLOCK_MONOTONIC);
}

int64_t sw_now_ms(void)
{
    return sw_now_us() / 1000;
}

int64_t sw_wall_us(void)
{
    return read_us(CLOCK_REALTIME);
}

void sw_clock_set(sw_clock_fn *now_us)
{
    replaced = now_us;
}
