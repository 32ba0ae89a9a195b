/* One poll loop: ZeroMQ sockets, file descriptors and timers, on one thread. Used by broker, services,
 * client. A ZeroMQ socket's callback must read until EAGAIN or accept being called again at once; it may find
 * nothing to read. */
#ifndef SW_WIRE_LOOP_H
#define SW_WIRE_LOOP_H

#include <sitewire/status.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct sw_loop sw_loop;
typedef struct sw_timer sw_timer;
typedef void sw_loop_fn(void *context, short events); /* events: ZMQ_POLLIN | ZMQ_POLLOUT | ZMQ_POLLERR */
typedef void sw_timer_fn(void *context);

sw_loop *sw_loop_new(void);
void sw_loop_destroy(sw_loop **loop);

/* Watch a ZeroMQ socket or a descriptor. Adding again changes the events. Remove before closing it. */
sw_code sw_loop_socket(sw_loop *loop, void *socket, short events, sw_loop_fn *fn, void *context);
sw_code sw_loop_fd(sw_loop *loop, int fd, short events, sw_loop_fn *fn, void *context);
void sw_loop_remove_socket(sw_loop *loop, void *socket);
void sw_loop_remove_fd(sw_loop *loop, int fd);
/* A ZeroMQ socket was read to EAGAIN, or is about to be sent to. Between the two its descriptor will do, so the loop need
 * not ask it. Who says the one must say the other. */
void sw_loop_drained(sw_loop *loop, void *socket, bool drained);

/* A timer that is not running. It is destroyed with the loop or before it. */
sw_timer *sw_loop_timer(sw_loop *loop, sw_timer_fn *fn, void *context);
void sw_timer_start(sw_timer *timer, int64_t at_ms); /* on the monotonic clock; restarts a running one */
void sw_timer_stop(sw_timer *timer);
void sw_timer_destroy(sw_timer **timer);

/* Called once after each round of events, before the loop waits again: the place to flush what was batched.
 */
sw_code sw_loop_idle(sw_loop *loop, sw_timer_fn *fn, void *context);
/* Not from within such a call. */
void sw_loop_idle_remove(sw_loop *loop, sw_timer_fn *fn, void *context);

/* Until sw_loop_stop. SIGINT and SIGTERM are the program's business: it gives a signalfd. */
sw_code sw_loop_run(sw_loop *loop, sw_error *error);
/* One round, waiting timeout_ms at the most (-1: for ever). */
sw_code sw_loop_once(sw_loop *loop, int64_t timeout_ms, sw_error *error);
void sw_loop_stop(sw_loop *loop);

#endif
