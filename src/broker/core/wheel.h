/* A timer wheel over the slots of a slab: starting and stopping a timer costs the same however
 * many there are. Timers fire up to one tick late, never early. Used by the core for the
 * deadlines of calls. */
#ifndef SW_BROKER_WHEEL_H
#define SW_BROKER_WHEEL_H

#include "base/slab.h"

#define SW_WHEEL_SLOTS 4096U
/* A turn of the wheel takes 33 s, a little more than the default time limit of a call. */
#define SW_WHEEL_TICK_US 8192

/* Embedded in the slab's slots. `at_us` is 0 for a timer that is not running. */
typedef struct sw_wheel_node {
    int64_t at_us;
    uint32_t next, previous;
} sw_wheel_node;

typedef struct sw_wheel {
    const sw_slab *slab;
    size_t offset;       /* of the node in a slot, bytes */
    int64_t tick;        /* the first one not yet handled */
    int64_t earliest_us; /* no timer fires before it; SW_NEVER without timers */
    uint32_t running;
    uint32_t heads[SW_WHEEL_SLOTS];
} sw_wheel;

void sw_wheel_init(sw_wheel *wheel, const sw_slab *slab, size_t offset, int64_t now_us);
/* Starts the timer of a slot, or starts it again for another time. */
void sw_wheel_start(sw_wheel *wheel, uint32_t index, int64_t at_us);
void sw_wheel_stop(sw_wheel *wheel, uint32_t index);
/* Returns a slot whose time has come and stops its timer; SW_NONE if there is none left. */
uint32_t sw_wheel_due(sw_wheel *wheel, int64_t now_us);

#endif
