/* A poll loop for ZeroMQ sockets, file descriptors and timers, on one thread. Used by every
 * program. The callback of a ZeroMQ socket is called again until it has read to EAGAIN; it may find
 * nothing to read. */
#ifndef SW_NET_LOOP_H
#define SW_NET_LOOP_H

#include <sitewire/status.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct sw_loop sw_loop;
typedef struct sw_timer sw_timer;
/* events: ZMQ_POLLIN | ZMQ_POLLOUT | ZMQ_POLLERR */
typedef void sw_loop_fn(void *context, short events);
typedef void sw_timer_fn(void *context);

sw_loop *sw_loop_new(void);
void sw_loop_destroy(sw_loop **loop);

/* Watch a ZeroMQ socket or a descriptor. Adding it again changes events and callback. Remove it
 * before closing it. INVALID_ARGUMENT if it is closed, RESOURCE_EXHAUSTED without memory. */
sw_code sw_loop_socket(sw_loop *loop, void *socket, short events, sw_loop_fn *fn, void *context);
sw_code sw_loop_fd(sw_loop *loop, int fd, short events, sw_loop_fn *fn, void *context);
/* Changes the events of a descriptor that is watched; ignored for any other. */
void sw_loop_watch(sw_loop *loop, int fd, short events);
void sw_loop_remove_socket(sw_loop *loop, void *socket);
void sw_loop_remove_fd(sw_loop *loop, int fd);
/* Reports that a ZeroMQ socket was read to EAGAIN (true), or that it is about to be used otherwise
 * (false). Between the two, the loop waits for its descriptor only, which saves a system call in
 * each round. Use both or neither. */
void sw_loop_drained(sw_loop *loop, void *socket, bool drained);

/* A timer that is not running; NULL when out of memory. It is destroyed with the loop, or before
 * it. */
sw_timer *sw_loop_timer(sw_loop *loop, sw_timer_fn *fn, void *context);
/* On the monotonic clock; moves a running timer. SW_NEVER stops it. */
void sw_timer_start(sw_timer *timer, int64_t at_ms);
void sw_timer_stop(sw_timer *timer);
void sw_timer_destroy(sw_timer **timer);

/* Calls fn once after each round of events, before the loop waits again: the place to send what was
 * batched. */
sw_code sw_loop_idle(sw_loop *loop, sw_timer_fn *fn, void *context);
/* Not from within fn. */
void sw_loop_idle_remove(sw_loop *loop, sw_timer_fn *fn, void *context);

/* Runs until sw_loop_stop. The program handles signals, with a signalfd in the loop. */
sw_code sw_loop_run(sw_loop *loop, sw_error *error);
/* One round; waits at most timeout_ms (-1: without end). */
sw_code sw_loop_once(sw_loop *loop, int64_t timeout_ms, sw_error *error);
void sw_loop_stop(sw_loop *loop);

#endif
