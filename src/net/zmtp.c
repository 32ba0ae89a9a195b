/* Connect, handshake (greeting and READY) and end of a ZMTP connection. */
#include "net/zmtp_core.h"

#include "base/clock.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define GREETING  64 /* bytes */
#define MECHANISM 12 /* its offset in the greeting */

sw_zmtp_state sw_zmtp_now(const sw_zmtp *zmtp)
{
    return zmtp->state;
}

void sw_zmtp_end(sw_zmtp *zmtp, sw_zmtp_state state)
{
    if (zmtp->state <= SW_ZMTP_UP)
        zmtp->state = state;
}

void sw_zmtp_end_by(sw_zmtp *zmtp, int error)
{
    bool hung_up = zmtp->connected && error != ENOMEM;
    zmtp->error = error;
    sw_zmtp_end(zmtp, zmtp->state == SW_ZMTP_UP ? SW_ZMTP_LOST
                      : hung_up                 ? SW_ZMTP_HUNG_UP
                                                : SW_ZMTP_UNREACHABLE);
}

sw_zmtp *sw_zmtp_adopt(int fd, size_t message_max, size_t unsent_max)
{
    sw_zmtp *zmtp = calloc(1, sizeof(*zmtp));
    if (zmtp == NULL || (zmtp->in = malloc(SW_ZMTP_IN_SIZE)) == NULL) {
        free(zmtp);
        close(fd);
        errno = ENOMEM;
        return NULL;
    }
    zmtp->fd = fd;
    zmtp->message_max = message_max;
    zmtp->unsent_max = unsent_max;
    return zmtp;
}

/* With keepalive, the kernel notices that the peer's machine is gone even while nothing is sent. */
static void set_tcp(int fd)
{
    const struct {
        int level, option, value;
    } settings[] = {{IPPROTO_TCP, TCP_NODELAY, 1},
                    {SOL_SOCKET, SO_KEEPALIVE, 1},
                    {IPPROTO_TCP, TCP_KEEPIDLE, 2},
                    {IPPROTO_TCP, TCP_KEEPINTVL, 2},
                    {IPPROTO_TCP, TCP_KEEPCNT, 3}};
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        setsockopt(fd, settings[i].level, settings[i].option, &settings[i].value, sizeof(int));
}

sw_zmtp *sw_zmtp_connect(const sw_address *address, size_t message_max, size_t unsent_max)
{
    int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sw_zmtp *zmtp = fd < 0 ? NULL : sw_zmtp_adopt(fd, message_max, unsent_max);
    if (zmtp == NULL)
        return NULL;
    if (address->storage.ss_family != AF_UNIX)
        set_tcp(fd);
    /* EAGAIN on a Unix socket: the peer's queue of connections to accept is full. That attempt has
     * failed. */
    if (connect(fd, (const struct sockaddr *)&address->storage, address->size) != 0 && errno != EINPROGRESS &&
        errno != EINTR)
        sw_zmtp_end_by(zmtp, errno);
    return zmtp;
}

bool sw_zmtp_encrypt(sw_zmtp *zmtp, const sw_curve_keys *keys)
{
    if (sodium_init() < 0 || (zmtp->curve = calloc(1, sizeof(*zmtp->curve))) == NULL)
        return false;
    zmtp->curve->keys = *keys;
    return true;
}

/* Reads at the end: a TCP socket that is closed with unread bytes resets the connection, and what
 * it sent may be lost. */
static void linger(sw_zmtp *zmtp, int64_t end_ms)
{
    struct pollfd ready = {.fd = zmtp->fd, .events = POLLOUT};
    for (int64_t left; zmtp->out_begin < zmtp->out_end && (left = end_ms - sw_now_ms()) > 0;) {
        int found = poll(&ready, 1, (int)left);
        if (found > 0)
            sw_zmtp_flush(zmtp);
        else if (found == 0 || errno != EINTR)
            break;
    }
    shutdown(zmtp->fd, SHUT_WR);
    (void)!recv(zmtp->fd, zmtp->in, SW_ZMTP_IN_SIZE, MSG_DONTWAIT);
}

void sw_zmtp_close(sw_zmtp **pointer, int linger_ms)
{
    sw_zmtp *zmtp = *pointer;
    if (zmtp == NULL)
        return;
    if (linger_ms > 0 && zmtp->state == SW_ZMTP_UP)
        linger(zmtp, sw_now_ms() + linger_ms);
    close(zmtp->fd);
    sw_message_close(&zmtp->message);
    if (zmtp->in_frame)
        zmq_msg_close(&zmtp->frame);
    if (zmtp->curve != NULL)
        explicit_bzero(zmtp->curve, sizeof(*zmtp->curve));
    free(zmtp->curve);
    free(zmtp->in);
    free(zmtp->out);
    free(zmtp);
    *pointer = NULL;
}

int sw_zmtp_fd(const sw_zmtp *zmtp)
{
    return zmtp->fd;
}

short sw_zmtp_wants(const sw_zmtp *zmtp)
{
    bool waits = zmtp->out_begin < zmtp->out_end || !zmtp->connected;
    return zmtp->state > SW_ZMTP_UP ? 0 : waits ? POLLIN | POLLOUT : POLLIN;
}

int sw_zmtp_errno(const sw_zmtp *zmtp)
{
    return zmtp->error;
}

uint64_t sw_zmtp_heard(const sw_zmtp *zmtp)
{
    return zmtp->heard;
}

/* --- The handshake --- */

static const char *mechanism_of(const sw_zmtp *zmtp)
{
    return zmtp->curve != NULL ? "CURVE" : "NULL";
}

/* "Version Negotiation": 3.1. */
static void greet(sw_zmtp *zmtp, size_t from, size_t to)
{
    uint8_t greeting[GREETING] = {0xff, [9] = 0x7f, [10] = 3, [11] = 1};
    memcpy(greeting + MECHANISM, mechanism_of(zmtp), strlen(mechanism_of(zmtp)));
    struct iovec part = {greeting + from, to - from};
    sw_zmtp_write(zmtp, &part, 1);
}

/* If nobody listens on a local port, the kernel may choose that very port for our end, and TCP
 * connects to itself. */
static bool is_self(int fd)
{
    struct sockaddr_storage own = {0}, peer = {0};
    socklen_t size = sizeof(own), peer_size = sizeof(peer);
    return getsockname(fd, (struct sockaddr *)&own, &size) == 0 && own.ss_family != AF_UNIX &&
           getpeername(fd, (struct sockaddr *)&peer, &peer_size) == 0 && size == peer_size &&
           memcmp(&own, &peer, size) == 0;
}

static bool finish_connect(sw_zmtp *zmtp)
{
    struct pollfd ready = {.fd = zmtp->fd, .events = POLLOUT};
    int error = 0;
    socklen_t size = sizeof(error);
    if (poll(&ready, 1, 0) <= 0)
        return false;
    if (getsockopt(zmtp->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
        sw_zmtp_end_by(zmtp, error);
        return false;
    }
    if (is_self(zmtp->fd)) {
        sw_zmtp_end_by(zmtp, ECONNREFUSED);
        return false;
    }
    zmtp->connected = true;
    zmtp->heard++;
    /* NULL is named only after the peer has named its mechanism: a peer with another one would hang
     * up without an explanation. CURVE is named first: the broker may wait for it. */
    greet(zmtp, 0, zmtp->curve != NULL ? GREETING : MECHANISM);
    return true;
}

/* "Metadata". The last length ends with the NUL of the text. */
static const char ready[] = "\5READY\13Socket-Type\0\0\0\6DEALER\10Identity\0\0\0";

static void introduce(sw_zmtp *zmtp)
{
    uint8_t hello[SW_CURVE_HELLO];
    if (zmtp->curve == NULL) {
        greet(zmtp, MECHANISM, GREETING);
        sw_zmtp_command(zmtp, ready, sizeof(ready));
    } else if (sw_curve_client_hello(zmtp->curve, hello)) {
        sw_zmtp_command(zmtp, hello, sizeof(hello));
    } else {
        sw_zmtp_end(zmtp, SW_ZMTP_HUNG_UP); /* the same as a key that is not the broker's */
    }
}

static bool take_greeting(sw_zmtp *zmtp)
{
    char mechanism[20] = {0};
    const uint8_t *at = sw_zmtp_need(zmtp, 1);
    if (at != NULL && at[0] != 0xff)
        return sw_zmtp_violated(zmtp);
    if ((at = sw_zmtp_need(zmtp, 11)) != NULL && ((at[9] & 1) == 0 || at[10] < 3))
        return sw_zmtp_violated(zmtp);
    if ((at = sw_zmtp_need(zmtp, GREETING)) == NULL)
        return false;
    memcpy(mechanism, mechanism_of(zmtp), strlen(mechanism_of(zmtp)));
    if (memcmp(at + MECHANISM, mechanism, sizeof(mechanism)) != 0) {
        sw_zmtp_end(zmtp, SW_ZMTP_MISMATCH);
        return false;
    }
    zmtp->in_begin += GREETING;
    zmtp->greeted = true;
    introduce(zmtp);
    return true;
}

/* "The NULL Security Mechanism": properties, each a name after a length of one byte, and a value
 * after a length of four. A broker is a ROUTER. */
static bool is_router(sw_view rest)
{
    while (rest.size > 0) {
        size_t name = (uint8_t)rest.data[0], value = 0;
        if (rest.size < 1 + name + 4)
            return false;
        const char *at = rest.data + 1 + name;
        for (int i = 0; i < 4; i++)
            value = value << 8 | (uint8_t)at[i];
        size_t size = 1 + name + 4 + value;
        if (rest.size < size)
            return false;
        if (name == strlen("Socket-Type") && strncasecmp(rest.data + 1, "Socket-Type", name) == 0)
            return sw_view_equal((sw_view){at + 4, value}, SW_VIEW("ROUTER"));
        rest = (sw_view){rest.data + size, rest.size - size};
    }
    return false;
}

/* Our properties with CURVE. The Identity says that we try again after an ERROR; a ROUTER of libzmq
 * wants it to be unique. */
static size_t write_metadata(uint8_t to[64])
{
    static const char name[] = "sitewire-", digits[] = "0123456789abcdef";
    const size_t head = strlen("\5READY"), size = sizeof(ready) - head, random = 16;
    memcpy(to, ready + head, size);
    memcpy(to + size, name, strlen(name));
    randombytes_buf(to + size + strlen(name), random);
    for (size_t i = size + strlen(name); i < size + strlen(name) + random; i++)
        to[i] = (uint8_t)digits[to[i] & 15];
    to[size - 1] = (uint8_t)(strlen(name) + random);
    return size + strlen(name) + random;
}

static void take_welcome(sw_zmtp *zmtp, sw_view body)
{
    uint8_t metadata[64], initiate[SW_CURVE_INITIATE_MAX];
    size_t size = write_metadata(metadata);
    if (!sw_zmtp_is_command(zmtp, "WELCOME")) {
        sw_zmtp_violated(zmtp);
    } else if (!sw_curve_client_welcome(zmtp->curve, body, (sw_view){(const char *)metadata, size},
                                        initiate)) {
        sw_zmtp_end(zmtp, SW_ZMTP_HUNG_UP); /* it is not the broker that we trust */
    } else {
        zmtp->welcomed = true;
        sw_zmtp_command(zmtp, initiate, SW_CURVE_INITIATE + size);
    }
}

/* Whether it is the READY of a broker. */
static bool is_ready(sw_zmtp *zmtp, sw_view body)
{
    uint8_t metadata[SW_ZMTP_COMMAND_MAX];
    size_t head = strlen("\5READY");
    if (!sw_zmtp_is_command(zmtp, "READY"))
        return false;
    if (zmtp->curve == NULL)
        return is_router((sw_view){body.data + head, body.size - head});
    return sw_curve_client_ready(zmtp->curve, body, metadata) &&
           is_router((sw_view){(const char *)metadata, body.size - SW_CURVE_READY});
}

/* True if there was a command of the handshake. */
static bool take_command(sw_zmtp *zmtp)
{
    if (!sw_zmtp_next_frame(zmtp))
        return false;
    sw_view body = sw_zmtp_body(zmtp);
    if (sw_zmtp_is_command(zmtp, "ERROR"))
        sw_zmtp_end(zmtp, sw_view_equal(body, SW_VIEW("\5ERROR\003400")) ? SW_ZMTP_REFUSED : SW_ZMTP_LATER);
    else if (zmtp->curve != NULL && !zmtp->welcomed)
        take_welcome(zmtp, body);
    else if (is_ready(zmtp, body))
        zmtp->state = SW_ZMTP_UP;
    else
        sw_zmtp_violated(zmtp);
    zmq_msg_close(&zmtp->frame);
    return true;
}

sw_zmtp_state sw_zmtp_work(sw_zmtp *zmtp)
{
    zmtp->may_read = true;
    if (zmtp->connected)
        sw_zmtp_flush(zmtp);
    if (zmtp->state == SW_ZMTP_CONNECTING && (zmtp->connected || finish_connect(zmtp)) &&
        (zmtp->greeted || take_greeting(zmtp)))
        while (zmtp->state == SW_ZMTP_CONNECTING && take_command(zmtp))
            continue;
    return zmtp->state;
}
