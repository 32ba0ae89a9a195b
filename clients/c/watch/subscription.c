/* One SUB socket after the other, see subscription.h. A broker also ends a connection when the
 * user's rights have changed; the next connection has the new rights. */
#include "c/watch/subscription.h"
#include "base/clock.h"
#include "net/monitor.h"
#include "wire/frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define BACKOFF_FIRST_US 20000
#define BACKOFF_MAX_US   1000000
#define STATUS_REFUSED   400 /* of an ERROR in the handshake; others pass */
#define RECONNECT_NEVER  3600000
#define HEARTBEAT_MS     1000
#define SILENCE_MS       5000
/* events that wait here before further ones are missed; they are small */
#define UNREAD_MAX  100000
#define MESSAGE_MAX (1 << 20)

sw_code sw_subscription_open(sw_subscription *subscription, const sw_subscription_options *options,
                             sw_error *error)
{
    *subscription = (sw_subscription){.options = *options, .epoll = -1};
    sw_code code = sw_endpoints_parse(&subscription->endpoints, options->endpoints, "SITEWIRE_EVENTS", error);
    if (code == SW_OK && options->spread != 0)
        sw_endpoints_shuffle(&subscription->endpoints, options->spread);
    return code;
}

bool sw_subscription_add(sw_subscription *subscription, const char *topic)
{
    char **topics = realloc(subscription->topics, (subscription->topic_count + 1) * sizeof(char *));
    if (topics == NULL)
        return false;
    subscription->topics = topics;
    topics[subscription->topic_count] = strdup(topic);
    return topics[subscription->topic_count] != NULL && ++subscription->topic_count > 0;
}

const char *sw_subscription_endpoint(const sw_subscription *subscription)
{
    return sw_endpoints_current(&subscription->endpoints);
}

static void watch(const sw_subscription *subscription, int fd, int operation)
{
    struct epoll_event event = {.events = EPOLLIN};
    if (subscription->epoll >= 0)
        epoll_ctl(subscription->epoll, operation, fd, &event);
}

void sw_subscription_watch(sw_subscription *subscription, int epoll)
{
    subscription->epoll = epoll;
    if (subscription->socket == NULL)
        return;
    watch(subscription, subscription->socket_fd, EPOLL_CTL_ADD);
    watch(subscription, subscription->monitor_fd, EPOLL_CTL_ADD);
}

static void close_sockets(sw_subscription *subscription)
{
    if (subscription->socket == NULL)
        return;
    watch(subscription, subscription->socket_fd, EPOLL_CTL_DEL);
    if (subscription->monitor != NULL)
        watch(subscription, subscription->monitor_fd, EPOLL_CTL_DEL);
    sw_monitor_close(subscription->socket, &subscription->monitor);
    zmq_close(subscription->socket);
    subscription->socket = NULL;
    subscription->up = false;
}

void sw_subscription_close(sw_subscription *subscription)
{
    close_sockets(subscription);
    for (size_t i = 0; i < subscription->topic_count; i++)
        free(subscription->topics[i]);
    sw_endpoints_clear(&subscription->endpoints);
    free(subscription->topics);
    *subscription = (sw_subscription){.epoll = -1};
}

void sw_subscription_go_to(sw_subscription *subscription, size_t endpoint, int64_t now_us)
{
    if (subscription->endpoints.current == endpoint)
        return;
    snprintf(subscription->reason, sizeof(subscription->reason), "the client has gone to another broker");
    close_sockets(subscription);
    subscription->endpoints.current = endpoint;
    subscription->failures = 0;
    subscription->due_us = now_us;
}

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof(value)) == 0;
}

/* The key may have been replaced in its file, which the client need not know yet. */
static bool use_key(sw_subscription *subscription)
{
    sw_key_file key = subscription->options.key->file;
    sw_key_file_refresh(subscription->options.key->path, &key);
    bool good = sw_key_use_as_client(subscription->socket, &key, &subscription->server);
    sw_key_file_wipe(&key);
    return good;
}

static bool open_sockets(sw_subscription *subscription)
{
    const sw_subscription_options *options = &subscription->options;
    const char *endpoint = sw_subscription_endpoint(subscription);
    bool encrypted = sw_client_key_for(options->key, endpoint) != NULL;
    int64_t message_max = MESSAGE_MAX;
    void *socket = subscription->socket = zmq_socket(options->context, ZMQ_SUB);
    bool good = socket != NULL && set_int(socket, ZMQ_LINGER, 0) && set_int(socket, ZMQ_RCVHWM, UNREAD_MAX) &&
                set_int(socket, ZMQ_RECONNECT_IVL, RECONNECT_NEVER) &&
                set_int(socket, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS) &&
                set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, SILENCE_MS) &&
                set_int(socket, ZMQ_IPV6, strchr(endpoint, '[') != NULL) &&
                zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &message_max, sizeof(message_max)) == 0 &&
                (!encrypted || use_key(subscription));
    for (size_t i = 0; good && i < subscription->topic_count; i++)
        good = zmq_setsockopt(socket, ZMQ_SUBSCRIBE, subscription->topics[i],
                              strlen(subscription->topics[i])) == 0;
    if (good)
        subscription->monitor = sw_monitor_open(options->context, socket, ZMQ_EVENT_ALL);
    return good && subscription->monitor != NULL && zmq_connect(socket, endpoint) == 0;
}

/* Goes on to the next endpoint, and pauses after the last. */
static void fail(sw_subscription *subscription, const char *reason, int64_t now_us)
{
    snprintf(subscription->reason, sizeof(subscription->reason), "%s", reason);
    close_sockets(subscription);
    size_t rounds = subscription->failures++ / subscription->endpoints.count;
    int64_t pause = rounds > 6 ? BACKOFF_MAX_US : (int64_t)BACKOFF_FIRST_US << rounds;
    sw_endpoints_next(&subscription->endpoints);
    subscription->due_us = now_us;
    if (subscription->failures % subscription->endpoints.count == 0)
        subscription->due_us += pause / 2 + sw_random_upto(subscription->options.random, pause / 2);
}

static void begin(sw_subscription *subscription, int64_t now_us)
{
    if (!open_sockets(subscription)) {
        fail(subscription, zmq_strerror(zmq_errno()), now_us);
        return;
    }
    subscription->socket_fd = sw_socket_fd(subscription->socket);
    subscription->monitor_fd = sw_socket_fd(subscription->monitor);
    sw_subscription_watch(subscription, subscription->epoll);
    subscription->due_us = now_us + subscription->options.connect_ms * 1000;
}

/* The broker hung up in the handshake: tries the other key that we trust, if there is one. */
static void fail_handshake(sw_subscription *subscription, int64_t now_us)
{
    if (!sw_server_choice_failed(&subscription->server)) {
        fail(subscription, "the broker hung up in the handshake: it has another key, or the network is dead",
             now_us);
        return;
    }
    close_sockets(subscription);
    subscription->due_us = now_us;
}

/* True if the connection came up. May close the socket. */
static bool handle(sw_subscription *subscription, int event, int32_t value, int64_t now_us)
{
    switch (event) {
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        subscription->up = true;
        subscription->failures = 0;
        sw_server_choice_worked(&subscription->server);
        subscription->due_us = SW_NEVER;
        return true;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        fail(subscription,
             value == STATUS_REFUSED ? "the broker refuses our key, or knows no user for this process"
                                     : "the broker cannot check who we are now",
             now_us);
        return false;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        fail(subscription, "the broker and we disagree about encryption", now_us);
        return false;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        fail_handshake(subscription, now_us);
        return false;
    case ZMQ_EVENT_DISCONNECTED:
        if (subscription->up)
            fail(subscription, "the connection was lost", now_us);
        else
            fail_handshake(subscription, now_us);
        return false;
    case ZMQ_EVENT_CLOSED:
    case ZMQ_EVENT_CONNECT_RETRIED:
        fail(subscription, "nobody listens there", now_us);
        return false;
    default:
        return false;
    }
}

bool sw_subscription_work(sw_subscription *subscription, int64_t now_us)
{
    bool got_up = false;
    int32_t value = 0;
    for (int event;
         subscription->monitor != NULL && (event = sw_monitor_next(subscription->monitor, &value)) != 0;)
        got_up |= handle(subscription, event, value, now_us);
    if (now_us < subscription->due_us)
        return got_up && subscription->up;
    if (subscription->socket == NULL)
        begin(subscription, now_us);
    else
        fail(subscription, "it does not answer", now_us);
    return false;
}

bool sw_subscription_read(sw_subscription *subscription, zmq_msg_t *body)
{
    zmq_msg_t frame;
    if (subscription->socket == NULL)
        return false;
    zmq_msg_init(&frame);
    for (int part = 0; zmq_msg_recv(&frame, subscription->socket, ZMQ_DONTWAIT) >= 0;) {
        bool more = zmq_msg_more(&frame) != 0;
        if (part == 1 && !more) {
            *body = frame;
            return true;
        }
        part = more ? part + 1 : 0; /* an event has exactly two frames */
    }
    zmq_msg_close(&frame);
    return false;
}
