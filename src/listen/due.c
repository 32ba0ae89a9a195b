/* A doubly linked list (due.h). */
#include "listen/due.h"

void sw_due_push(sw_due_queue *queue, sw_inbound *session, int64_t due_ms)
{
    session->link = (sw_due_link){.queue = queue, .previous = queue->last, .due_ms = due_ms};
    *(queue->last == NULL ? &queue->first : &queue->last->link.next) = session;
    queue->last = session;
    queue->count++;
}

void sw_due_leave(sw_inbound *session)
{
    const sw_due_link link = session->link;
    if (link.queue == NULL)
        return;
    *(link.previous == NULL ? &link.queue->first : &link.previous->link.next) = link.next;
    *(link.next == NULL ? &link.queue->last : &link.next->link.previous) = link.previous;
    link.queue->count--;
    session->link = (sw_due_link){0};
}
