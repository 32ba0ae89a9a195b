/* The one loop of the broker: sockets, their options and endpoints, time, draining and the end. */
#include "broker/broker.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ENDPOINT_MAX 256
#define GOODBYE_MS   1000 /* for what is still to be written when the broker ends */

void sw_broker_malformed(sw_broker *broker, sw_peer *peer, const char *side, const char *why)
{
    broker->malformed_frames++;
    if (peer->complained)
        return;
    peer->complained = true;
    char connection[16];
    snprintf(connection, sizeof(connection), "%d", peer->fd);
    sw_log(SW_LOG_WARNING, "malformed message dropped", "side", side, "connection", connection, "reason", why,
           NULL);
}

size_t sw_broker_message_size(const sw_message *message)
{
    size_t size = 0;
    for (int i = 1; i < message->count; i++)
        size += zmq_msg_size(&message->frames[i]);
    return size;
}

/* --- a round: sockets are read, then `settle` --- */

static void lose_peers(sw_broker *broker, sw_side *side, void (*lost)(sw_broker *, sw_peer *))
{
    sw_peer *peer;
    while (side->drained && (peer = sw_side_next_lost(side)) != NULL) {
        lost(broker, peer);
        sw_broker_flush(broker); /* nothing refers to the peer afterwards */
        sw_side_forget(side, peer);
    }
}

static void read_frontend(void *context, short ready)
{
    (void)ready;
    sw_broker *broker = context;
    broker->now_us = sw_now_us();
    broker->frontend.drained = !sw_frontend_read(broker);
}

static void read_backend(void *context, short ready)
{
    (void)ready;
    sw_broker *broker = context;
    broker->now_us = sw_now_us();
    broker->backend.drained = !sw_backend_read(broker);
}

/* What the lost said before they left is read first. */
static void read_monitors(void *context, short ready)
{
    sw_broker *broker = context;
    sw_side_watch(&broker->frontend);
    sw_side_watch(&broker->backend);
    read_frontend(context, ready);
    read_backend(context, ready);
}

/* After the events of a round: time, actions, losses. */
static void settle(void *context)
{
    sw_broker *broker = context;
    sw_broker_flush(broker);
    broker->now_us = sw_now_us();
    if (broker->now_us >= sw_core_next_us(broker->core))
        sw_core_tick(broker->core, broker->now_us);
    sw_self_idle(&broker->self, broker->now_us / 1000);
    sw_broker_flush(broker);
    lose_peers(broker, &broker->backend, sw_backend_lost);
    lose_peers(broker, &broker->frontend, sw_frontend_lost);
    bool over = broker->now_us >= broker->deadline_us;
    if (sw_core_is_draining(broker->core) && (over || sw_core_in_flight(broker->core) == 0))
        sw_loop_stop(broker->loop);
    int64_t next_us = sw_core_next_us(broker->core), own_ms = sw_self_next_ms(&broker->self);
    if (broker->deadline_us < next_us)
        next_us = broker->deadline_us;
    int64_t next_ms = next_us == SW_NEVER ? SW_NEVER : next_us / 1000 + 1;
    sw_timer_start(broker->tick, own_ms < next_ms ? own_ms : next_ms);
}

static void tick(void *context)
{
    (void)context; /* it only wakes the loop: `settle` follows */
}

/* --- endpoints --- */

/* A socket file that nobody listens on is what a killed broker left; one that answers is another broker's. */
static void remove_stale(const char *endpoint)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = endpoint + strlen("ipc://");
    if (strncmp(endpoint, "ipc://", 6) != 0 || path[0] == '@' || strlen(path) >= sizeof(address.sun_path))
        return;
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 && errno == ECONNREFUSED)
        unlink(path);
    close(fd);
}

/* ZeroMQ would unlink a living broker's socket and take its place. */
static bool is_taken(const char *endpoint)
{
    return strncmp(endpoint, "ipc://", 6) == 0 && endpoint[6] != '@' && endpoint[6] != '*' &&
           access(endpoint + 6, F_OK) == 0;
}

static sw_code bind_one(void *socket, const char *option, const char *endpoint, sw_error *error)
{
    remove_stale(endpoint);
    if (is_taken(endpoint))
        return sw_fail(error, SW_ALREADY_EXISTS, "--%s: %s is in use by another process", option, endpoint);
    if (zmq_bind(socket, endpoint) != 0)
        return sw_fail(error, zmq_errno() == EADDRINUSE ? SW_ALREADY_EXISTS : SW_INVALID_ARGUMENT,
                       "--%s: cannot bind %s: %s", option, endpoint, zmq_strerror(zmq_errno()));
    char bound[ENDPOINT_MAX];
    size_t size = sizeof(bound);
    if (zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, bound, &size) == 0)
        sw_log(SW_LOG_INFO, "listening", "side", option, "endpoint", bound, NULL);
    return SW_OK;
}

static sw_code bind_all(void *socket, const char *option, const char *endpoints, sw_error *error)
{
    for (const char *at = endpoints; *at != '\0';) {
        size_t size = strcspn(at, ",");
        char endpoint[ENDPOINT_MAX];
        if (size >= sizeof(endpoint))
            return sw_fail(error, SW_INVALID_ARGUMENT, "--%s: an endpoint is longer than %d bytes", option,
                           ENDPOINT_MAX - 1);
        memcpy(endpoint, at, size);
        endpoint[size] = '\0';
        sw_code code = size == 0 ? SW_OK : bind_one(socket, option, endpoint, error);
        if (code != SW_OK)
            return code;
        at += size + (at[size] == ',');
    }
    return SW_OK;
}

static sw_code set_options(const sw_broker *broker, sw_side *side, int unsent_max, sw_error *error)
{
    const int mandatory = 1, linger = GOODBYE_MS, backlog = 1024, heartbeat = 2000, timeout = 8000,
              handshake = 10000;
    const int read_max = 1000;
    const int64_t message_max = broker->options->message_max;
    const struct {
        int option;
        const void *value;
        size_t size;
    } settings[] = {
        {ZMQ_ROUTER_MANDATORY, &mandatory, sizeof(int)}, /* who is gone or full is told, not dropped */
        {ZMQ_SNDHWM, &unsent_max, sizeof(int)},
        {ZMQ_RCVHWM, &read_max, sizeof(int)},
        {ZMQ_LINGER, &linger, sizeof(int)},
        {ZMQ_BACKLOG, &backlog, sizeof(int)},
        {ZMQ_MAXMSGSIZE, &message_max, sizeof(message_max)},
        {ZMQ_HANDSHAKE_IVL, &handshake, sizeof(int)},
        {ZMQ_HEARTBEAT_IVL, &heartbeat, sizeof(int)}, /* finds machines that vanished, clients' too */
        {ZMQ_HEARTBEAT_TIMEOUT, &timeout, sizeof(int)},
    };
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        if (zmq_setsockopt(side->socket, settings[i].option, settings[i].value, settings[i].size) != 0)
            return sw_fail(error, SW_INTERNAL, "setting an option of a socket: %s",
                           zmq_strerror(zmq_errno()));
    return SW_OK;
}

static sw_code open_side(sw_broker *broker, sw_side *side, sw_loop_fn *read, uint64_t secret, int unsent_max,
                         sw_error *error)
{
    sw_code code = sw_side_open(side, broker->context, secret, error);
    if (code == SW_OK)
        code = set_options(broker, side, unsent_max, error);
    if (code == SW_OK)
        code = sw_loop_socket(broker->loop, side->socket, ZMQ_POLLIN, read, broker);
    if (code == SW_OK)
        code = sw_loop_fd(broker->loop, sw_socket_fd(side->monitor), ZMQ_POLLIN, read_monitors, broker);
    return code;
}

static sw_code open_sockets(sw_broker *broker, uint64_t secret, sw_error *error)
{
    const sw_broker_options *options = broker->options;
    /* Of a worker no more is unsent than its capacity, each call with a CREDIT and a CANCEL. */
    int worker_max = 4 * SW_CAPACITY_MAX;
    bool events = options->events != NULL && options->events[0] != '\0';
    sw_code code =
        open_side(broker, &broker->frontend, read_frontend, secret, (int)options->replies_max, error);
    if (code == SW_OK)
        code = open_side(broker, &broker->backend, read_backend, secret, worker_max, error);
    if (code == SW_OK && events)
        code = sw_events_open(&broker->events, broker->loop, broker->context, error);
    if (code == SW_OK)
        code = bind_all(broker->backend.socket, "backend", options->backend, error);
    if (code == SW_OK && events)
        code = bind_all(broker->events.subscribers, "events", options->events, error);
    if (code == SW_OK && events && options->publish != NULL)
        code = bind_all(broker->events.publishers, "publish", options->publish, error);
    return code == SW_OK ? bind_all(broker->frontend.socket, "frontend", options->frontend, error) : code;
}

/* --- life --- */

static sw_code open_parts(sw_broker *broker, sw_error *error)
{
    uint64_t secret = 0;
    if (getrandom(&secret, sizeof(secret), 0) != sizeof(secret))
        return sw_fail(error, SW_INTERNAL, "no random numbers: %s", strerror(errno));
    const char *name = broker->options->instance;
    if (name != NULL && name[0] != '\0')
        snprintf(broker->instance, sizeof(broker->instance), "%s", name);
    else
        snprintf(broker->instance, sizeof(broker->instance), "broker-%d-%04x", (int)getpid(),
                 (unsigned)(secret & 0xffff));
    broker->context = zmq_ctx_new();
    broker->core = sw_core_new(&broker->options->core, secret, broker->now_us);
    if (broker->context == NULL || broker->core == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    /* peer.c relies on one I/O thread; descriptors are bounded by the process's limit. */
    if (zmq_ctx_set(broker->context, ZMQ_IO_THREADS, 1) != 0)
        return sw_fail(error, SW_INTERNAL, "ZeroMQ: %s", zmq_strerror(zmq_errno()));
    zmq_ctx_set(broker->context, ZMQ_MAX_SOCKETS, 64);
    sw_code code = sw_self_open(&broker->self, broker, error);
    if (code != SW_OK)
        return sw_fail(error, code, "--instance: a name has 1 to 128 printable characters without spaces");
    broker->tick = sw_loop_timer(broker->loop, tick, broker);
    if (broker->tick == NULL || sw_loop_idle(broker->loop, settle, broker) != SW_OK)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    return open_sockets(broker, secret, error);
}

sw_code sw_broker_open(sw_broker *broker, sw_loop *loop, const sw_broker_options *options, sw_error *error)
{
    *broker = (sw_broker){.options = options, .loop = loop, .now_us = sw_now_us(), .deadline_us = SW_NEVER};
    return open_parts(broker, error);
}

void sw_broker_drain(sw_broker *broker, int64_t timeout_ms)
{
    int64_t end_us = sw_now_us() + (timeout_ms > 0 ? timeout_ms : broker->options->drain_ms) * 1000;
    if (end_us < broker->deadline_us)
        broker->deadline_us = end_us;
    if (sw_core_is_draining(broker->core))
        return;
    char calls[16];
    snprintf(calls, sizeof(calls), "%u", sw_core_in_flight(broker->core));
    sw_log(SW_LOG_INFO, "draining", "in_flight", calls, NULL);
    sw_core_drain(broker->core);
}

static void say_goodbye(sw_broker *broker)
{
    broker->now_us = sw_now_us();
    sw_core_stop(broker->core, broker->now_us);
    sw_broker_flush(broker);
    sw_core_stop(broker->core, broker->now_us); /* what could not be delivered meanwhile */
    sw_broker_flush(broker);
}

void sw_broker_close(sw_broker *broker)
{
    if (broker->core != NULL && broker->frontend.socket != NULL && broker->backend.socket != NULL)
        say_goodbye(broker);
    sw_self_close(&broker->self);
    sw_events_close(&broker->events, broker->loop);
    sw_side *const sides[] = {&broker->frontend, &broker->backend};
    for (int i = 0; i < 2; i++) {
        sw_loop_remove_socket(broker->loop, sides[i]->socket);
        if (sides[i]->monitor != NULL)
            sw_loop_remove_fd(broker->loop, sw_socket_fd(sides[i]->monitor));
        sw_side_close(sides[i]);
    }
    sw_loop_idle_remove(broker->loop, settle, broker);
    sw_timer_destroy(&broker->tick);
    sw_core_destroy(&broker->core);
    sw_pool_clear(&broker->pool);
    free(broker->broken);
    if (broker->context != NULL)
        zmq_ctx_term(broker->context);
    *broker = (sw_broker){0};
}
