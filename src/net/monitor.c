/* ZeroMQ's I/O thread writes a socket's events to a PAIR. A PAIR without a reader blocks that
 * thread for good, and with it all sockets of the context. So the reader exists before the first
 * event can happen, has no bound, and is closed only after the monitor was stopped. */
#include "net/monitor.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#define NAMES_MAX 1000 /* attempts: ZeroMQ may still hold the names of closed monitors */

void *sw_monitor_open(void *context, void *socket, int events)
{
    char name[64];
    int unbounded = 0, failed = -1;
    void *monitor = zmq_socket(context, ZMQ_PAIR);
    for (int i = 0; monitor != NULL && failed != 0 && i < NAMES_MAX; i++) {
        snprintf(name, sizeof(name), "inproc://sw-monitor-%p-%d", socket, i);
        failed = zmq_socket_monitor(socket, name, events);
        if (failed != 0 && zmq_errno() != EADDRINUSE)
            break;
    }
    if (failed == 0 && zmq_setsockopt(monitor, ZMQ_RCVHWM, &unbounded, sizeof(unbounded)) == 0 &&
        zmq_setsockopt(monitor, ZMQ_LINGER, &unbounded, sizeof(unbounded)) == 0 &&
        zmq_connect(monitor, name) == 0) {
        sw_monitor_next(monitor, NULL); /* its descriptor reports nothing before the first read */
        return monitor;
    }
    int error = zmq_errno();
    if (monitor != NULL)
        sw_monitor_close(socket, &monitor);
    errno = error;
    return NULL;
}

/* Two frames: event number (16 bits) and value (32 bits) in host order, unaligned; then the
 * endpoint. */
int sw_monitor_next(void *monitor, int32_t *value)
{
    zmq_msg_t frame;
    uint16_t event = 0;
    zmq_msg_init(&frame);
    if (zmq_msg_recv(&frame, monitor, ZMQ_DONTWAIT) >= 0) {
        if (zmq_msg_size(&frame) >= 6) {
            memcpy(&event, zmq_msg_data(&frame), 2);
            if (value != NULL)
                memcpy(value, (char *)zmq_msg_data(&frame) + 2, 4);
        }
        while (zmq_msg_more(&frame) && zmq_msg_recv(&frame, monitor, ZMQ_DONTWAIT) >= 0)
            continue;
    }
    zmq_msg_close(&frame);
    return event;
}

void sw_monitor_close(void *socket, void **monitor)
{
    if (*monitor == NULL)
        return;
    zmq_socket_monitor(socket, NULL, 0);
    zmq_close(*monitor);
    *monitor = NULL;
}
