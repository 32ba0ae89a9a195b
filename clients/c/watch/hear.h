/* What a watch hears from its subscription: delivered, kept until a fill is over, or dropped
 * because it is old. Used by watch.c and read.c. */
#ifndef SW_CLIENT_WATCH_HEAR_H
#define SW_CLIENT_WATCH_HEAR_H

#include "c/watch/watch_state.h"

/* Gives the next event of a project to the callback, if it is wanted. False: the watch has
 * failed. */
bool sw_watch_deliver(sw_watch *watch, const sw_event_view *event);
/* Something after that position is missing, so a fill is needed. */
void sw_watch_miss(sw_watch *watch, int64_t from);
/* Handles a message of the subscription, and consumes it. */
void sw_watch_hear(sw_watch *watch, zmq_msg_t *body);
/* After a fill: handles what was heard meanwhile, until something is missing again. */
void sw_watch_hear_waiting(sw_watch *watch);

#endif
