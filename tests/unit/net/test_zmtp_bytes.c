/* ZMTP of our own against bytes by hand: how they may come, what a peer may not do, and how it
 * ends. */
#include "zmtp_test.h"

#include "base/clock.h"
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define READY "\4\x1c\5READY\13Socket-Type\0\0\0\6ROUTER"

static const char greeting[64] = "\xff\0\0\0\0\0\0\0\0\x7f\3\1NULL";

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
        assert_int_equal(zmtp_decided(p.zmtp), greetings[i].state);
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
        assert_int_equal(zmtp_receive(p.zmtp, &message), 0);
        assert_true(sw_view_equal(sw_message_view(&message, 0), SW_VIEW("good")));
        sw_message_close(&message);
        assert_int_equal(zmtp_receive(p.zmtp, &message), EPIPE);
        assert_int_equal(sw_zmtp_now(p.zmtp), SW_ZMTP_LOST);
        assert_int_equal(sw_zmtp_errno(p.zmtp), EPROTO);
        assert_int_equal(zmtp_receive(p.zmtp, &message), EPIPE);
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
    assert_int_equal(zmtp_receive(p.zmtp, &message), 0);
    assert_true(message.overflow);
    sw_message_close(&message);
    assert_int_equal(zmtp_receive(p.zmtp, &message), 0);
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
    assert_int_equal(zmtp_receive(p.zmtp, &message), 0);
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
        zmtp_add_pattern(&message, 300, (int)sent);
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
    for (int i = 0; i < 100000; i++) /* no pongs pile up for a peer that does not read */
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
        zmtp_add_pattern(&message, 300, (int)i);
        expect(&p, sw_message_view(&message, 0).data, 250);
        expect(&p, sw_message_view(&message, 0).data + 250, 50);
        sw_message_close(&message);
        sw_zmtp_work(p.zmtp);
    }
    assert_int_equal(sw_zmtp_wants(p.zmtp), POLLIN);
    assert_true(sw_zmtp_heard(p.zmtp) > heard + 1); /* that it reads is a sign of life */
    char pong;
    assert_int_equal(recv(p.fd, &pong, 1, MSG_DONTWAIT), -1); /* none of the pings was answered */
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
    zmtp_add_pattern(&message, 10, 1);
    assert_int_equal(sw_zmtp_send(p.zmtp, &message), 0);
    zmtp_add_pattern(&message, 10, 1);
    sw_zmtp_send(p.zmtp, &message);
    sw_message_close(&message);
    char got[8];
    assert_int_equal(recv(p.fd, got, sizeof(got), 0), 0);
    assert_int_equal(zmtp_receive(p.zmtp, &message), 0);
    sw_message_close(&message);
    assert_int_equal(zmtp_receive(p.zmtp, &message), EPIPE);
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
        zmtp_add_pattern(&message, 10, 1);
        if (noticed)
            assert_int_equal(sw_zmtp_send(p.zmtp, &message), 0);
        sw_message_close(&message);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(zmtp_receive(p.zmtp, &message), 0);
            sw_message_close(&message);
        }
        assert_int_equal(zmtp_receive(p.zmtp, &message), EPIPE);
        assert_int_equal(sw_zmtp_now(p.zmtp), SW_ZMTP_LOST);
        close_pair(&p);
    }
}

/* Signals, as a program around us may have them. */
static void on_alarm(int number)
{
    (void)number;
}

static void set_alarms(int every_us)
{
    const struct sigaction action = {.sa_handler = on_alarm};
    const struct timeval every = {0, every_us};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &(struct itimerval){every, every}, NULL);
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
        zmtp_add_pattern(&message, 4000000, 1);
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
        set_alarms(200);
        sw_zmtp_close(&p.zmtp, reads ? PATIENCE_MS : 50);
        set_alarms(0);
        if (!reads)
            assert_in_range(sw_now_ms() - begin, 40, PATIENCE_MS - 1);
        int status = 0;
        if (reads)
            assert_int_equal(waitpid(reader, &status, 0), reader);
        assert_int_equal(status, 0);
        close(p.fd);
    }
}

/* A port that the kernel chose for both ends. */
static void test_self(void **state)
{
    (void)state;
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(own);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&own, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &size), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&own, size), 0);
    sw_zmtp *zmtp = sw_zmtp_adopt(fd, 100, 100);
    assert_int_equal(zmtp_decided(zmtp), SW_ZMTP_UNREACHABLE);
    assert_int_equal(sw_zmtp_errno(zmtp), ECONNREFUSED);
    sw_zmtp_close(&zmtp, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_byte_by_byte), cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_violations),   cmocka_unit_test(test_many_frames),
        cmocka_unit_test(test_pings),        cmocka_unit_test(test_peer_that_does_not_read),
        cmocka_unit_test(test_end),          cmocka_unit_test(test_send_fails),
        cmocka_unit_test(test_linger),       cmocka_unit_test(test_self),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
