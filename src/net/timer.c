/* The timers of a loop: a binary heap by time, each timer knowing its place, so that stopping one is quick.
 */
#include "net/timer.h"
#include "base/clock.h"
#include <stdint.h>
#include <stdlib.h>

#define NOWHERE SIZE_MAX

struct sw_timer {
    sw_timers *timers;
    sw_timer *next, **link; /* in the list of all */
    int64_t at_ms;
    size_t place; /* in the heap, or NOWHERE */
    sw_timer_fn *fn;
    void *context;
};

static void put(sw_timers *timers, size_t place, sw_timer *timer)
{
    timers->heap[place] = timer;
    timer->place = place;
}

/* Moves a timer from `place` to where its time belongs. */
static void settle(sw_timers *timers, size_t place, sw_timer *timer)
{
    while (place > 0 && timer->at_ms < timers->heap[(place - 1) / 2]->at_ms) {
        put(timers, place, timers->heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    for (size_t child; (child = 2 * place + 1) < timers->running; place = child) {
        if (child + 1 < timers->running && timers->heap[child + 1]->at_ms < timers->heap[child]->at_ms)
            child++;
        if (timers->heap[child]->at_ms >= timer->at_ms)
            break;
        put(timers, place, timers->heap[child]);
    }
    put(timers, place, timer);
}

sw_timer *sw_timers_add(sw_timers *timers, sw_timer_fn *fn, void *context)
{
    if (timers->count == timers->capacity) { /* room for all, so that starting one cannot fail */
        size_t capacity = timers->capacity == 0 ? 8 : timers->capacity * 2;
        sw_timer **heap = realloc(timers->heap, capacity * sizeof(sw_timer *));
        if (heap == NULL)
            return NULL;
        timers->heap = heap;
        timers->capacity = capacity;
    }
    sw_timer *timer = malloc(sizeof(*timer));
    if (timer == NULL)
        return NULL;
    *timer = (sw_timer){.timers = timers,
                        .next = timers->all,
                        .link = &timers->all,
                        .at_ms = SW_NEVER,
                        .place = NOWHERE,
                        .fn = fn,
                        .context = context};
    if (timer->next != NULL)
        timer->next->link = &timer->next;
    timers->all = timer;
    timers->count++;
    return timer;
}

void sw_timer_start(sw_timer *timer, int64_t at_ms)
{
    if (at_ms == SW_NEVER) {
        sw_timer_stop(timer);
        return;
    }
    if (timer->place != NOWHERE && timer->at_ms == at_ms)
        return;
    timer->at_ms = at_ms;
    size_t place = timer->place != NOWHERE ? timer->place : timer->timers->running++;
    settle(timer->timers, place, timer);
}

void sw_timer_stop(sw_timer *timer)
{
    if (timer->place == NOWHERE)
        return;
    sw_timers *timers = timer->timers;
    sw_timer *last = timers->heap[--timers->running];
    if (last != timer)
        settle(timers, timer->place, last);
    timer->place = NOWHERE;
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
    return timers->running > 0 ? timers->heap[0]->at_ms : SW_NEVER;
}

void sw_timers_run(sw_timers *timers)
{
    if (timers->running == 0)
        return;
    int64_t now = sw_now_ms();
    /* As many as there are now: those started by callbacks come in the next round at the latest. */
    for (size_t left = timers->running; left > 0 && timers->running > 0 && timers->heap[0]->at_ms <= now;
         left--) {
        sw_timer *due = timers->heap[0];
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
    free(timers->heap);
    *timers = (sw_timers){0};
}
