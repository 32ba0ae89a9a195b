/* The net layer when memory runs out: each allocation in turn fails. A loop that could not add
 * something still runs what it has. A connection that has no memory for a message ends with ENOMEM,
 * and the peer never sees half a message followed by another. */
#include "base/clock.h"
#include "heap.h"
#include "net/dealer.h"
#include "zmtp_test.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/sw-net-XXXXXX";

/* --- The loop and its timers --- */

#define TIMERS 20
#define IDLERS 3

typedef struct {
    int fds[2];
    void *socket;
    int reads, fired, idled;
} looped;

static void on_readable(void *context, short events)
{
    looped *l = context;
    char byte;
    assert_int_equal(events, ZMQ_POLLIN);
    l->reads += read(l->fds[0], &byte, 1) == 1;
}

static void on_nothing(void *context, short events)
{
    (void)context;
    (void)events;
}

static void on_timer(void *context)
{
    ((looped *)context)->fired++;
}

static void on_idle(void *context)
{
    ((looped *)context)->idled++;
}

/* Adds everything; what memory refused once is accepted the second time. */
static void add_all(sw_loop *loop, looped *l, sw_timer *timers[TIMERS])
{
    sw_code code = sw_loop_fd(loop, l->fds[0], ZMQ_POLLIN, on_readable, l);
    if (code != SW_OK) {
        assert_int_equal(code, SW_RESOURCE_EXHAUSTED);
        assert_int_equal(sw_loop_fd(loop, l->fds[0], ZMQ_POLLIN, on_readable, l), SW_OK);
    }
    if ((code = sw_loop_socket(loop, l->socket, ZMQ_POLLIN, on_nothing, l)) != SW_OK) {
        assert_int_equal(code, SW_RESOURCE_EXHAUSTED);
        assert_int_equal(sw_loop_socket(loop, l->socket, ZMQ_POLLIN, on_nothing, l), SW_OK);
    }
    for (int i = 0; i < TIMERS; i++) {
        if ((timers[i] = sw_loop_timer(loop, on_timer, l)) == NULL)
            timers[i] = sw_loop_timer(loop, on_timer, l);
        assert_non_null(timers[i]);
        sw_timer_start(timers[i], 0);
    }
    for (int i = 0; i < IDLERS; i++)
        if ((code = sw_loop_idle(loop, on_idle, l)) != SW_OK) {
            assert_int_equal(code, SW_RESOURCE_EXHAUSTED);
            assert_int_equal(sw_loop_idle(loop, on_idle, l), SW_OK);
        }
}

static void use_loop(void *context)
{
    looped l = {.socket = context};
    sw_timer *timers[TIMERS];
    sw_loop *loop = sw_loop_new();
    if (loop == NULL)
        return;
    assert_int_equal(pipe2(l.fds, O_CLOEXEC), 0);
    add_all(loop, &l, timers);
    assert_int_equal(write(l.fds[1], "x", 1), 1);
    assert_int_equal(sw_loop_once(loop, PATIENCE_MS, NULL), SW_OK);
    assert_int_equal(l.reads, 1);
    assert_int_equal(l.fired, TIMERS);
    assert_int_equal(l.idled, IDLERS);
    sw_timer_destroy(&timers[7]);
    sw_loop_idle_remove(loop, on_idle, &l);
    sw_loop_remove_socket(loop, l.socket);
    sw_loop_remove_fd(loop, l.fds[0]);
    assert_int_equal(sw_loop_once(loop, 0, NULL), SW_OK);
    assert_int_equal(l.idled, 2 * IDLERS - 1);
    sw_loop_destroy(&loop);
    close(l.fds[0]);
    close(l.fds[1]);
}

static void test_loop(void **state)
{
    (void)state;
    void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_PAIR);
    assert_true(sw_heap_each(use_loop, socket) > 3 + TIMERS + IDLERS);
    zmq_close(socket);
    zmq_ctx_term(context);
}

/* --- ZMTP on a socket pair --- */

#define LARGE  70000 /* bytes of a message that bypasses the buffer */
#define UNREAD 10000 /* bytes of each message that the peer does not read yet */
#define SENT   5

typedef struct {
    int fd;
    sw_zmtp *zmtp;
} pair;

static bool open_pair(pair *p)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int)), 0);
    *p = (pair){.fd = fds[0], .zmtp = sw_zmtp_adopt(fds[1], LARGE, SIZE_MAX)};
    if (p->zmtp != NULL)
        return true;
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(recv(p->fd, &(char){0}, 1, 0), 0); /* the other end is closed */
    close(p->fd);
    return false;
}

static void put(const pair *p, const void *bytes, size_t size)
{
    assert_int_equal(send(p->fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

static void expect_end(const sw_zmtp *zmtp, sw_zmtp_state state)
{
    assert_int_equal(sw_zmtp_now(zmtp), state);
    assert_int_equal(sw_zmtp_errno(zmtp), ENOMEM);
    assert_int_equal(sw_zmtp_wants(zmtp), 0);
}

/* False if there was no memory for the peer's READY: that is no fault of the peer. */
static bool shake_hands(const pair *p)
{
    static const char greeting[64] = "\xff\0\0\0\0\0\0\0\0\x7f\3\1NULL";
    static const char ready[] = "\4\x1c\5READY\13Socket-Type\0\0\0\6ROUTER";
    char said[64 + 43];
    sw_zmtp_work(p->zmtp);
    put(p, greeting, sizeof(greeting));
    put(p, ready, sizeof(ready) - 1);
    if (sw_zmtp_work(p->zmtp) != SW_ZMTP_UP) {
        expect_end(p->zmtp, SW_ZMTP_UNREACHABLE);
        return false;
    }
    assert_int_equal(recv(p->fd, said, sizeof(said), MSG_WAITALL), sizeof(said));
    return true;
}

/* A message of two frames, a PING, and a large one. Returns whether both messages came. */
static bool receive_two(const pair *p)
{
    static const char small[] = "\1\3abc\0\1d\4\7\4PING\0\0";
    static char large[9 + LARGE] = "\2\0\0\0\0\0\1\x11\x70";
    sw_message message;
    int error, count = 0;
    put(p, small, sizeof(small) - 1);
    put(p, large, sizeof(large));
    for (sw_zmtp_work(p->zmtp); count < 2 && (error = sw_zmtp_recv(p->zmtp, &message)) != EPIPE;) {
        if (error == EAGAIN) {
            sw_zmtp_work(p->zmtp);
            continue;
        }
        assert_int_equal(error, 0);
        assert_int_equal(message.count, count == 0 ? 2 : 1);
        assert_int_equal(sw_message_view(&message, message.count - 1).size, count == 0 ? 1 : LARGE);
        sw_message_close(&message);
        count++;
    }
    if (count < 2)
        expect_end(p->zmtp, SW_ZMTP_LOST);
    return count == 2;
}

static size_t read_all(const pair *p, uint8_t *to, size_t capacity)
{
    size_t size = 0;
    for (;;) {
        ssize_t got = recv(p->fd, to + size, capacity - size, MSG_DONTWAIT);
        if (got > 0)
            size += (size_t)got;
        else if (sw_zmtp_wants(p->zmtp) & POLLOUT)
            sw_zmtp_work(p->zmtp);
        else
            return size;
    }
}

/* The peer reads only after all was sent: everything in order, or only the beginning. */
static void send_more_than_fits(const pair *p)
{
    static uint8_t expected[7 + SENT * (9 + UNREAD)], got[sizeof(expected) + 1];
    size_t size = 7;
    memcpy(expected, "\4\5\4PONG", size);
    for (int i = 0; i < SENT; i++, size += 9 + UNREAD) {
        memcpy(expected + size, "\2\0\0\0\0\0\0\x27\x10", 9);
        memset(expected + size + 9, 'a' + i, UNREAD);
        sw_message message = {.count = 0};
        sw_heap_pause();
        assert_true(sw_message_add(&message, expected + size + 9, UNREAD));
        sw_heap_resume();
        int error = sw_zmtp_send(p->zmtp, &message);
        if (error != 0) {
            assert_int_equal(error, EPIPE);
            expect_end(p->zmtp, SW_ZMTP_LOST);
        }
        sw_message_close(&message);
    }
    size_t read = read_all(p, got, sizeof(got));
    assert_memory_equal(got, expected, read);
    if (sw_zmtp_now(p->zmtp) == SW_ZMTP_UP)
        assert_int_equal(read, sizeof(expected));
    else
        expect_end(p->zmtp, SW_ZMTP_LOST);
}

static void use_zmtp(void *context)
{
    pair p;
    (void)context;
    if (!open_pair(&p))
        return;
    if (shake_hands(&p) && receive_two(&p))
        send_more_than_fits(&p);
    sw_zmtp_close(&p.zmtp, 0);
    close(p.fd);
}

/* Connection and buffer, READY, four frames, and room for what waits. */
static void test_zmtp(void **state)
{
    (void)state;
    assert_true(sw_heap_each(use_zmtp, NULL) > 8);
}

/* --- Dealers of all kinds --- */

typedef struct {
    void *context, *router;
    char endpoint[128], key_path[64];
    sw_loop *loop;
    sw_dealer *dealer;
    sw_zmtp_state state; /* the last event */
    int error;
    bool received;
} fixture;

static void on_ready(void *context, short events)
{
    fixture *f = context;
    sw_message message;
    (void)events;
    sw_dealer_work(f->dealer);
    while (sw_dealer_recv(f->dealer, &message) == 0) {
        assert_true(sw_view_equal(sw_message_view(&message, 0), SW_VIEW("hello")));
        f->received = true;
        sw_message_close(&message);
    }
    int error;
    for (sw_zmtp_state event; (event = sw_dealer_event(f->dealer, &error)) != SW_ZMTP_CONNECTING;) {
        f->state = event;
        f->error = error;
    }
    if (f->state > SW_ZMTP_UP)
        sw_dealer_unwatch(f->dealer, f->loop);
    else
        assert_int_equal(sw_dealer_watch(f->dealer, f->loop, false, on_ready, f), SW_OK);
}

static bool open_dealer(fixture *f)
{
    sw_key_file key;
    sw_error error;
    if (f->key_path[0] != '\0') {
        sw_code code = sw_key_file_read(f->key_path, &key, &error);
        assert_int_equal(code, SW_OK);
    }
    sw_dealer_options options = {.context = f->context,
                                 .key = f->key_path[0] != '\0' ? &key : NULL,
                                 .message_max = LARGE,
                                 .unsent_max = SIZE_MAX};
    f->dealer = sw_dealer_open(f->endpoint, &options);
    if (f->dealer == NULL)
        assert_int_equal(errno, ENOMEM);
    return f->dealer != NULL;
}

static void watch(fixture *f)
{
    sw_code code = sw_dealer_watch(f->dealer, f->loop, false, on_ready, f);
    if (code == SW_OK)
        return;
    assert_int_equal(code, SW_RESOURCE_EXHAUSTED);
    assert_int_equal(sw_dealer_watch(f->dealer, f->loop, false, on_ready, f), SW_OK);
}

/* The ROUTER sends back what it gets. No allocation fails there. */
static void echo(const fixture *f)
{
    sw_message message;
    if (sw_message_recv(f->router, &message) == 0)
        assert_int_equal(sw_message_send(f->router, &message), 0);
}

static void say_hello(fixture *f)
{
    sw_message message = {.count = 0};
    if (!sw_message_add(&message, "hello", 5))
        assert_true(sw_message_add(&message, "hello", 5));
    assert_int_equal(sw_dealer_send(f->dealer, &message), 0);
    watch(f);
}

static void use_dealer(void *context)
{
    fixture *f = context;
    bool said = false;
    f->state = SW_ZMTP_CONNECTING;
    f->received = false;
    if (!open_dealer(f))
        return;
    sw_heap_pause();
    f->loop = sw_loop_new();
    sw_heap_resume();
    watch(f);
    for (int64_t end = sw_now_ms() + PATIENCE_MS;
         !f->received && f->state <= SW_ZMTP_UP && sw_now_ms() < end;) {
        assert_int_equal(sw_loop_once(f->loop, 2, NULL), SW_OK);
        if (f->state == SW_ZMTP_UP && !said)
            say_hello(f);
        said |= f->state == SW_ZMTP_UP;
        echo(f);
    }
    if (!f->received) {
        assert_int_equal(f->error, ENOMEM);
        assert_int_equal(f->state, said ? SW_ZMTP_LOST : SW_ZMTP_UNREACHABLE);
    }
    sw_dealer_unwatch(f->dealer, f->loop);
    sw_dealer_close(&f->dealer, 0);
    sw_loop_destroy(&f->loop);
}

static void write_key(fixture *f)
{
    char public_key[SW_KEY_SIZE], secret_key[SW_KEY_SIZE];
    snprintf(f->key_path, sizeof(f->key_path), "%s/key", folder);
    FILE *file = fopen(f->key_path, "w");
    assert_non_null(file);
    assert_int_equal(fchmod(fileno(file), 0600), 0);
    assert_int_equal(zmq_curve_keypair(public_key, secret_key), 0);
    fprintf(file, "public_key = \"%s\"\nsecret_key = \"%s\"\nserver_key = \"%s\"\n", public_key, secret_key,
            public_key);
    fclose(file);
}

static void with_dealer(const char *bind, const char *host, bool encrypted, int runs)
{
    fixture f = {.context = zmq_ctx_new()};
    sw_key_file key;
    size_t size = sizeof(f.endpoint);
    f.router = zmq_socket(f.context, ZMQ_ROUTER);
    zmq_setsockopt(f.router, ZMQ_LINGER, &(int){0}, sizeof(int));
    if (encrypted) {
        write_key(&f);
        assert_int_equal(sw_key_file_read(f.key_path, &key, NULL), SW_OK);
        assert_true(sw_key_use_as_server(f.router, &key, "test"));
    }
    assert_int_equal(zmq_bind(f.router, bind), 0);
    zmq_getsockopt(f.router, ZMQ_LAST_ENDPOINT, f.endpoint, &size);
    if (host != NULL) {
        char port[16];
        snprintf(port, sizeof(port), "%s", strrchr(f.endpoint, ':') + 1);
        snprintf(f.endpoint, sizeof(f.endpoint), "tcp://%s:%s", host, port);
    }
    assert_true(sw_heap_each(use_dealer, &f) > runs);
    zmq_close(f.router);
    zmq_ctx_term(f.context);
    unlink(f.key_path);
}

/* Ours: dealer, connection, buffer, source, READY, and the message on its way out and back. Of
 * libzmq: dealer, two sources and the message. */
static void test_dealers(void **state)
{
    (void)state;
    char ipc[64];
    assert_non_null(mkdtemp(folder));
    snprintf(ipc, sizeof(ipc), "ipc://%s/router", folder);
    with_dealer(ipc, NULL, false, 7);
    with_dealer("tcp://127.0.0.1:*", "127.0.0.1", false, 7);
    with_dealer("tcp://127.0.0.1:*", "localhost", false, 4);
    with_dealer("tcp://127.0.0.1:*", NULL, true, 4);
    unlink(ipc + strlen("ipc://"));
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_loop), cmocka_unit_test(test_zmtp),
                                       cmocka_unit_test(test_dealers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
