/* The timers of a loop: a list of all and a heap of those that are running. */
#include "net/timer.h"

#include "base/clock.h"
#include <stdlib.h>

struct sw_timer {
    sw_timers *timers;
    sw_timer *next, **link; /* in the list of all */
    sw_heap_node node;
    sw_timer_fn *fn;
    void *context;
};

sw_timer *sw_timers_add(sw_timers *timers, sw_timer_fn *fn, void *context)
{
    sw_timer *timer = sw_heap_reserve(&timers->running, timers->count + 1) ? malloc(sizeof(*timer)) : NULL;
    if (timer == NULL)
        return NULL;
    *timer =
        (sw_timer){.timers = timers, .next = timers->all, .link = &timers->all, .fn = fn, .context = context};
    if (timer->next != NULL)
        timer->next->link = &timer->next;
    timers->all = timer;
    timers->count++;
    return timer;
}

void sw_timer_start(sw_timer *timer, int64_t at_ms)
{
    if (at_ms == SW_NEVER)
        sw_timer_stop(timer);
    else
        sw_heap_put(&timer->timers->running, &timer->node, at_ms);
}

void sw_timer_stop(sw_timer *timer)
{
    sw_heap_remove(&timer->timers->running, &timer->node);
}

void sw_timer_destroy(sw_timer **timer)
{
    if (*timer == NULL)
        return;
    sw_timer_stop(*timer);
    *(*timer)->link = (*timer)->next;
    if ((*timer)->next != NULL)
        (*timer)->next->link = (*timer)->link;
    (*timer)->timers->count--;
    free(*timer);
    *timer = NULL;
}

int64_t sw_timers_next(const sw_timers *timers)
{
    return sw_heap_first_at(&timers->running);
}

void sw_timers_run(sw_timers *timers)
{
    if (timers->running.count == 0)
        return;
    int64_t now = sw_now_ms();
    /* No more than are running now: callbacks may start others, which then come in the next
     * round. */
    for (size_t left = timers->running.count; left > 0 && sw_timers_next(timers) <= now; left--) {
        sw_timer *due = SW_HEAP_ITEM(sw_heap_first(&timers->running), sw_timer, node);
        sw_timer_stop(due);
        due->fn(due->context); /* may destroy it */
    }
}

void sw_timers_clear(sw_timers *timers)
{
    for (sw_timer *next, *timer = timers->all; timer != NULL; timer = next) {
        next = timer->next;
        free(timer);
    }
    sw_heap_clear(&timers->running);
    *timers = (sw_timers){0};
}
