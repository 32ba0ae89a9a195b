/* A dealer over zmtp.h, or over a socket of libzmq with its monitor (dealer.h). */
#include "net/dealer.h"

#include "net/monitor.h"
#include "net/zmtp.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define STATUS_REFUSED  400     /* in an ERROR, see ZeroMQ RFC 27; others pass */
#define RECONNECT_NEVER 3600000 /* ms; libzmq would send what was meant for the lost peer */

struct sw_dealer {
    sw_zmtp *zmtp;          /* either this */
    void *socket, *monitor; /* or these two of libzmq, with their descriptors: */
    int fd, monitor_fd;
    sw_loop *loop; /* that watches it, or NULL */
    short watched; /* the events that the loop waits for */
    bool up, over; /* what sw_dealer_event has reported */
};

static bool set(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof(value)) == 0;
}

/* Says to the broker that we try again after an ERROR, so that it may send one. libzmq's ROUTER
 * wants it to be unique. */
static bool set_identity(void *socket)
{
    uint64_t number;
    char text[32];
    if (getrandom(&number, sizeof(number), 0) != sizeof(number))
        return false;
    int size = snprintf(text, sizeof(text), "sitewire-%016llx", (unsigned long long)number);
    return zmq_setsockopt(socket, ZMQ_ROUTING_ID, text, (size_t)size) == 0;
}

static bool open_socket(sw_dealer *dealer, const char *endpoint, const sw_dealer_options *o, bool encrypted)
{
    int64_t message_max = (int64_t)o->message_max;
    void *socket = dealer->socket = zmq_socket(o->context, ZMQ_DEALER);
    return socket != NULL && set_identity(socket) && set(socket, ZMQ_LINGER, 0) &&
           set(socket, ZMQ_SNDHWM, o->send_max) && set(socket, ZMQ_RCVHWM, o->receive_max) &&
           set(socket, ZMQ_RECONNECT_IVL, RECONNECT_NEVER) &&
           set(socket, ZMQ_HEARTBEAT_IVL, o->heartbeat_ms) &&
           (o->connect_ms == 0 || set(socket, ZMQ_CONNECT_TIMEOUT, o->connect_ms)) &&
           (o->silence_ms == 0 || set(socket, ZMQ_HEARTBEAT_TIMEOUT, o->silence_ms)) &&
           set(socket, ZMQ_IPV6, o->ipv6_names || strchr(endpoint, '[') != NULL) &&
           zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &message_max, sizeof(message_max)) == 0 &&
           (!encrypted || sw_key_use_as_client(socket, o->key, o->server)) &&
           (dealer->monitor = sw_monitor_open(o->context, socket, ZMQ_EVENT_ALL)) != NULL &&
           zmq_connect(socket, endpoint) == 0;
}

/* Our own ZMTP. On tcp with CURVE, libzmq's thread answers the broker's pings while a program that
 * calls is busy elsewhere. */
static bool open_zmtp(sw_dealer *dealer, const sw_address *address, const sw_dealer_options *o)
{
    sw_curve_keys keys;
    bool good = true;
    dealer->zmtp = sw_zmtp_connect(address, o->message_max, o->unsent_max);
    if (dealer->zmtp == NULL || o->key == NULL)
        return dealer->zmtp != NULL;
    good = sw_key_from_text(o->key->public_key, keys.public_key) &&
           sw_key_from_text(o->key->secret_key, keys.secret_key) &&
           sw_key_from_text(sw_key_server(o->key, o->server), keys.server);
    errno = good ? ENOMEM : EINVAL;
    good = good && sw_zmtp_encrypt(dealer->zmtp, &keys);
    explicit_bzero(&keys, sizeof(keys));
    return good;
}

sw_dealer *sw_dealer_open(const char *endpoint, const sw_dealer_options *o)
{
    sw_address address;
    sw_dealer *dealer = calloc(1, sizeof(*dealer));
    if (dealer == NULL)
        return NULL;
    bool encrypted = o->key != NULL, good;
    bool is_ipc = strncmp(endpoint, "ipc://", 6) == 0;
    if ((!encrypted || is_ipc) && sw_address_parse(endpoint, &address)) {
        good = open_zmtp(dealer, &address, o);
    } else if ((good = open_socket(dealer, endpoint, o, encrypted))) {
        dealer->fd = sw_socket_fd(dealer->socket);
        dealer->monitor_fd = sw_socket_fd(dealer->monitor);
    }
    int error = errno;
    if (!good)
        sw_dealer_close(&dealer, 0);
    errno = error;
    return dealer;
}

void sw_dealer_close(sw_dealer **pointer, int linger_ms)
{
    sw_dealer *dealer = *pointer;
    if (dealer == NULL)
        return;
    sw_zmtp_close(&dealer->zmtp, linger_ms);
    sw_monitor_close(dealer->socket, &dealer->monitor);
    if (dealer->socket != NULL) {
        set(dealer->socket, ZMQ_LINGER, linger_ms);
        zmq_close(dealer->socket);
    }
    free(dealer);
    *pointer = NULL;
}

sw_code sw_dealer_watch(sw_dealer *dealer, sw_loop *loop, bool writable, sw_loop_fn *fn, void *context)
{
    bool unsent = dealer->zmtp != NULL && (sw_zmtp_wants(dealer->zmtp) & POLLOUT) != 0;
    short events = writable || unsent ? ZMQ_POLLIN | ZMQ_POLLOUT : ZMQ_POLLIN;
    if (events == dealer->watched)
        return SW_OK;
    sw_code code = dealer->zmtp != NULL ? sw_loop_fd(loop, sw_zmtp_fd(dealer->zmtp), events, fn, context)
                                        : sw_loop_socket(loop, dealer->socket, events, fn, context);
    if (code == SW_OK && dealer->zmtp == NULL)
        code = sw_loop_fd(loop, dealer->monitor_fd, ZMQ_POLLIN, fn, context);
    if (code != SW_OK)
        return code;
    dealer->loop = loop;
    dealer->watched = events;
    return SW_OK;
}

void sw_dealer_unwatch(sw_dealer *dealer, sw_loop *loop)
{
    dealer->loop = NULL;
    dealer->watched = 0;
    if (dealer->zmtp != NULL) {
        sw_loop_remove_fd(loop, sw_zmtp_fd(dealer->zmtp));
    } else {
        sw_loop_remove_fd(loop, dealer->monitor_fd);
        sw_loop_remove_socket(loop, dealer->socket);
    }
}

void sw_dealer_poll(const sw_dealer *dealer, struct pollfd items[2])
{
    if (dealer->zmtp != NULL) {
        items[0] = (struct pollfd){.fd = sw_zmtp_fd(dealer->zmtp), .events = sw_zmtp_wants(dealer->zmtp)};
        items[1] = (struct pollfd){.fd = -1};
    } else {
        items[0] = (struct pollfd){.fd = dealer->fd, .events = POLLIN};
        items[1] = (struct pollfd){.fd = dealer->monitor_fd, .events = POLLIN};
    }
}

void sw_dealer_work(sw_dealer *dealer)
{
    if (dealer->zmtp != NULL)
        sw_zmtp_work(dealer->zmtp);
}

static sw_zmtp_state state_of(const sw_dealer *dealer, int event, int32_t value)
{
    switch (event) {
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        return SW_ZMTP_UP;
    case ZMQ_EVENT_DISCONNECTED:
        return dealer->up ? SW_ZMTP_LOST : SW_ZMTP_HUNG_UP;
    case ZMQ_EVENT_CLOSED:
    case ZMQ_EVENT_CONNECT_RETRIED:
        return dealer->up ? SW_ZMTP_CONNECTING : SW_ZMTP_UNREACHABLE;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        return SW_ZMTP_HUNG_UP;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        return value == STATUS_REFUSED ? SW_ZMTP_REFUSED : SW_ZMTP_LATER;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        return value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH ? SW_ZMTP_MISMATCH : SW_ZMTP_STRANGER;
    default:
        return SW_ZMTP_CONNECTING;
    }
}

static sw_zmtp_state next_state(sw_dealer *dealer, int *error)
{
    if (dealer->zmtp != NULL) {
        *error = sw_zmtp_errno(dealer->zmtp);
        return sw_zmtp_now(dealer->zmtp);
    }
    int32_t value;
    for (int event; (event = sw_monitor_next(dealer->monitor, &value)) != 0;) {
        sw_zmtp_state state = state_of(dealer, event, value);
        if (state != SW_ZMTP_CONNECTING)
            return state;
    }
    return SW_ZMTP_CONNECTING;
}

sw_zmtp_state sw_dealer_event(sw_dealer *dealer, int *error)
{
    *error = 0;
    sw_zmtp_state state = dealer->over ? SW_ZMTP_CONNECTING : next_state(dealer, error);
    if (state == SW_ZMTP_CONNECTING || (state == SW_ZMTP_UP && dealer->up))
        return SW_ZMTP_CONNECTING;
    if (state == SW_ZMTP_UP)
        dealer->up = true;
    else
        dealer->over = true;
    return state;
}

/* Spares the loop a system call for a socket of libzmq that has just been read to its end. */
static void set_drained(const sw_dealer *dealer, bool drained)
{
    if (dealer->loop != NULL)
        sw_loop_drained(dealer->loop, dealer->socket, drained);
}

int sw_dealer_recv(sw_dealer *dealer, sw_message *message)
{
    if (dealer->zmtp != NULL)
        return sw_zmtp_recv(dealer->zmtp, message);
    int error = sw_message_recv(dealer->socket, message);
    if (error != 0)
        set_drained(dealer, true);
    return error;
}

int sw_dealer_send(sw_dealer *dealer, sw_message *message)
{
    if (dealer->zmtp != NULL)
        return sw_zmtp_send(dealer->zmtp, message);
    set_drained(dealer, false);
    return sw_message_send(dealer->socket, message);
}

bool sw_dealer_is_driven(const sw_dealer *dealer)
{
    return dealer->zmtp != NULL;
}

uint64_t sw_dealer_heard(const sw_dealer *dealer)
{
    return dealer->zmtp == NULL ? 0 : sw_zmtp_heard(dealer->zmtp);
}

void sw_dealer_ping(sw_dealer *dealer)
{
    if (dealer->zmtp != NULL)
        sw_zmtp_ping(dealer->zmtp);
}
