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

/* Both are read to their end, as sending on one may swallow the sign that it has something to read; only then may their
 * descriptors be watched instead of the sockets being asked in every round. */
static void read_both(void *context, short ready)
{
    (void)ready;
    sw_events *events = context;
    sw_message message;
    int left = BATCH;
    for (bool more = true; more && left > 0;) {
        more = false;
        for (; left > 0 && sw_message_recv(events->publishers, &message) == 0; more = true, left--)
            forward_event(events, &message);
        for (; left > 0 && sw_message_recv(events->subscribers, &message) == 0; more = true, left--)
            forward_subscription(events, &message);
    }
    if (left == 0) /* calls get their turn, and then this goes on */
        sw_timer_start(events->again, 0);
}

static void read_on(void *context)
{
    read_both(context, ZMQ_POLLIN);
}

sw_code sw_events_open(sw_events *events, sw_loop *loop, void *context, sw_error *error)
{
    events->publishers = zmq_socket(context, ZMQ_XSUB);
    events->subscribers = zmq_socket(context, ZMQ_XPUB);
    events->again = sw_loop_timer(loop, read_on, events);
    if (events->publishers == NULL || events->subscribers == NULL || events->again == NULL)
        return sw_fail(error, SW_INTERNAL, "making an event socket: %s", zmq_strerror(zmq_errno()));
    if (sw_loop_fd(loop, sw_socket_fd(events->publishers), ZMQ_POLLIN, read_both, events) != SW_OK ||
        sw_loop_fd(loop, sw_socket_fd(events->subscribers), ZMQ_POLLIN, read_both, events) != SW_OK)
        return sw_fail(error, SW_INTERNAL, "watching an event socket");
    read_both(events, 0); /* a descriptor tells of nothing before the first reading */
    return SW_OK;
}

void sw_events_close(sw_events *events, sw_loop *loop)
{
    sw_timer_destroy(&events->again);
    void **const sockets[] = {&events->publishers, &events->subscribers};
    for (int i = 0; i < 2; i++)
        if (*sockets[i] != NULL) {
            sw_loop_remove_fd(loop, sw_socket_fd(*sockets[i]));
            zmq_close(*sockets[i]);
            *sockets[i] = NULL;
        }
}
