/* The monitor of a ZeroMQ socket: reports its connections as they come and go. Used by the broker,
 * services and the client. */
#ifndef SW_NET_MONITOR_H
#define SW_NET_MONITOR_H

#include <stdint.h>

/* Watches `socket` for `events` (ZMQ_EVENT_*, or'ed). Call it before the socket connects or binds.
 * NULL with an errno on failure. Whoever waits for the monitor's descriptor (sw_socket_fd) must
 * read the monitor to its end each time. */
void *sw_monitor_open(void *context, void *socket, int events);
/* The next event, 0 if there is none. *value (or NULL) comes with it: a descriptor or an errno. */
int sw_monitor_next(void *monitor, int32_t *value);
/* Ends the monitor, before its socket is closed, and sets it to NULL. Does nothing for NULL. */
void sw_monitor_close(void *socket, void **monitor);

#endif
