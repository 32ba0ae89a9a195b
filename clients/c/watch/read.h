/* What a watch reads from the service: the events that it missed (a fill), and the newest event
 * of each project, which shows whether it missed any (a check). Used by watch.c. */
#ifndef SW_CLIENT_WATCH_READ_H
#define SW_CLIENT_WATCH_READ_H

#include "c/watch/watch_state.h"

/* Sets when the next check begins. */
void sw_watch_next_check(sw_watch *watch, int64_t after_us);
/* Starts a call. If that fails, the watch tries again later, or has failed. Only while it is
 * idle. */
void sw_watch_begin_check(sw_watch *watch);
void sw_watch_begin_fill(sw_watch *watch);

#endif
