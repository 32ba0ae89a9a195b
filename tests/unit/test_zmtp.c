/* ZMTP of our own, against libzmq and against bytes by hand: what goes over it, how it ends, and what a peer may not do. */
#include "wire/zmtp.h"

#include "base/clock.h"
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 10000
#define MESSAGE_MAX (8U << 20)
#define READY       "\4\x1c\5READY\13Socket-Type\0\0\0\6ROUTER"

static const char greeting[64] = "\xff\0\0\0\0\0\0\0\0\x7f\3\1NULL";
static char folder[] = "/tmp/sw-zmtp-XXXXXX";

/* Instead of libc's: fails once with fail_send. */
static int fail_send;

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (fail_send != 0) {
        errno = fail_send;
        fail_send = 0;
        return -1;
    }
    return syscall(SYS_sendmsg, fd, message, flags);
}

/* --- A peer of libzmq --- */

typedef struct peer {
    void *context, *socket;
    char endpoint[128];
} peer;

static void open_peer(peer *p, int type, const char *endpoint, bool curve)
{
    size_t size = sizeof(p->endpoint);
    p->context = zmq_ctx_new();
    p->socket = zmq_socket(p->context, type);
    if (curve) {
        char public_key[41], secret_key[41];
        zmq_curve_keypair(public_key, secret_key);
        zmq_setsockopt(p->socket, ZMQ_CURVE_SERVER, &(int){1}, sizeof(int));
        zmq_setsockopt(p->socket, ZMQ_CURVE_SECRETKEY, secret_key, sizeof(secret_key));
    }
    zmq_setsockopt(p->socket, ZMQ_LINGER, &(int){0}, sizeof(int));
    zmq_setsockopt(p->socket, ZMQ_HEARTBEAT_IVL, &(int){20}, sizeof(int));
    zmq_setsockopt(p->socket, ZMQ_HEARTBEAT_TIMEOUT, &(int){PATIENCE_MS}, sizeof(int));
    assert_int_equal(zmq_bind(p->socket, endpoint), 0);
    zmq_getsockopt(p->socket, ZMQ_LAST_ENDPOINT, p->endpoint, &size);
}

static void close_peer(peer *p)
{
    zmq_close(p->socket);
    zmq_ctx_term(p->context);
}

static const char *ipc(void)
{
    static char endpoint[128];
    static int number;
    snprintf(endpoint, sizeof(endpoint), "ipc://%s/%d", folder, number++);
    return endpoint;
}

static sw_zmtp *connect_to(const char *endpoint)
{
    sw_address address;
    assert_true(sw_address_parse(endpoint, &address));
    sw_zmtp *zmtp = sw_zmtp_connect(&address, MESSAGE_MAX, SIZE_MAX);
    assert_non_null(zmtp);
    return zmtp;
}

static void wait_for(const sw_zmtp *zmtp)
{
    struct pollfd item = {.fd = sw_zmtp_fd(zmtp), .events = sw_zmtp_wants(zmtp)};
    assert_true(poll(&item, 1, PATIENCE_MS) > 0);
}

static sw_zmtp_state until_decided(sw_zmtp *zmtp)
{
    while (sw_zmtp_work(zmtp) == SW_ZMTP_CONNECTING)
        wait_for(zmtp);
    return sw_zmtp_now(zmtp);
}

/* 0 or EPIPE. */
static int receive(sw_zmtp *zmtp, sw_message *message)
{
    int error;
    sw_zmtp_work(zmtp);
    while ((error = sw_zmtp_recv(zmtp, message)) == EAGAIN) {
        wait_for(zmtp);
        sw_zmtp_work(zmtp);
    }
    return error;
}

static void add_pattern(sw_message *message, size_t size, int seed)
{
    uint8_t *bytes = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)((size_t)seed + i * 7 + i / 251);
    assert_true(sw_message_add(message, bytes, size));
    free(bytes);
}

static void check_pattern(const sw_message *message, int index, size_t size, int seed)
{
    sw_view view = sw_message_view(message, index);
    assert_int_equal(view.size, size);
    for (size_t i = 0; i < size; i++)
        if ((uint8_t)view.data[i] != (uint8_t)((size_t)seed + i * 7 + i / 251))
            fail_msg("byte %zu of %zu differs", i, size);
}

/* What the ROUTER got goes back to where it came from. */
static void echo(const peer *p)
{
    sw_message message;
    zmq_pollitem_t item = {.socket = p->socket, .events = ZMQ_POLLIN};
    assert_true(zmq_poll(&item, 1, PATIENCE_MS) > 0);
    assert_int_equal(sw_message_recv(p->socket, &message), 0);
    assert_int_equal(sw_message_send(p->socket, &message), 0);
}

static void exchange(const char *endpoint)
{
    static const size_t sizes[] = {0, 1, 32, 33, 255, 256, 65527, 65536, 65537, 200000, 5000000};
    const int count = sizeof(sizes) / sizeof(sizes[0]);
    peer p;
    open_peer(&p, ZMQ_ROUTER, endpoint, false);
    sw_zmtp *zmtp = connect_to(p.endpoint);
    assert_int_equal(until_decided(zmtp), SW_ZMTP_UP);
    for (int round = 0; round < 2; round++) { /* each size alone, then all in one message */
        for (int i = 0; i < (round == 0 ? count : 1); i++) {
            sw_message message = {.count = 0};
            for (int n = i; n < (round == 0 ? i + 1 : count); n++)
                add_pattern(&message, sizes[n], n);
            assert_int_equal(sw_zmtp_send(zmtp, &message), 0);
            assert_int_equal(message.count, 0);
            for (sw_zmtp_work(zmtp); sw_zmtp_wants(zmtp) & POLLOUT; sw_zmtp_work(zmtp))
                wait_for(zmtp);
            echo(&p);
            assert_int_equal(receive(zmtp, &message), 0);
            assert_int_equal(message.count, round == 0 ? 1 : count);
            for (int n = 0; n < message.count; n++)
                check_pattern(&message, n, sizes[i + n], i + n);
            sw_message_close(&message);
        }
    }
    close_peer(&p);
    sw_message message;
    assert_int_equal(receive(zmtp, &message), EPIPE);
    assert_int_equal(sw_zmtp_now(zmtp), SW_ZMTP_LOST);
    assert_int_equal(sw_zmtp_wants(zmtp), 0);
    sw_zmtp_close(&zmtp, 0);
    assert_null(zmtp);
}

static void test_exchange(void **state)
{
    (void)state;
    exchange(ipc());
    exchange("tcp://127.0.0.1:*");
    char name[64];
    snprintf(name, sizeof(name), "ipc://@sw-zmtp-%d", (int)getpid());
    exchange(name);
}

static void test_what_the_peer_is(void **state)
{
    (void)state;
    static const struct {
        int type;
        bool curve;
        sw_zmtp_state state;
    } peers[] = {{ZMQ_ROUTER, true, SW_ZMTP_MISMATCH}, {ZMQ_PUB, false, SW_ZMTP_STRANGER}};
    for (int i = 0; i < 2; i++) {
        peer p;
        open_peer(&p, peers[i].type, ipc(), peers[i].curve);
        sw_zmtp *zmtp = connect_to(p.endpoint);
        sw_zmtp_state got = until_decided(zmtp);
        /* The PUB may hang up before its READY is out. */
        if (got != peers[i].state && (peers[i].curve || got != SW_ZMTP_HUNG_UP))
            fail_msg("peer %d: state %d", i, got);
        sw_zmtp_close(&zmtp, 0);
        close_peer(&p);
    }
}

static void test_nobody(void **state)
{
    (void)state;
    sw_zmtp *zmtp = connect_to(ipc());
    assert_int_equal(until_decided(zmtp), SW_ZMTP_UNREACHABLE);
    assert_int_equal(sw_zmtp_errno(zmtp), ENOENT);
    sw_zmtp_close(&zmtp, 0);
    peer p;
    open_peer(&p, ZMQ_ROUTER, "tcp://127.0.0.1:*", false);
    close_peer(&p);
    zmtp = connect_to(p.endpoint);
    assert_int_equal(until_decided(zmtp), SW_ZMTP_UNREACHABLE);
    assert_int_equal(sw_zmtp_errno(zmtp), ECONNREFUSED);
    sw_message message = {.count = 0};
    add_pattern(&message, 3, 0);
    assert_int_equal(sw_zmtp_send(zmtp, &message), EPIPE);
    assert_int_equal(message.count, 1); /* still the caller's */
    sw_message_close(&message);
    sw_zmtp_close(&zmtp, 0);
}

static void test_addresses(void **state)
{
    (void)state;
    static const char *const good[] = {"ipc:///a", "ipc://a", "ipc://@a", "tcp://127.0.0.1:1",
                                       "tcp://[::1]:65535"};
    static const char *const bad[] = {"",
                                      "ipc://",
                                      "tcp://",
                                      "tcp://127.0.0.1",
                                      "tcp://:1",
                                      "tcp://h:1",
                                      "tcp://127.0.0.1:",
                                      "tcp://1.2.3.4:1a",
                                      "tcp://1.2.3.4:0",
                                      "tcp://1.2.3.4:65536",
                                      "udp://1.2.3.4:1",
                                      "inproc://a"};
    sw_address address;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(sw_address_parse(good[i], &address));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(sw_address_parse(bad[i], &address));
    char path[200] = "ipc:///";
    memset(path + 7, 'a', 150);
    assert_false(sw_address_parse(path, &address));
}

/* --- A peer by hand --- */

typedef struct pair {
    int fd;
    sw_zmtp *zmtp;
} pair;

static void open_pair(pair *p, size_t message_max, size_t unsent_max)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    p->fd = fds[0];
    p->zmtp = sw_zmtp_adopt(fds[1], message_max, unsent_max);
    assert_non_null(p->zmtp);
    sw_zmtp_work(p->zmtp);
}

static void close_pair(pair *p)
{
    sw_zmtp_close(&p->zmtp, 0);
    close(p->fd);
}

static void put(const pair *p, const void *bytes, size_t size)
{
    assert_int_equal(send(p->fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

#define PUT(p, text) put(p, text, sizeof(text) - 1)

static void expect(const pair *p, const void *bytes, size_t size)
{
    uint8_t got[256];
    assert_true(size <= sizeof(got));
    assert_int_equal(recv(p->fd, got, size, MSG_WAITALL), (ssize_t)size);
    assert_memory_equal(got, bytes, size);
}

static void greet_with(pair *p, const void *ready, size_t size)
{
    put(p, greeting, 64);
    put(p, ready, size);
    sw_zmtp_work(p->zmtp);
}

static void shake_hands(pair *p)
{
    greet_with(p, READY, sizeof(READY) - 1);
    assert_int_equal(sw_zmtp_now(p->zmtp), SW_ZMTP_UP);
    uint8_t said[64 + 43];
    assert_int_equal(recv(p->fd, said, sizeof(said), MSG_WAITALL), sizeof(said));
    assert_memory_equal(said, "\xff\0\0\0\0\0\0\0\0\x7f\3\1NULL\0", 17);
    assert_memory_equal(said + 64, "\4\x29\5READY\13Socket-Type\0\0\0\6DEALER\10Identity\0\0\0", 43);
}

static void test_byte_by_byte(void **state)
{
    (void)state;
    static const char rest[] = READY "\1\3abc\0\1d"
                                     "\0\0"
                                     "\2\0\0\0\0\0\0\0\2xy";
    pair p;
    char all[64 + sizeof(rest) - 1];
    memcpy(all, greeting, 64);
    memcpy(all + 64, rest, sizeof(rest) - 1);
    open_pair(&p, 100, 0);
    static const char *const expected[] = {"abc", "d", "", "xy"};
    int frames = 0;
    sw_message message;
    for (size_t i = 0; i < sizeof(all); i++) {
        put(&p, all + i, 1);
        sw_zmtp_work(p.zmtp);
        assert_int_equal(sw_zmtp_now(p.zmtp),
                         i + 1 < 64 + sizeof(READY) - 1 ? SW_ZMTP_CONNECTING : SW_ZMTP_UP);
        while (sw_zmtp_recv(p.zmtp, &message) == 0) {
            for (int n = 0; n < message.count; n++, frames++)
                assert_true(sw_view_equal(sw_message_view(&message, n),
                                          ((sw_view){expected[frames], strlen(expected[frames])})));
            sw_message_close(&message);
        }
    }
    assert_int_equal(frames, 4);
    close_pair(&p);
}

static void test_strangers(void **state)
{
    (void)state;
    pair p;
    static const struct {
        const char *bytes;
        size_t size;
        sw_zmtp_state state;
    } ready[] = {
        {"\4\x1c\5READY\13Socket-Type\0\0\0\6DEALER", 30, SW_ZMTP_STRANGER},
        {"\4\x1c\5READY\13Socket-Type\0\0\1\6ROUTER", 30, SW_ZMTP_STRANGER}, /* lengths that lie */
        {"\4\x0b\5READY\377a\0\0\0", 13, SW_ZMTP_STRANGER},
        {"\4\x24\5READY\1a\0\0\0\2bc\13SOCKET-TYPE\0\0\0\6ROUTER", 38, SW_ZMTP_UP},
        {"\4\6\5READY", 8, SW_ZMTP_STRANGER},
        {"\4\1\5", 3, SW_ZMTP_STRANGER},
        {"\0\6\5READY", 8, SW_ZMTP_STRANGER}, /* a message before READY */
        {"\4\x0a\5ERROR\3"
         "400",
         12, SW_ZMTP_REFUSED},
        {"\6\0\0\0\0\0\0\4\1", 9, SW_ZMTP_STRANGER}, /* a command that is too long */
        {"\6\xff\xff\xff\xff\xff\xff\xff\xff", 9, SW_ZMTP_STRANGER},
    };
    for (size_t i = 0; i < sizeof(ready) / sizeof(ready[0]); i++) {
        open_pair(&p, 100, 0);
        greet_with(&p, ready[i].bytes, ready[i].size);
        assert_int_equal(sw_zmtp_now(p.zmtp), ready[i].state);
        close_pair(&p);
    }
    static const struct {
        const char *bytes;
        sw_zmtp_state state;
    } greetings[] = {{"HTTP/1.1 400 Bad Request", SW_ZMTP_STRANGER},
                     {"\xff\1\1\1\1\1\1\1\1\x7f\1\1", SW_ZMTP_STRANGER}, /* ZMTP 2.0 */
                     {"\xff\1\1\1\1\1\1\1\1\x40\3\1", SW_ZMTP_STRANGER},
                     {"\xff\1\1", SW_ZMTP_HUNG_UP},
                     {"", SW_ZMTP_HUNG_UP}};
    for (size_t i = 0; i < sizeof(greetings) / sizeof(greetings[0]); i++) {
        open_pair(&p, 100, 0);
        put(&p, greetings[i].bytes, strlen(greetings[i].bytes));
        shutdown(p.fd, SHUT_RDWR);
        assert_int_equal(until_decided(p.zmtp), greetings[i].state);
        sw_message message;
        assert_int_not_equal(sw_zmtp_recv(p.zmtp, &message), 0);
        close_pair(&p);
    }
}

/* Each after one good message, which still arrives, and before one that must not. */
static void test_violations(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {{"\0\x65", 2},                             /* 101 bytes of at most 100 */
               {"\2\xff\xff\xff\xff\xff\xff\xff\xff", 9}, /* 2^64 - 1 */
               {"\x08\1x", 3},                            /* a flag that there is not */
               {"\5\5\4PING", 7},                         /* a command is one frame */
               {"\6\0\0\0\0\0\0\4\1", 9}};                /* a command of 1,025 bytes */
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        pair p;
        sw_message message;
        open_pair(&p, 100, 0);
        shake_hands(&p);
        PUT(&p, "\0\4good");
        put(&p, bad[i].bytes, bad[i].size);
        PUT(&p, "\0\3not");
        assert_int_equal(receive(p.zmtp, &message), 0);
        assert_true(sw_view_equal(sw_message_view(&message, 0), SW_VIEW("good")));
        sw_message_close(&message);
        assert_int_equal(receive(p.zmtp, &message), EPIPE);
        assert_int_equal(sw_zmtp_now(p.zmtp), SW_ZMTP_LOST);
        assert_int_equal(sw_zmtp_errno(p.zmtp), EPROTO);
        assert_int_equal(receive(p.zmtp, &message), EPIPE);
        close_pair(&p);
    }
}

static void test_many_frames(void **state)
{
    (void)state;
    pair p;
    sw_message message;
    open_pair(&p, 100, 0);
    shake_hands(&p);
    char bytes[3 * 1000];
    for (size_t i = 0; i < sizeof(bytes); i += 3)
        memcpy(bytes + i, "\1\1x", 3);
    put(&p, bytes, sizeof(bytes));
    PUT(&p, "\0\1y\0\4next");
    assert_int_equal(receive(p.zmtp, &message), 0);
    assert_true(message.overflow);
    sw_message_close(&message);
    assert_int_equal(receive(p.zmtp, &message), 0);
    assert_false(message.overflow);
    assert_true(sw_view_equal(sw_message_view(&message, 0), SW_VIEW("next")));
    sw_message_close(&message);
    close_pair(&p);
}

static void test_pings(void **state)
{
    (void)state;
    pair p;
    sw_message message;
    open_pair(&p, 100, 0);
    shake_hands(&p);
    uint64_t heard = sw_zmtp_heard(p.zmtp);
    PUT(&p, "\4\7\4PING\0\1");
    PUT(&p, "\4\x0a\4PING\0\1abc");
    PUT(&p, "\4\x1b\4PING\0\1aaaaaaaaaaaaaaaabbbb"); /* 16 bytes of context are all that there may be */
    PUT(&p, "\4\5\4PING");                           /* without a time to live: no answer */
    PUT(&p, "\4\6\5OTHER");
    PUT(&p, "\0\4text");
    assert_int_equal(receive(p.zmtp, &message), 0);
    sw_message_close(&message);
    assert_true(sw_zmtp_heard(p.zmtp) > heard);
    static const char pongs[] = "\4\5\4PONG\4\x08\4PONGabc\4\x15\4PONGaaaaaaaaaaaaaaaa";
    expect(&p, pongs, sizeof(pongs) - 1);
    sw_zmtp_ping(p.zmtp);
    expect(&p, "\4\7\4PING\0\0", 9);
    close_pair(&p);
}

static void test_peer_that_does_not_read(void **state)
{
    (void)state;
    pair p;
    sw_message message;
    open_pair(&p, 100, 100000);
    shake_hands(&p);
    size_t sent = 0, size = 0;
    for (int error = 0; error == 0; sent += error == 0) {
        message.count = 0;
        add_pattern(&message, 300, (int)sent);
        error = sw_zmtp_send(p.zmtp, &message);
        assert_true(error == 0 || error == EAGAIN);
        assert_int_equal(message.count, error != 0);
        sw_message_close(&message);
        size += 309;
        assert_true(size < 4U << 20);
    }
    assert_int_equal(sw_zmtp_wants(p.zmtp), POLLIN | POLLOUT);
    uint64_t heard = sw_zmtp_heard(p.zmtp);
    sw_zmtp_work(p.zmtp);
    assert_int_equal(sw_zmtp_heard(p.zmtp), heard);
    for (int i = 0; i < 100000; i++) /* pongs are not kept for who does not read */
        if (send(p.fd, "\4\7\4PING\0\0", 9, MSG_DONTWAIT | MSG_NOSIGNAL) != 9)
            break;
    for (int i = 0; i < 100; i++) {
        sw_zmtp_work(p.zmtp);
        assert_int_equal(sw_zmtp_recv(p.zmtp, &message), EAGAIN);
    }
    for (size_t i = 0; i < sent; i++) {
        uint8_t head[9];
        assert_int_equal(recv(p.fd, head, 9, MSG_WAITALL), 9);
        assert_memory_equal(head, "\2\0\0\0\0\0\0\1\x2c", 9);
        message.count = 0;
        add_pattern(&message, 300, (int)i);
        expect(&p, sw_message_view(&message, 0).data, 250);
        expect(&p, sw_message_view(&message, 0).data + 250, 50);
        sw_message_close(&message);
        sw_zmtp_work(p.zmtp);
    }
    assert_int_equal(sw_zmtp_wants(p.zmtp), POLLIN);
    assert_true(sw_zmtp_heard(p.zmtp) > heard + 1); /* that it reads is a sign of life */
    close_pair(&p);
}

/* Memory that the kernel has not: nothing may follow what is missing, so the connection ends. */
static void test_send_fails(void **state)
{
    (void)state;
    pair p;
    sw_message message = {.count = 0};
    open_pair(&p, 100, SIZE_MAX);
    shake_hands(&p);
    PUT(&p, "\0\4good");
    fail_send = ENOBUFS;
    add_pattern(&message, 10, 1);
    assert_int_equal(sw_zmtp_send(p.zmtp, &message), 0);
    add_pattern(&message, 10, 1);
    sw_zmtp_send(p.zmtp, &message);
    sw_message_close(&message);
    char got[8];
    assert_int_equal(recv(p.fd, got, sizeof(got), 0), 0);
    assert_int_equal(receive(p.zmtp, &message), 0);
    sw_message_close(&message);
    assert_int_equal(receive(p.zmtp, &message), EPIPE);
    assert_int_equal(sw_zmtp_now(p.zmtp), SW_ZMTP_LOST);
    close_pair(&p);
}

/* What it sent before it went arrives, also where we notice by sending. */
static void test_end(void **state)
{
    (void)state;
    for (int noticed = 0; noticed < 2; noticed++) {
        pair p;
        sw_message message = {.count = 0};
        open_pair(&p, 100, 0);
        shake_hands(&p);
        PUT(&p, "\0\1a\0\1b\1\1c"); /* half a message is none */
        shutdown(p.fd, SHUT_RDWR);
        add_pattern(&message, 10, 1);
        if (noticed)
            assert_int_equal(sw_zmtp_send(p.zmtp, &message), 0);
        sw_message_close(&message);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(receive(p.zmtp, &message), 0);
            sw_message_close(&message);
        }
        assert_int_equal(receive(p.zmtp, &message), EPIPE);
        assert_int_equal(sw_zmtp_now(p.zmtp), SW_ZMTP_LOST);
        close_pair(&p);
    }
}

/* What has not left when it is closed leaves then, or is given up in time. */
static void test_linger(void **state)
{
    (void)state;
    for (int reads = 0; reads < 2; reads++) {
        pair p;
        sw_message message = {.count = 0};
        open_pair(&p, 100, SIZE_MAX);
        shake_hands(&p);
        add_pattern(&message, 4000000, 1);
        assert_int_equal(sw_zmtp_send(p.zmtp, &message), 0);
        assert_int_equal(sw_zmtp_wants(p.zmtp), POLLIN | POLLOUT);
        pid_t reader = reads ? fork() : 0;
        if (reads && reader == 0) {
            static uint8_t some[65536];
            size_t total = 0;
            for (ssize_t got; total < 4000009 && (got = read(p.fd, some, sizeof(some))) > 0;)
                total += (size_t)got;
            _exit(total == 4000009 ? 0 : 1);
        }
        int64_t begin = sw_now_ms();
        sw_zmtp_close(&p.zmtp, reads ? PATIENCE_MS : 50);
        if (!reads)
            assert_in_range(sw_now_ms() - begin, 40, PATIENCE_MS - 1);
        int status = 0;
        if (reads)
            assert_int_equal(waitpid(reader, &status, 0), reader);
        assert_int_equal(status, 0);
        close(p.fd);
    }
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exchange),     cmocka_unit_test(test_what_the_peer_is),
        cmocka_unit_test(test_nobody),       cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_byte_by_byte), cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_violations),   cmocka_unit_test(test_many_frames),
        cmocka_unit_test(test_pings),        cmocka_unit_test(test_peer_that_does_not_read),
        cmocka_unit_test(test_end),          cmocka_unit_test(test_send_fails),
        cmocka_unit_test(test_linger),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
