/* The life of a connection to a broker: connect, register, keep alive, lose, connect again with a new socket.
 * One socket lives through one connection only, so that nothing meant for a dead broker reaches its
 * successor. */
#include "rpc/connection.h"

#include "base/clock.h"
#include "base/error.h"
#include "wire/monitor.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKOFF_FIRST_MS 250
#define BACKOFF_MAX_MS   5000
#define TICKS            2     /* ticks in a heartbeat interval */
#define SILENT_INTERVALS 4     /* after which a broker is gone */
#define HIGH_WATER       16384 /* messages in each direction */
#define MESSAGE_MAX      (64LL * 1024 * 1024)
#define LEAVE_MS         1000 /* for the last messages to leave the process */

enum { READY = 1, HEARTBEAT = 5, DISCONNECT = 6 };

static void tell(const sw_connection *connection, const char *event)
{
    const sw_registration *r = connection->registration;
    if (r->on_event != NULL)
        r->on_event(r->context, event, connection->endpoint);
}

static void close_socket(sw_connection *connection, int linger_ms)
{
    sw_loop *loop = connection->registration->loop;
    sw_connection_forget_kept(connection);
    sw_batch_clear(&connection->batch);
    if (connection->monitor != NULL) {
        sw_loop_remove_fd(loop, sw_socket_fd(connection->monitor));
        sw_monitor_close(connection->socket, &connection->monitor);
    }
    if (connection->socket != NULL) {
        sw_loop_remove_socket(loop, connection->socket);
        zmq_setsockopt(connection->socket, ZMQ_LINGER, &linger_ms, sizeof(linger_ms));
        zmq_close(connection->socket);
    }
    connection->socket = NULL;
    connection->up = false;
}

static void start_tick(sw_connection *connection)
{
    sw_timer_start(connection->timer, sw_now_ms() + connection->registration->heartbeat_ms / TICKS);
}

static void on_readable(void *context, short events)
{
    sw_connection *connection = context;
    if (events & ZMQ_POLLOUT && connection->kept_first != NULL)
        sw_connection_flush(connection);
    if (connection->socket != NULL)
        sw_connection_receive(connection);
}

void sw_connection_want_writable(sw_connection *connection, bool wanted)
{
    sw_loop_socket(connection->registration->loop, connection->socket,
                   wanted ? ZMQ_POLLIN | ZMQ_POLLOUT : ZMQ_POLLIN, on_readable, connection);
}

static void register_worker(sw_connection *connection)
{
    connection->up = true;
    connection->heard = connection->sent = true;
    connection->silent_ticks = 0;
    sw_connection_command(connection, READY);
    start_tick(connection);
    tell(connection, "broker connected");
}

static void try_again(sw_connection *connection)
{
    if (connection->registration->draining)
        return;
    sw_timer_start(connection->timer, sw_now_ms() + connection->backoff_ms);
    connection->backoff_ms = connection->backoff_ms == 0 ? BACKOFF_FIRST_MS : connection->backoff_ms * 2;
    if (connection->backoff_ms > BACKOFF_MAX_MS)
        connection->backoff_ms = BACKOFF_MAX_MS;
}

static bool is_refusal(int event)
{
    return event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH || event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL ||
           event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;
}

/* libzmq gives up after that, or tries again much too often. The reason stands in the broker's log: a wrong key on
 * either side, or another mechanism. */
static void refused(sw_connection *connection)
{
    close_socket(connection, 0);
    tell(connection, "handshake refused by broker");
    try_again(connection);
}

static void on_monitor(void *context, short events)
{
    (void)events;
    sw_connection *connection = context;
    for (int event;
         connection->monitor != NULL && (event = sw_monitor_next(connection->monitor, NULL)) != 0;) {
        if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED && !connection->up)
            register_worker(connection);
        else if (event == ZMQ_EVENT_DISCONNECTED && connection->up)
            sw_connection_lost(connection);
        else if (is_refusal(event))
            refused(connection);
    }
}

static bool watch(sw_connection *connection)
{
    sw_registration *r = connection->registration;
    connection->monitor = sw_monitor_open(
        r->zmq, connection->socket,
        ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
            ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_DISCONNECTED);
    return connection->monitor != NULL &&
           sw_loop_fd(r->loop, sw_socket_fd(connection->monitor), ZMQ_POLLIN, on_monitor, connection) ==
               SW_OK &&
           sw_loop_socket(r->loop, connection->socket, ZMQ_POLLIN, on_readable, connection) == SW_OK;
}

static void set_number(void *socket, int option, int value)
{
    zmq_setsockopt(socket, option, &value, sizeof(value));
}

sw_code sw_connection_open(sw_connection *connection, sw_error *error)
{
    connection->complained = connection->overrun = false;
    connection->socket = zmq_socket(connection->registration->zmq, ZMQ_DEALER);
    if (connection->socket == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "no socket for %s: %s", connection->endpoint,
                       zmq_strerror(zmq_errno()));
    set_number(connection->socket, ZMQ_LINGER, 0);
    set_number(connection->socket, ZMQ_IPV6, 1);
    set_number(connection->socket, ZMQ_SNDHWM, HIGH_WATER);
    set_number(connection->socket, ZMQ_RCVHWM, HIGH_WATER);
    /* libzmq tries until it is connected for the first time; what comes after that is ours. */
    set_number(connection->socket, ZMQ_RECONNECT_IVL, BACKOFF_FIRST_MS);
    set_number(connection->socket, ZMQ_RECONNECT_IVL_MAX, BACKOFF_MAX_MS);
    zmq_setsockopt(connection->socket, ZMQ_MAXMSGSIZE, &(int64_t){MESSAGE_MAX}, sizeof(int64_t));
    const sw_key_file *key = connection->registration->key;
    bool encrypted = key != NULL && strncmp(connection->endpoint, "tcp://", 6) == 0;
    if (!watch(connection) || (encrypted && !sw_key_use_as_client(connection->socket, key))) {
        close_socket(connection, 0);
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "cannot watch the socket for %s: %s",
                       connection->endpoint, zmq_strerror(zmq_errno()));
    }
    if (zmq_connect(connection->socket, connection->endpoint) != 0) {
        sw_fail(error, SW_INVALID_ARGUMENT, "endpoint %s: %s; it looks like ipc:///path or tcp://host:port",
                connection->endpoint, zmq_strerror(zmq_errno()));
        close_socket(connection, 0);
        return SW_INVALID_ARGUMENT;
    }
    return SW_OK;
}

void sw_connection_lost(sw_connection *connection)
{
    sw_registration *r = connection->registration;
    close_socket(connection, 0);
    sw_timer_stop(connection->timer);
    r->brokers_lost++;
    tell(connection, "broker lost");
    try_again(connection);
    sw_dispatch_abandon(r->dispatch, &connection->transport);
}

static void on_timer(void *context)
{
    sw_connection *connection = context;
    if (connection->socket == NULL) {
        if (sw_connection_open(connection, NULL) != SW_OK) /* out of sockets: later perhaps */
            sw_timer_start(connection->timer, sw_now_ms() + BACKOFF_MAX_MS);
        return;
    }
    if (!connection->up)
        return;
    connection->silent_ticks = connection->heard ? 0 : connection->silent_ticks + 1;
    connection->heard = false;
    if (connection->overrun || connection->silent_ticks >= SILENT_INTERVALS * TICKS) {
        sw_connection_lost(connection);
        return;
    }
    if (!connection->sent)
        sw_connection_command(connection, HEARTBEAT);
    connection->sent = false;
    start_tick(connection);
}

sw_connection *sw_connection_new(sw_registration *registration, const char *endpoint)
{
    sw_connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL)
        return NULL;
    connection->transport.send = sw_connection_reply;
    connection->registration = registration;
    connection->endpoint = strdup(endpoint);
    connection->timer = sw_loop_timer(registration->loop, on_timer, connection);
    if (connection->endpoint == NULL || connection->timer == NULL)
        sw_connection_destroy(&connection);
    return connection;
}

void sw_connection_destroy(sw_connection **connection)
{
    if (*connection == NULL)
        return;
    close_socket(*connection, 0);
    sw_timer_destroy(&(*connection)->timer);
    free((*connection)->endpoint);
    free(*connection);
    *connection = NULL;
}

/* --- the end --- */

void sw_connection_drain(sw_connection *connection)
{
    if (!connection->up) {
        close_socket(connection, 0);
        sw_timer_stop(connection->timer);
        return;
    }
    connection->grace_ms = sw_now_ms() + 2 * connection->registration->heartbeat_ms;
    sw_connection_command(connection, READY);
}

/* A broker that does not dismiss its workers has read the hello by the second heartbeat: the first may have crossed it,
 * and the second was sent an interval later. */
bool sw_connection_is_drained(const sw_connection *connection)
{
    if (connection->socket == NULL)
        return true;
    bool waited = connection->heartbeats >= 2 && sw_now_ms() >= connection->grace_ms;
    return connection->kept_first == NULL && connection->batch.count == 0 &&
           (connection->dismissed || waited);
}

void sw_connection_leave(sw_connection *connection)
{
    if (connection->socket == NULL)
        return;
    sw_connection_send_batch(connection);
    if (connection->up && !connection->dismissed)
        sw_connection_command(connection, DISCONNECT);
    sw_timer_stop(connection->timer);
    close_socket(connection, LEAVE_MS);
}
