/* Plain forwarding: events one way, subscriptions the other. Rights will turn a subscriber's topics into
 * those that its user may read; forward_subscription is where that happens. */
#include "broker/events.h"

#include "base/error.h"
#include "wire/frame.h"
#include <errno.h>

#define BATCH 256

/* To one or both of a kind. Frames are shared, not copied, where they are large. */
static void forward(void *const sockets[2], sw_message *message)
{
    bool both = sockets[0] != NULL && sockets[1] != NULL;
    if (both) {
        sw_message copy = {.count = 0};
        bool good = true;
        for (int i = 0; i < message->count && good; i++) {
            zmq_msg_init(&copy.frames[i]);
            good = zmq_msg_copy(&copy.frames[i], &message->frames[i]) == 0;
            copy.count++;
        }
        if (!good || sw_message_send(sockets[1], &copy) != 0)
            sw_message_close(&copy);
    }
    void *first = sockets[0] != NULL ? sockets[0] : sockets[1];
    /* An XPUB never blocks: a subscriber that does not read misses events, and sees so by their numbers. */
    if (first == NULL || sw_message_send(first, message) != 0)
        sw_message_close(message);
}

static void forward_event(sw_events *events, sw_message *message)
{
    forward(events->subscribers, message);
}

static void forward_subscription(sw_events *events, sw_message *message)
{
    forward(events->publishers, message);
}

static int receive(void *socket, sw_message *message)
{
    return socket == NULL ? EAGAIN : sw_message_recv(socket, message);
}

/* All are read to their end, as sending on one may swallow the sign that it has something to read; only then may their
 * descriptors be watched instead of the sockets being asked in every round. */
static void read_all(void *context, short ready)
{
    (void)ready;
    sw_events *events = context;
    sw_message message;
    int left = BATCH;
    for (bool more = true; more && left > 0;) {
        more = false;
        for (int i = 0; i < 2; i++) {
            for (; left > 0 && receive(events->publishers[i], &message) == 0; more = true, left--)
                forward_event(events, &message);
            for (; left > 0 && receive(events->subscribers[i], &message) == 0; more = true, left--)
                forward_subscription(events, &message);
        }
    }
    if (left == 0) /* calls get their turn, and then this goes on */
        sw_timer_start(events->again, 0);
}

static void read_on(void *context)
{
    read_all(context, ZMQ_POLLIN);
}

sw_code sw_events_open(sw_events *events, sw_loop *loop, void *context, sw_error *error)
{
    *events = (sw_events){.loop = loop, .context = context, .again = sw_loop_timer(loop, read_on, events)};
    return events->again != NULL ? SW_OK : sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
}

sw_code sw_events_socket(sw_events *events, bool publishers, bool network, const sw_key_file *key,
                         const char *domain, void **socket, sw_error *error)
{
    void **made = publishers ? &events->publishers[network] : &events->subscribers[network];
    *socket = *made;
    if (*made != NULL)
        return SW_OK;
    *socket = *made = zmq_socket(events->context, publishers ? ZMQ_XSUB : ZMQ_XPUB);
    if (*made == NULL || (key != NULL && !sw_key_use_as_server(*made, key, domain)))
        return sw_fail(error, SW_INTERNAL, "making an event socket: %s", zmq_strerror(zmq_errno()));
    if (sw_loop_fd(events->loop, sw_socket_fd(*made), ZMQ_POLLIN, read_all, events) != SW_OK)
        return sw_fail(error, SW_INTERNAL, "watching an event socket");
    read_all(events, 0); /* a descriptor tells of nothing before the first reading */
    return SW_OK;
}

void sw_events_close(sw_events *events)
{
    if (events->loop == NULL)
        return;
    sw_timer_destroy(&events->again);
    void **const sockets[] = {&events->publishers[0], &events->publishers[1], &events->subscribers[0],
                              &events->subscribers[1]};
    for (int i = 0; i < 4; i++)
        if (*sockets[i] != NULL) {
            sw_loop_remove_fd(events->loop, sw_socket_fd(*sockets[i]));
            zmq_close(*sockets[i]);
            *sockets[i] = NULL;
        }
}
