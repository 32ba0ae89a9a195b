/* The poll loop: descriptors, ZeroMQ's swallowed edges, removal inside callbacks, timers, idle
 * work. */
#include "base/clock.h"
#include "net/loop.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#define PATIENCE_MS 20000 /* for what must happen; nothing waits this long when all is well */

typedef struct {
    sw_loop *loop;
    void *socket, *other;
    int fd, other_fd, calls;
    short events;
    bool tells; /* the loop when the sockets are drained and used */
} probe;

static void once(sw_loop *loop, int64_t timeout_ms)
{
    sw_error error;
    assert_int_equal(sw_loop_once(loop, timeout_ms, &error), SW_OK);
}

static void on_fd(void *context, short events)
{
    probe *p = context;
    char byte;
    p->calls++;
    p->events = events;
    if (events & ZMQ_POLLIN)
        assert_true(read(p->fd, &byte, 1) >= 0);
}

static void test_descriptor(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    probe p = {.loop = sw_loop_new(), .fd = ends[0]};
    assert_int_equal(sw_loop_fd(p.loop, ends[0], ZMQ_POLLIN, on_fd, &p), SW_OK);
    once(p.loop, 0);
    assert_int_equal(p.calls, 0);
    assert_int_equal(write(ends[1], "ab", 2), 2);
    once(p.loop, PATIENCE_MS);
    once(p.loop, PATIENCE_MS); /* level-triggered: one byte is left */
    assert_int_equal(p.calls, 2);
    assert_int_equal(sw_loop_fd(p.loop, ends[0], 0, on_fd, &p), SW_OK); /* nothing asked */
    assert_int_equal(write(ends[1], "c", 1), 1);
    once(p.loop, 0);
    assert_int_equal(p.calls, 2);
    assert_int_equal(sw_loop_fd(p.loop, ends[0], ZMQ_POLLIN, on_fd, &p), SW_OK);
    once(p.loop, PATIENCE_MS);
    assert_int_equal(p.calls, 3);
    close(ends[1]);
    once(p.loop, PATIENCE_MS); /* the end is readable */
    assert_true(p.events & ZMQ_POLLIN);
    assert_true(p.events & ZMQ_POLLERR);
    sw_loop_remove_fd(p.loop, ends[0]);
    sw_loop_remove_fd(p.loop, ends[0]);
    once(p.loop, 0);
    assert_int_equal(p.calls, 4);
    close(ends[0]);
    assert_int_equal(sw_loop_fd(p.loop, ends[0], ZMQ_POLLIN, on_fd, &p), SW_INVALID_ARGUMENT);
    sw_loop_destroy(&p.loop);
    assert_null(p.loop);
    sw_loop_destroy(&p.loop);
}

static void on_pair(void *context, short events)
{
    probe *p = context;
    (void)events;
    p->calls++;
    sw_loop_remove_fd(p->loop, p->fd);
    sw_loop_remove_fd(p->loop, p->other_fd);
}

static void test_removal_inside(void **state)
{
    (void)state;
    int a[2], b[2];
    assert_int_equal(pipe(a) | pipe(b), 0);
    probe p = {.loop = sw_loop_new(), .fd = a[0], .other_fd = b[0]};
    assert_int_equal(sw_loop_fd(p.loop, a[0], ZMQ_POLLIN, on_pair, &p), SW_OK);
    assert_int_equal(sw_loop_fd(p.loop, b[0], ZMQ_POLLIN, on_pair, &p), SW_OK);
    assert_int_equal(write(a[1], "x", 1) + write(b[1], "x", 1), 2);
    once(p.loop, PATIENCE_MS); /* both are ready, the first one called removes both */
    once(p.loop, 0);
    assert_int_equal(p.calls, 1);
    sw_loop_destroy(&p.loop);
    close(a[0]), close(a[1]), close(b[0]), close(b[1]);
}

static void *bound(void *context, int type, char *endpoint, size_t size)
{
    void *socket = zmq_socket(context, type);
    assert_int_equal(zmq_bind(socket, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &size), 0);
    return socket;
}

static void *connected(void *context, int type, const char *endpoint)
{
    void *socket = zmq_socket(context, type);
    assert_int_equal(zmq_connect(socket, endpoint), 0);
    return socket;
}

/* Reads one message only: more must be called for at once. */
static void on_socket(void *context, short events)
{
    probe *p = context;
    char text[16];
    assert_true(events & ZMQ_POLLIN);
    if (zmq_recv(p->socket, text, sizeof(text), ZMQ_DONTWAIT) >= 0)
        p->calls++;
}

static void until_calls(probe *p, int calls)
{
    int64_t deadline = sw_now_ms() + PATIENCE_MS;
    while (p->calls < calls && sw_now_ms() < deadline)
        once(p->loop, 1000);
    assert_int_equal(p->calls, calls);
}

static void test_socket(void **state)
{
    (void)state;
    char endpoint[64];
    void *context = zmq_ctx_new();
    probe p = {.loop = sw_loop_new()};
    p.socket = bound(context, ZMQ_PAIR, endpoint, sizeof(endpoint));
    p.other = connected(context, ZMQ_PAIR, endpoint);
    assert_int_equal(sw_loop_socket(p.loop, p.socket, ZMQ_POLLIN, on_socket, &p), SW_OK);
    for (int i = 0; i < 5; i++)
        assert_int_equal(zmq_send(p.other, "x", 1, 0), 1);
    until_calls(&p, 5); /* one edge for all of them */

    /* The edge is swallowed by a call that is no receive, before the loop waits. */
    for (int i = 0; i < 100; i++) {
        assert_int_equal(zmq_send(p.other, "x", 1, 0), 1);
        zmq_pollitem_t item = {p.socket, 0, ZMQ_POLLIN, 0};
        assert_int_equal(zmq_poll(&item, 1, PATIENCE_MS), 1);
        int64_t before = sw_now_ms();
        once(p.loop, PATIENCE_MS);
        assert_true(sw_now_ms() - before < PATIENCE_MS);
        assert_int_equal(p.calls, 6 + i);
    }
    sw_loop_remove_socket(p.loop, p.socket);
    assert_int_equal(zmq_send(p.other, "x", 1, 0), 1);
    once(p.loop, 0);
    assert_int_equal(p.calls, 105);
    assert_int_equal(sw_loop_socket(p.loop, NULL, ZMQ_POLLIN, on_socket, &p), SW_INVALID_ARGUMENT);
    zmq_close(p.socket);
    zmq_close(p.other);
    sw_loop_destroy(&p.loop);
    zmq_ctx_term(context);
}

static void on_echo(void *context, short events)
{
    probe *p = context;
    char text[16];
    (void)events;
    for (int size; (size = zmq_recv(p->socket, text, sizeof(text), ZMQ_DONTWAIT)) >= 0; p->calls++) {
        if (p->other == NULL)
            continue;
        if (p->tells)
            sw_loop_drained(p->loop, p->other, false);
        zmq_send(p->other, text, (size_t)size, ZMQ_DONTWAIT);
    }
    if (p->tells)
        sw_loop_drained(p->loop, p->socket, true);
}

/* Messages go round between two sockets of one loop: sends on each from the other's callback. */
static void go_round(bool tells)
{
    char endpoint[64];
    void *context = zmq_ctx_new();
    sw_loop *loop = sw_loop_new();
    probe a = {.loop = loop, .tells = tells}, b = a;
    a.socket = b.other = bound(context, ZMQ_PAIR, endpoint, sizeof(endpoint));
    b.socket = a.other = connected(context, ZMQ_PAIR, endpoint);
    assert_int_equal(sw_loop_socket(loop, a.socket, ZMQ_POLLIN, on_echo, &a), SW_OK);
    assert_int_equal(sw_loop_socket(loop, b.socket, ZMQ_POLLIN, on_echo, &b), SW_OK);
    /* A PAIR sends to its peer: what a receives, it sends on as `other` = b, back to itself. */
    for (int i = 0; i < 10; i++)
        assert_int_equal(zmq_send(a.other, "ball", 4, 0), 4);
    int64_t deadline = sw_now_ms() + 4 * PATIENCE_MS;
    while (a.calls < 20000 && sw_now_ms() < deadline) {
        int before = a.calls;
        int64_t at = sw_now_ms();
        once(loop, PATIENCE_MS);
        if (a.calls == before)
            assert_true(sw_now_ms() - at < PATIENCE_MS); /* a lost edge would be a full wait */
    }
    assert_true(a.calls >= 20000);
    sw_loop_destroy(&loop);
    zmq_close(a.socket);
    zmq_close(b.socket);
    zmq_ctx_term(context);
}

static void test_ring(void **state)
{
    (void)state;
    go_round(false);
    go_round(true);
}

static int64_t now_ms;
static int64_t test_clock(void)
{
    return now_ms * 1000;
}

static struct {
    int order[64], count;
} fired;

static void on_timer(void *context)
{
    fired.order[fired.count++] = (int)(intptr_t)context;
}

static sw_timer *again;
static void on_again(void *context)
{
    (void)context;
    fired.count++;
    sw_timer_start(again, now_ms);
}

static void on_suicide(void *context)
{
    sw_timer_destroy(context);
    fired.count++;
}

static void test_timers(void **state)
{
    (void)state;
    sw_clock_set(test_clock);
    now_ms = 1000;
    sw_loop *loop = sw_loop_new();
    sw_timer *timers[40];
    const int times[] = {7, 3, 9, 1, 5, 5, 8, 2};
    for (int i = 0; i < 40; i++)
        timers[i] = sw_loop_timer(loop, on_timer, (void *)(intptr_t)(times[i % 8] * 10 + i / 8));
    for (int i = 0; i < 40; i++)
        sw_timer_start(timers[i], 1000 + times[i % 8] * 10 + i / 8);
    sw_timer_start(timers[3], SW_NEVER); /* 10 */
    sw_timer_stop(timers[1]);            /* 30 */
    sw_timer_stop(timers[1]);
    sw_timer_start(timers[0], 1000); /* 70, now first */
    sw_timer_destroy(&timers[2]);    /* 90 */
    assert_null(timers[2]);
    fired.count = 0;
    once(loop, 0);
    assert_int_equal(fired.count, 1);
    assert_int_equal(fired.order[0], 70);
    now_ms = 2000;
    once(loop, 0);
    assert_int_equal(fired.count, 37);
    for (int i = 2; i < fired.count; i++)
        assert_true(fired.order[i - 1] <= fired.order[i]);

    again = sw_loop_timer(loop, on_again, NULL);
    sw_timer_start(again, now_ms);
    fired.count = 0;
    once(loop, -1);
    assert_int_equal(fired.count, 1); /* not for ever in one round */
    once(loop, -1);
    assert_int_equal(fired.count, 2);
    sw_timer_stop(again);
    sw_timer *last = sw_loop_timer(loop, on_suicide, &last);
    sw_timer_start(last, now_ms);
    once(loop, -1);
    assert_null(last);
    assert_int_equal(fired.count, 3);
    sw_loop_destroy(&loop);
    sw_clock_set(NULL);
}

static void on_stop(void *context)
{
    sw_loop_stop(context);
}

static void count_idle(void *context)
{
    ++*(int *)context;
}

static void test_run(void **state)
{
    (void)state;
    int idle = 0;
    sw_error error;
    sw_loop *loop = sw_loop_new();
    sw_timer *timer = sw_loop_timer(loop, on_stop, loop);
    int64_t start = sw_now_us();
    sw_timer_start(timer, sw_now_ms() + 20);
    assert_int_equal(sw_loop_idle(loop, count_idle, &idle), SW_OK);
    assert_int_equal(sw_loop_run(loop, &error), SW_OK);
    assert_true(sw_now_us() - start >= 19000);
    assert_in_range(idle, 1, 5); /* it waited, and did not spin */
    sw_loop_destroy(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptor), cmocka_unit_test(test_removal_inside),
        cmocka_unit_test(test_socket),     cmocka_unit_test(test_ring),
        cmocka_unit_test(test_timers),     cmocka_unit_test(test_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
