/* The clocks. Deadlines are int64_t on the monotonic clock, which tests can replace. */
#ifndef SW_BASE_CLOCK_H
#define SW_BASE_CLOCK_H

#include "base/deadline.h"

int64_t sw_now_us(void);  /* monotonic */
int64_t sw_now_ms(void);  /* monotonic */
int64_t sw_wall_us(void); /* since 1970-01-01 UTC */

/* For tests only, before threads start: replaces the monotonic clock by `now_us`; NULL restores it.
 * Neither the wall clock nor the time that a loop really waits changes. */
typedef int64_t sw_clock_fn(void);
void sw_clock_set(sw_clock_fn *now_us);

#endif
