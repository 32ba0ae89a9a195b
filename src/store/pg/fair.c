/* A queue for each caller, and the order of their turns (fair.h). The number of callers is bounded
 * by the number of calls, so they are searched one by one. */
#include "store/pg/fair.h"
#include <stdlib.h>

typedef struct sw_fair_caller {
    struct sw_fair_caller *next, **link;
    sw_queue queue; /* never empty */
    int waiting;
} sw_fair_caller;

void sw_fair_init(sw_fair *fair)
{
    *fair = (sw_fair){.last = &fair->first};
}

static sw_fair_caller *find(const sw_fair *fair, uint64_t id)
{
    for (sw_fair_caller *caller = fair->first; caller; caller = caller->next)
        if (caller->queue.first->caller == id)
            return caller;
    return NULL;
}

static void append(sw_fair *fair, sw_fair_caller *caller)
{
    caller->next = NULL;
    caller->link = fair->last;
    *fair->last = caller;
    fair->last = &caller->next;
}

static void take_out(sw_fair *fair, sw_fair_caller *caller)
{
    *caller->link = caller->next;
    if (caller->next)
        caller->next->link = caller->link;
    else
        fair->last = caller->link;
}

static sw_fair_caller *add_caller(sw_fair *fair)
{
    sw_fair_caller *caller = calloc(1, sizeof(*caller));
    if (!caller)
        return NULL;
    sw_queue_init(&caller->queue);
    append(fair, caller);
    return caller;
}

bool sw_fair_add(sw_fair *fair, sw_work *work, bool first)
{
    sw_fair_caller *caller = find(fair, work->caller);
    if (!caller && !(caller = add_caller(fair)))
        return false;
    if (first)
        sw_queue_add_first(&caller->queue, work);
    else
        sw_queue_add(&caller->queue, work);
    caller->waiting++;
    fair->waiting++;
    return true;
}

/* The caller's next turn comes after those of the others. */
void sw_fair_remove(sw_fair *fair, sw_work *work)
{
    sw_fair_caller *caller = find(fair, work->caller);
    sw_queue_remove(&caller->queue, work);
    fair->waiting--;
    take_out(fair, caller);
    if (--caller->waiting > 0)
        append(fair, caller);
    else
        free(caller);
}

int sw_fair_waiting(const sw_fair *fair, uint64_t id)
{
    const sw_fair_caller *caller = find(fair, id);
    return caller ? caller->waiting : 0;
}

sw_work *sw_fair_next(const sw_fair *fair, int free_lanes, int (*running)(const void *, uint64_t caller),
                      const void *context)
{
    for (const sw_fair_caller *caller = fair->first; caller; caller = caller->next)
        if (running(context, caller->queue.first->caller) < free_lanes)
            return caller->queue.first;
    return NULL;
}

sw_work *sw_fair_most(const sw_fair *fair, int waiting)
{
    const sw_fair_caller *most = NULL;
    for (const sw_fair_caller *caller = fair->first; caller; caller = caller->next)
        if (caller->waiting > (most ? most->waiting : waiting))
            most = caller;
    sw_work *work = most ? most->queue.first : NULL;
    while (work && work->next)
        work = work->next;
    return work;
}

sw_work *sw_fair_after(const sw_fair *fair, const sw_work *work)
{
    if (work && work->next)
        return work->next;
    const sw_fair_caller *caller = work ? find(fair, work->caller)->next : fair->first;
    return caller ? caller->queue.first : NULL;
}
