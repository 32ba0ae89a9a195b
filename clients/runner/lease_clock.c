/* CLOCK_BOOTTIME, see lease_clock.h. */
#include "runner/lease_clock.h"

#include <time.h>

int64_t sw_lease_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
