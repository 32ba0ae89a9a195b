/* The timers of a loop: a binary heap by time. Used by loop.c alone; others use sw_loop_timer and sw_timer_*.
 */
#ifndef SW_WIRE_TIMER_H
#define SW_WIRE_TIMER_H

#include "net/loop.h"
#include <stddef.h>

typedef struct sw_timers {
    sw_timer **heap; /* those that run, the next one first */
    size_t running, count, capacity;
    sw_timer *all; /* every timer, so that the loop can free them */
} sw_timers;

/* A timer that is not running, or NULL when out of memory. Starting it cannot fail. */
sw_timer *sw_timers_add(sw_timers *timers, sw_timer_fn *fn, void *context);
/* When the next one is due (monotonic ms); SW_NEVER if none runs. */
int64_t sw_timers_next(const sw_timers *timers);
/* Calls those that are due; one that starts itself again for now waits for the next round. */
void sw_timers_run(sw_timers *timers);
/* Frees everything. */
void sw_timers_clear(sw_timers *timers);

#endif
