/* Work that waits, in order. Used by pool.c and fair.c. */
#ifndef SW_STORE_QUEUE_H
#define SW_STORE_QUEUE_H

#include "store/pg/lane.h"

typedef struct sw_queue {
    sw_work *first, **last;
} sw_queue;

static inline void sw_queue_init(sw_queue *queue)
{
    queue->first = NULL;
    queue->last = &queue->first;
}

static inline void sw_queue_add(sw_queue *queue, sw_work *work)
{
    work->next = NULL;
    work->link = queue->last;
    *queue->last = work;
    queue->last = &work->next;
}

static inline void sw_queue_add_first(sw_queue *queue, sw_work *work)
{
    work->next = queue->first;
    work->link = &queue->first;
    if (work->next)
        work->next->link = &work->next;
    else
        queue->last = &work->next;
    queue->first = work;
}

static inline void sw_queue_remove(sw_queue *queue, sw_work *work)
{
    *work->link = work->next;
    if (work->next)
        work->next->link = work->link;
    else
        queue->last = work->link;
    work->link = NULL;
}

#endif
