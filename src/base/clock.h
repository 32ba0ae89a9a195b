/* Time. Deadlines are int64_t on the monotonic clock; tests replace the clock. */
#ifndef SW_BASE_CLOCK_H
#define SW_BASE_CLOCK_H

#include "base/deadline.h"

int64_t sw_now_us(void);  /* monotonic */
int64_t sw_now_ms(void);  /* monotonic */
int64_t sw_wall_us(void); /* since 1970-01-01 UTC */

/* For tests alone, before threads start: `now_us` is asked instead of the system's monotonic clock;
 * NULL restores it. The wall clock and the time that a loop really waits stay as they are. */
typedef int64_t sw_clock_fn(void);
void sw_clock_set(sw_clock_fn *now_us);

#endif
