/* Endpoints, sockets and their options (listen.h). */
#include "broker/io/listen.h"

#include "base/error.h"
#include "base/log.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ENDPOINT_MAX 256
#define GOODBYE_MS   1000 /* for unsent messages when the broker ends */

/* --- endpoints --- */

/* Removes the socket file of a broker that was killed: nobody listens on it. One that accepts is
 * another broker's. */
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

/* ZeroMQ itself would unlink the socket file of a running broker and take its place. */
static bool is_taken(const char *endpoint)
{
    return strncmp(endpoint, "ipc://", 6) == 0 && endpoint[6] != '@' && endpoint[6] != '*' &&
           access(endpoint + 6, F_OK) == 0;
}

static bool is_for_services(const char *option)
{
    return strcmp(option, "backend") == 0 || strcmp(option, "publish") == 0;
}

/* For services on ipc, only the file mode keeps others out. So whatever the umask, the file is
 * not open to everybody. */
static int bind_guarded(void *socket, const char *option, const char *endpoint)
{
    mode_t before = umask(0);
    umask(is_for_services(option) ? before | 007 : before);
    int failed = zmq_bind(socket, endpoint);
    int error = errno;
    umask(before);
    errno = error;
    return failed;
}

static bool is_network(const char *endpoint)
{
    return strncmp(endpoint, "tcp://", 6) == 0;
}

static sw_code bind_one(void *socket, const char *option, const char *endpoint, sw_error *error)
{
    remove_stale(endpoint);
    if (is_taken(endpoint))
        return sw_fail(error, SW_ALREADY_EXISTS, "--%s: %s is in use by another process", option, endpoint);
    if (is_for_services(option) && strncmp(endpoint, "ipc://@", 7) == 0)
        return sw_fail(error, SW_INVALID_ARGUMENT,
                       "--%s: %s has no file mode, so any process here could pose as a service: name a file",
                       option, endpoint);
    if (bind_guarded(socket, option, endpoint) != 0)
        return sw_fail(error, zmq_errno() == EADDRINUSE ? SW_ALREADY_EXISTS : SW_INVALID_ARGUMENT,
                       "--%s: cannot bind %s: %s", option, endpoint, zmq_strerror(zmq_errno()));
    char bound[ENDPOINT_MAX];
    size_t size = sizeof(bound);
    if (zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, bound, &size) == 0)
        sw_log(SW_LOG_INFO, "listening", "side", option, "endpoint", bound, NULL);
    return SW_OK;
}

/* What a socket is made with. */
typedef struct socket_maker {
    sw_broker *broker;
    sw_loop_fn *read_side, *read_monitor;
} socket_maker;

typedef sw_code socket_fn(const socket_maker *maker, const char *option, bool network, void **socket,
                          sw_error *error);

/* Binds each endpoint of the list to the socket for its transport, which is made for the first
 * one. */
static sw_code bind_all(const socket_maker *maker, const char *option, const char *endpoints,
                        socket_fn *socket_for, sw_error *error)
{
    for (const char *at = endpoints == NULL ? "" : endpoints; *at != '\0';) {
        size_t size = strcspn(at, ",");
        char endpoint[ENDPOINT_MAX];
        void *socket = NULL;
        if (size >= sizeof(endpoint))
            return sw_fail(error, SW_INVALID_ARGUMENT, "--%s: an endpoint is longer than %d bytes", option,
                           ENDPOINT_MAX - 1);
        memcpy(endpoint, at, size);
        endpoint[size] = '\0';
        at += size + (at[size] == ',');
        if (size == 0)
            continue;
        sw_code code = socket_for(maker, option, is_network(endpoint), &socket, error);
        if (code == SW_OK)
            code = bind_one(socket, option, endpoint, error);
        if (code != SW_OK)
            return code;
    }
    return SW_OK;
}

/* --- the sides --- */

static sw_code set_options(const sw_broker *broker, const sw_side *side, sw_error *error)
{
    /* At most a worker's capacity is unsent, each call with a CREDIT and a CANCEL. */
    const int unsent_max = side->is_frontend ? (int)broker->options->replies_max : 4 * SW_CAPACITY_MAX;
    const int mandatory = 1, linger = GOODBYE_MS, backlog = 1024;
    /* Messages that ZeroMQ has read ahead are memory beside the queues, up to 32 KiB for a
     * batch. The kernel holds the rest back. */
    const int read_max = 16, handshake = (int)broker->options->handshake_ms;
    /* The kernel finds a machine that has vanished, and so do pings. These are for peers that
     * surely have libzmq, which answers in a thread of its own; a peer with its own ZMTP may be
     * busy for longer. */
    const int keepalive = 1, interval = 2, probes = 3, timeout = 8000, heartbeat = side->is_curve ? 2000 : 0;
    const int64_t message_max = broker->options->message_max;
    const struct {
        int option;
        const void *value;
        size_t size;
    } settings[] = {
        {ZMQ_ROUTER_MANDATORY, &mandatory,
         /* sending to a peer that is gone or full fails instead of dropping the message */
         sizeof(int)},
        {ZMQ_SNDHWM, &unsent_max, sizeof(int)},
        {ZMQ_RCVHWM, &read_max, sizeof(int)},
        {ZMQ_LINGER, &linger, sizeof(int)},
        {ZMQ_BACKLOG, &backlog, sizeof(int)},
        {ZMQ_MAXMSGSIZE, &message_max, sizeof(message_max)},
        {ZMQ_HANDSHAKE_IVL, &handshake, sizeof(int)},
        {ZMQ_TCP_KEEPALIVE, &keepalive, sizeof(int)},
        {ZMQ_TCP_KEEPALIVE_IDLE, &interval, sizeof(int)},
        {ZMQ_TCP_KEEPALIVE_INTVL, &interval, sizeof(int)},
        {ZMQ_TCP_KEEPALIVE_CNT, &probes, sizeof(int)},
        {ZMQ_HEARTBEAT_IVL, &heartbeat, sizeof(int)},
        {ZMQ_HEARTBEAT_TIMEOUT, &timeout, sizeof(int)},
    };
    bool good = true;
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        good = good &&
               zmq_setsockopt(side->socket, settings[i].option, settings[i].value, settings[i].size) == 0;
    if (side->is_curve)
        good = good && sw_key_use_as_server(side->socket, &broker->auth.key,
                                            side->is_frontend ? SW_ZAP_FRONTEND : SW_ZAP_BACKEND);
    return good ? SW_OK
                : sw_fail(error, SW_INTERNAL, "cannot set an option of a socket: %s",
                          zmq_strerror(zmq_errno()));
}

/* The side for an option and a transport, opened for its first endpoint. */
static sw_code watch(const socket_maker *maker, sw_side *side, sw_error *error)
{
    sw_loop *loop = maker->broker->loop;
    sw_code code = sw_loop_socket(loop, side->socket, ZMQ_POLLIN, maker->read_side, side);
    sw_loop_drained(loop, side->socket, false);
    if (code == SW_OK)
        code = sw_loop_fd(loop, sw_socket_fd(side->monitor), ZMQ_POLLIN, maker->read_monitor, side);
    return code == SW_OK ? SW_OK : sw_fail(error, code, "cannot watch a socket of --%s", side->name);
}

static sw_code side_for(const socket_maker *maker, const char *option, bool network, void **socket,
                        sw_error *error)
{
    sw_broker *broker = maker->broker;
    bool is_frontend = strcmp(option, "frontend") == 0;
    /* replies are read before requests */
    sw_side *side = &broker->sides[2 * is_frontend + network];
    if (side->socket != NULL) {
        *socket = side->socket;
        return SW_OK;
    }
    *side = (sw_side){.name = option,
                      .owner = broker,
                      .is_frontend = is_frontend,
                      .is_network = network,
                      .is_curve = network && broker->auth.is_curve};
    sw_code code = sw_side_open(side, broker->context, broker->secret, error);
    if (code == SW_OK)
        code = set_options(broker, side, error);
    if (code == SW_OK)
        code = watch(maker, side, error);
    *socket = side->socket;
    return code;
}

/* --- events --- */

static sw_code events_for(const socket_maker *maker, const char *option, bool network, void **socket,
                          sw_error *error)
{
    return sw_events_socket(&maker->broker->events, strcmp(option, "publish") == 0, network, socket, error);
}

sw_code sw_listen_open(sw_broker *broker, sw_loop_fn *read_side, sw_loop_fn *read_monitor, sw_error *error)
{
    const socket_maker maker = {broker, read_side, read_monitor};
    const sw_broker_options *options = broker->options;
    bool events = options->events != NULL && options->events[0] != '\0';
    sw_code code = bind_all(&maker, "backend", options->backend, side_for, error);
    if (code == SW_OK && events)
        code = sw_events_open(&broker->events, broker->loop, broker->context, options, &broker->auth, error);
    if (code == SW_OK && events)
        code = bind_all(&maker, "events", options->events, events_for, error);
    if (code == SW_OK && events)
        code = bind_all(&maker, "publish", options->publish, events_for, error);
    return code == SW_OK ? bind_all(&maker, "frontend", options->frontend, side_for, error) : code;
}

void sw_listen_close(sw_broker *broker)
{
    sw_events_close(&broker->events);
    for (int i = 0; i < SW_SIDES; i++) {
        sw_side *side = &broker->sides[i];
        if (side->name == NULL)
            continue;
        sw_loop_remove_socket(broker->loop, side->socket);
        if (side->monitor != NULL)
            sw_loop_remove_fd(broker->loop, sw_socket_fd(side->monitor));
        sw_side_close(side);
    }
}
