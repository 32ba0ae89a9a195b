/* The monitor of a ZeroMQ socket: tells of its connections as they come and go. Used by broker, services and
 * the client. */
#ifndef SW_WIRE_MONITOR_H
#define SW_WIRE_MONITOR_H

#include <stdint.h>

/* Watches `socket` for `events` (ZMQ_EVENT_*, or'ed); to be called before it connects or binds. NULL on failure, with errno.
 * The monitor may be watched through its descriptor (sw_socket_fd) by who reads it to its end each time. */
void *sw_monitor_open(void *context, void *socket, int events);
/* The next event, 0 if there is none. *value (or NULL) is what comes with it: a descriptor, an errno. */
int sw_monitor_next(void *monitor, int32_t *value);
/* Ends it and sets it to NULL, which must be done before its socket is closed. NULL is nothing to do. */
void sw_monitor_close(void *socket, void **monitor);

#endif
