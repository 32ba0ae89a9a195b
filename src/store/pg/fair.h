/* Work that waits for a lane, in turn between callers: many or slow statements of one caller do not
 * delay those of the others. Used by pool.c for SW_LANE_LIST. */
#ifndef SW_STORE_FAIR_H
#define SW_STORE_FAIR_H

#include "store/pg/queue.h"

typedef struct sw_fair {
    struct sw_fair_caller *first, **last; /* those with work, in the order of their turns */
    int waiting;                          /* pieces of work */
} sw_fair;

void sw_fair_init(sw_fair *fair);
/* `first`: before the other work of work->caller. False when out of memory. */
bool sw_fair_add(sw_fair *fair, sw_work *work, bool first);
void sw_fair_remove(sw_fair *fair, sw_work *work);
int sw_fair_waiting(const sw_fair *fair, uint64_t caller);
/* The first work of the caller whose turn it is, or NULL: of the first one that has fewer
 * statements running than lanes are free. So the last free lane goes to a caller that runs
 * nothing. */
sw_work *sw_fair_next(const sw_fair *fair, int free_lanes, int (*running)(const void *, uint64_t caller),
                      const void *context);
/* The newest work of the caller with the most, if it has more than `waiting`; else NULL. */
sw_work *sw_fair_most(const sw_fair *fair, int waiting);
/* All work, one after the other: NULL comes before the first, and after the last. */
sw_work *sw_fair_after(const sw_fair *fair, const sw_work *work);

#endif
