/* Events one way (events.h). The XSUBs subscribe to everything: an event without subscribers
 * costs little, and a new subscriber gets events at once. */
#include "broker/io/events.h"

#include "base/clock.h"
#include "base/error.h"
#include "wire/frame.h"
#include <errno.h>
#include <string.h>

#define BATCH        256
#define UNREAD_MAX   100000 /* unread events of publishers; beyond that some are lost */
#define REQUEST_MAX  1024   /* bytes of a subscription */
#define HEARTBEAT_MS 2000
#define SILENCE_MS   8000

/* Sends an event to the subscribers on both transports. Large frames are shared, not copied. */
static void forward(sw_events *events, sw_message *message)
{
    void *const sockets[2] = {events->subscribers[0].socket, events->subscribers[1].socket};
    events->forwarded++;
    if (sockets[0] != NULL && sockets[1] != NULL) {
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
    /* An XPUB never blocks. A subscriber that does not read misses events, and sees that by
     * their numbers. */
    if (first == NULL || sw_message_send(first, message) != 0)
        sw_message_close(message);
}

static int receive(void *socket, sw_message *message)
{
    return socket == NULL ? EAGAIN : sw_message_recv(socket, message);
}

/* Reads all sockets to their end, because sending on one may hide the signal that it has
 * something to read. Only then may the loop watch their descriptors instead of polling the
 * sockets in every round. */
static void read_all(void *context, short ready)
{
    (void)ready;
    sw_events *events = context;
    sw_message message;
    int left = BATCH;
    int64_t now_us = sw_now_us();
    for (bool more = true; more && left > 0;) {
        more = false;
        for (int i = 0; i < 2; i++) {
            sw_subscribers *subscribers = &events->subscribers[i];
            for (; left > 0 && receive(subscribers->socket, &message) == 0; more = true, left--) {
                sw_subscribers_take(subscribers, &message, now_us);
                sw_message_close(&message);
            }
            for (; left > 0 && receive(events->publishers[i], &message) == 0; more = true, left--)
                forward(events, &message);
        }
    }
    if (left == 0) /* calls get their turn first */
        sw_timer_start(events->again, 0);
}

static void read_on(void *context)
{
    read_all(context, ZMQ_POLLIN);
}

static void read_monitor(void *context, short ready)
{
    (void)ready;
    sw_subscribers_watch(context);
}

void sw_events_check(sw_events *events, sw_identity *identity, int64_t now_us)
{
    for (int i = 0; i < 2 && identity->subscribers != NULL; i++)
        if (events->subscribers[i].socket != NULL)
            sw_subscribers_check(&events->subscribers[i], identity, now_us);
}

/* --- life --- */

sw_code sw_events_open(sw_events *events, sw_loop *loop, void *context, const sw_broker_options *options,
                       sw_auth *auth, sw_error *error)
{
    *events = (sw_events){.loop = loop,
                          .context = context,
                          .options = options,
                          .auth = auth,
                          .again = sw_loop_timer(loop, read_on, events)};
    return events->again != NULL ? SW_OK : sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
}

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof(value)) == 0;
}

static bool set_options(const sw_events *events, void *socket, bool publishers, bool network)
{
    const char *domain = publishers ? SW_ZAP_PUBLISH : SW_ZAP_EVENTS;
    int64_t message_max = publishers ? events->options->message_max : REQUEST_MAX;
    bool good = zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &message_max, sizeof(message_max)) == 0 &&
                set_int(socket, ZMQ_LINGER, 0) && set_int(socket, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS) &&
                set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, SILENCE_MS) &&
                set_int(socket, ZMQ_HANDSHAKE_IVL, (int)events->options->handshake_ms) &&
                set_int(socket, ZMQ_RCVHWM, UNREAD_MAX) &&
                set_int(socket, ZMQ_SNDHWM, (int)events->options->events_max);
    if (network && events->auth->is_curve)
        return good && sw_key_use_as_server(socket, &events->auth->key, domain);
    /* Without encryption, ZAP identifies subscribers; anyone who reaches a socket for publishers
     * may publish. */
    return good && (publishers || zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, domain, strlen(domain)) == 0);
}

static sw_code watch(const sw_events *events, void *socket, sw_loop_fn *fn, void *context, sw_error *error)
{
    sw_code code = sw_loop_fd(events->loop, sw_socket_fd(socket), ZMQ_POLLIN, fn, context);
    return code == SW_OK ? SW_OK : sw_fail(error, code, "cannot watch an event socket");
}

static sw_code open_subscribers(sw_events *events, bool network, void *socket, sw_error *error)
{
    sw_subscribers *all = &events->subscribers[network];
    *all = (sw_subscribers){.identities = &events->auth->identities,
                            .refusals = &events->auth->refusals,
                            .socket = socket,
                            .is_curve = network && events->auth->is_curve};
    sw_code code = sw_subscribers_open(all, events->context, error);
    return code == SW_OK ? watch(events, all->monitor, read_monitor, all, error) : code;
}

sw_code sw_events_socket(sw_events *events, bool publishers, bool network, void **socket, sw_error *error)
{
    *socket = publishers ? events->publishers[network] : events->subscribers[network].socket;
    if (*socket != NULL)
        return SW_OK;
    void *made = zmq_socket(events->context, publishers ? ZMQ_XSUB : ZMQ_XPUB);
    if (made != NULL)
        *(publishers ? &events->publishers[network] : &events->subscribers[network].socket) = made;
    if (made == NULL || !set_options(events, made, publishers, network))
        return sw_fail(error, SW_INTERNAL, "cannot make an event socket: %s", zmq_strerror(zmq_errno()));
    sw_code code = SW_OK;
    if (publishers && zmq_send(made, "\1", 1, 0) != 1)
        code = sw_fail(error, SW_INTERNAL, "cannot subscribe to events: %s", zmq_strerror(zmq_errno()));
    else if (!publishers)
        code = open_subscribers(events, network, made, error);
    if (code == SW_OK)
        code = watch(events, made, read_all, events, error);
    if (code != SW_OK)
        return code;
    read_all(events, 0); /* a descriptor signals nothing before the first read */
    *socket = made;
    return SW_OK;
}

static void close_socket(const sw_events *events, void *socket)
{
    sw_loop_remove_fd(events->loop, sw_socket_fd(socket));
    zmq_close(socket);
}

void sw_events_close(sw_events *events)
{
    if (events->loop == NULL)
        return;
    sw_timer_destroy(&events->again);
    for (int i = 0; i < 2; i++) {
        sw_subscribers *all = &events->subscribers[i];
        if (events->publishers[i] != NULL)
            close_socket(events, events->publishers[i]);
        if (all->monitor != NULL)
            sw_loop_remove_fd(events->loop, sw_socket_fd(all->monitor));
        if (all->socket != NULL) {
            void *socket = all->socket;
            sw_subscribers_close(all);
            close_socket(events, socket);
        }
    }
    *events = (sw_events){0};
}
