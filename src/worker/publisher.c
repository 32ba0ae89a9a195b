/* A PUB socket: libzmq reconnects it after a loss, but gives up after a refusal. Then a new one is
 * opened. */
#include "worker/publisher.h"

#include "base/clock.h"
#include "base/error.h"
#include "net/monitor.h"
#include <stdlib.h>
#include <string.h>

#define HIGH_WATER    100000 /* unsent messages; each is small */
#define RECONNECT_MS  100
#define RECONNECT_MAX 1000
#define AGAIN_MS      2000 /* from a refusal to the next attempt */
#define SOON_MS       500  /* the same if the broker hung up, as one that restarts may do */
#define LINGER_MS     1000

#define EVENTS                                                                                               \
    (ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |                                  \
     ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
/* With a name, each attempt looks it up again. */
#define NAMED_EVENTS (EVENTS | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED | ZMQ_EVENT_CONNECT_RETRIED)

struct sw_publisher {
    sw_registration *registration;
    char *endpoint;
    sw_broker_name name; /* while it is looked up */
    sw_server_choice server;
    uint64_t key_version; /* of the key that it uses */
    void *socket, *monitor;
    sw_timer *timer; /* opens a new socket */
};

static void close_socket(sw_publisher *publisher)
{
    if (publisher->monitor != NULL) {
        sw_loop_remove_fd(publisher->registration->loop, sw_socket_fd(publisher->monitor));
        sw_monitor_close(publisher->socket, &publisher->monitor);
    }
    if (publisher->socket != NULL)
        zmq_close(publisher->socket);
    sw_broker_name_cancel(&publisher->name);
    publisher->socket = NULL;
}

static void fail(sw_publisher *publisher, int event)
{
    const sw_registration *r = publisher->registration;
    close_socket(publisher);
    bool hung_up = event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;
    bool again = hung_up && sw_server_choice_failed(&publisher->server);
    sw_timer_start(publisher->timer, sw_now_ms() + (again ? 0 : hung_up ? SOON_MS : AGAIN_MS));
    if (!hung_up && r->on_event != NULL)
        r->on_event(r->context, "publisher refused by broker", publisher->endpoint, "");
}

/* The address may be another one now. */
static void open_again(sw_publisher *publisher)
{
    close_socket(publisher);
    sw_timer_start(publisher->timer, sw_now_ms() + RECONNECT_MAX);
}

static void on_monitor(void *context, short events)
{
    (void)events;
    sw_publisher *publisher = context;
    for (int event; publisher->monitor != NULL && (event = sw_monitor_next(publisher->monitor, NULL)) != 0;)
        if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
            sw_server_choice_worked(&publisher->server);
        else if ((event & EVENTS) == 0)
            open_again(publisher);
        else
            fail(publisher, event);
}

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof(value)) == 0;
}

static sw_code open_socket(sw_publisher *publisher, const char *endpoint, sw_error *error)
{
    sw_registration *r = publisher->registration;
    sw_registration_refresh(r);
    publisher->key_version = r->key_version;
    void *socket = publisher->socket = zmq_socket(r->zmq, ZMQ_PUB);
    bool good =
        socket != NULL && set_int(socket, ZMQ_LINGER, LINGER_MS) && set_int(socket, ZMQ_IPV6, 1) &&
        set_int(socket, ZMQ_SNDHWM, HIGH_WATER) && set_int(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS) &&
        set_int(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX) && set_int(socket, ZMQ_HEARTBEAT_IVL, 2000) &&
        set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, 8000) &&
        (r->key == NULL || sw_key_use_as_client(socket, r->key, &publisher->server)) &&
        (publisher->monitor = sw_monitor_open(
             r->zmq, socket, endpoint != publisher->endpoint ? NAMED_EVENTS : EVENTS)) != NULL &&
        sw_loop_fd(r->loop, sw_socket_fd(publisher->monitor), ZMQ_POLLIN, on_monitor, publisher) == SW_OK;
    if (good && zmq_connect(socket, endpoint) == 0)
        return SW_OK;
    sw_code code = sw_fail(error, good ? SW_INVALID_ARGUMENT : SW_RESOURCE_EXHAUSTED,
                           "events to %s: %s; an endpoint looks like ipc:///path or tcp://host:port",
                           publisher->endpoint, zmq_strerror(zmq_errno()));
    close_socket(publisher);
    return code;
}

/* sw_broker_name_fn */
static void on_named(void *context, const char *endpoint)
{
    sw_publisher *publisher = context;
    if (endpoint == NULL || open_socket(publisher, endpoint, NULL) != SW_OK)
        sw_timer_start(publisher->timer, sw_now_ms() + AGAIN_MS);
}

sw_code sw_publisher_open(sw_publisher *publisher, sw_error *error)
{
    const sw_registration *r = publisher->registration;
    if (!sw_broker_name_is(publisher->endpoint))
        return open_socket(publisher, publisher->endpoint, error);
    return sw_broker_name_start(&publisher->name, r->resolver, publisher->endpoint, on_named, publisher)
               ? SW_OK
               : sw_fail(error, SW_RESOURCE_EXHAUSTED, "no memory to look up %s", publisher->endpoint);
}

static void on_timer(void *context)
{
    sw_publisher *publisher = context;
    if (!publisher->registration->draining && sw_publisher_open(publisher, NULL) != SW_OK)
        sw_timer_start(publisher->timer, sw_now_ms() + AGAIN_MS);
}

void sw_publisher_renew(sw_publisher *publisher)
{
    const sw_registration *r = publisher->registration;
    if (publisher->socket == NULL || publisher->key_version == r->key_version || r->draining)
        return;
    close_socket(publisher);
    on_timer(publisher);
}

void sw_publisher_send(sw_publisher *publisher, sw_message *message)
{
    sw_message copy = {.count = 0};
    bool good = publisher->socket != NULL;
    for (int i = 0; i < message->count && good; i++) {
        zmq_msg_init(&copy.frames[i]);
        good = zmq_msg_copy(&copy.frames[i], &message->frames[i]) == 0;
        copy.count++;
    }
    if (!good || sw_message_send(publisher->socket, &copy) != 0) /* a PUB never blocks */
        sw_message_close(&copy);
}

sw_publisher *sw_publisher_new(sw_registration *registration, const char *endpoint)
{
    sw_publisher *publisher = calloc(1, sizeof(*publisher));
    if (publisher == NULL)
        return NULL;
    publisher->registration = registration;
    publisher->endpoint = strdup(endpoint);
    publisher->timer = sw_loop_timer(registration->loop, on_timer, publisher);
    if (publisher->endpoint == NULL || publisher->timer == NULL)
        sw_publisher_destroy(&publisher);
    return publisher;
}

void sw_publisher_destroy(sw_publisher **publisher)
{
    if (*publisher == NULL)
        return;
    close_socket(*publisher);
    sw_timer_destroy(&(*publisher)->timer);
    free((*publisher)->endpoint);
    free(*publisher);
    *publisher = NULL;
}
