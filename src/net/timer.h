/* The timers of a loop. Used by loop.c alone; others use sw_loop_timer and sw_timer_*. */
#ifndef SW_NET_TIMER_H
#define SW_NET_TIMER_H

#include "base/heap.h"
#include "net/loop.h"

/* All zeros has no timers. */
typedef struct sw_timers {
    sw_heap running; /* by time */
    size_t count;    /* running or not */
    sw_timer *all;   /* every timer, so that the loop can free them */
} sw_timers;

/* A timer that is not running, or NULL when out of memory. Starting it cannot fail. */
sw_timer *sw_timers_add(sw_timers *timers, sw_timer_fn *fn, void *context);
/* When the next one is due (monotonic ms); SW_NEVER if none is running. */
int64_t sw_timers_next(const sw_timers *timers);
/* Calls the functions of the timers that are due. One that starts itself again for now waits for
 * the next round. */
void sw_timers_run(sw_timers *timers);
/* Frees all timers. */
void sw_timers_clear(sw_timers *timers);

#endif
