/* Plain forwarding: events one way, subscriptions the other. Rights will turn a subscriber's topics into
 * those that its user may read; forward_subscription is where that happens. */
#include "broker/events.h"

#include "base/error.h"
#include "wire/frame.h"

#define BATCH 256

static void forward_event(sw_events *events, sw_message *message)
{
    /* An XPUB never blocks: a subscriber that does not read misses events, and sees so by their numbers. */
    if (sw_message_send(events->subscribers, message) != 0)
        sw_message_close(message);
}

static void forward_subscription(sw_events *events, sw_message *message)
{
    if (sw_message_send(events->publishers, message) != 0)
        sw_message_close(message);
}

static void read_publishers(void *context, short ready)
{
    (void)ready;
    sw_events *events = context;
    sw_message message;
    for (int i = 0; i < BATCH && sw_message_recv(events->publishers, &message) == 0; i++)
        forward_event(events, &message);
}

static void read_subscribers(void *context, short ready)
{
    (void)ready;
    sw_events *events = context;
    sw_message message;
    for (int i = 0; i < BATCH && sw_message_recv(events->subscribers, &message) == 0; i++)
        forward_subscription(events, &message);
}

sw_code sw_events_open(sw_events *events, sw_loop *loop, void *context, sw_error *error)
{
    events->publishers = zmq_socket(context, ZMQ_XSUB);
    events->subscribers = zmq_socket(context, ZMQ_XPUB);
    if (events->publishers == NULL || events->subscribers == NULL)
        return sw_fail(error, SW_INTERNAL, "making an event socket: %s", zmq_strerror(zmq_errno()));
    if (sw_loop_socket(loop, events->publishers, ZMQ_POLLIN, read_publishers, events) != SW_OK ||
        sw_loop_socket(loop, events->subscribers, ZMQ_POLLIN, read_subscribers, events) != SW_OK)
        return sw_fail(error, SW_INTERNAL, "watching an event socket");
    return SW_OK;
}

void sw_events_close(sw_events *events, sw_loop *loop)
{
    void **const sockets[] = {&events->publishers, &events->subscribers};
    for (int i = 0; i < 2; i++)
        if (*sockets[i] != NULL) {
            sw_loop_remove_socket(loop, *sockets[i]);
            zmq_close(*sockets[i]);
            *sockets[i] = NULL;
        }
}
