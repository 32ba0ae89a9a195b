/* The counters of the core, which Stats shows: each goes up by one when it should, and only
 * then. */
#include "core_sim.h"

static sw_core_counters counters(void)
{
    return *sw_core_get_counters(core);
}

static void calls_and_replies(void **state)
{
    (void)state;
    uint32_t c = client(0), w = worker(1, "w", 2);
    call(c, 1);
    call_for("unknown", c, 2, 0, 10); /* refused, but a call */
    settle();
    uint64_t route = expect_request(1, 1, 1);
    reply(w, route, false, true); /* no credit: the call is over */
    call(c, 3);
    settle();
    assert_int_equal(counters().calls, 3);
    assert_int_equal(counters().replies, 0);
    assert_int_equal(counters().credit_exceeded, 1);
    reply(w, expect_request(2, 3, 1), true, true);
    settle();
    assert_int_equal(counters().replies, 1);
    assert_int_equal(counters().stale_replies, 0);
}

/* A reply to a call that was answered meanwhile frees its place; it is neither counted nor
 * stale. */
static void late_replies(void **state)
{
    (void)state;
    uint32_t c = client(0), w = worker(1, "w", 1);
    call_for("echo", c, 1, 1000, 10);
    settle();
    uint64_t route = expect_request(0, 1, 1);
    for (int i = 0; i < 14; i++) {
        pass(100 * MS);
        sw_core_worker_seen(core, w, now);
    }
    assert_int_equal(counters().deadlines_exceeded, 1);
    reply(w, route, true, true);
    assert_int_equal(counters().replies, 0);
    assert_int_equal(counters().stale_replies, 0);
    reply(w, route, true, false);
    assert_int_equal(counters().stale_replies, 1);
    assert_int_equal(counters().deadlines_exceeded, 1);
    settle();
}

/* In the queue, found by the timer; and in the queue, found when a worker becomes free. */
static void deadlines(void **state)
{
    (void)state;
    uint32_t c = client(0), w = worker(1, "w", 1);
    call(c, 1);
    call_for("echo", c, 2, 100, 10);
    call_for("echo", c, 3, 300, 10);
    settle();
    uint64_t route = expect_request(0, 1, 1);
    pass(200 * MS);
    assert_int_equal(counters().deadlines_exceeded, 1);
    now += 200 * MS; /* no tick in between */
    reply(w, route, true, true);
    assert_int_equal(counters().deadlines_exceeded, 2);
    settle();
}

static void cancelled(void **state)
{
    (void)state;
    uint32_t c = client(0), w = worker(1, "w", 1);
    call(c, 1);
    call(c, 2);
    call(c, 3);
    sw_core_client_cancel(core, c, 2, now); /* waits */
    assert_int_equal(counters().cancelled, 1);
    sw_core_client_cancel(core, c, 1, now); /* runs */
    sw_core_client_cancel(core, c, 1, now);
    sw_core_client_cancel(core, c, 9, now);
    assert_int_equal(counters().cancelled, 2);
    settle();
    reply(w, expect_request(1, 1, 1), true, true);
    settle();
    call(c, 4);
    sw_core_client_lost(core, c, now); /* with a call that runs and one that waits */
    assert_int_equal(counters().cancelled, 4);
    settle();
}

static void workers_lost(void **state)
{
    (void)state;
    uint32_t c = client(0), idle = worker(1, "idle", 1);
    sw_core_worker_lost(core, idle, now);
    assert_int_equal(counters().workers_lost, 0); /* it ran nothing */
    uint32_t busy = worker(2, "busy", 2);
    call(c, 1);
    call(c, 2);
    settle();
    sw_core_worker_lost(core, busy, now);
    sw_core_worker_lost(core, busy, now);
    assert_int_equal(counters().workers_lost, 1);
    settle();
}

static void credit_exceeded(void **state)
{
    (void)state;
    uint32_t c = client(0), w = worker(1, "w", 1);
    call(c, 1);
    sw_core_client_credit(core, c, 1, 1, now);
    settle();
    uint64_t route = expect_request(0, 1, 1);
    reply(w, route, false, true);
    assert_int_equal(counters().credit_exceeded, 0);
    reply(w, route, false, true);
    reply(w, route, false, true); /* abandoned already */
    assert_int_equal(counters().credit_exceeded, 1);
    settle();
}

/* A call that is refused for another reason is not counted as one that found a queue full. */
static void queue_full(void **state)
{
    (void)state;
    config.client_calls = 1;
    restart();
    uint32_t c = client(0);
    worker(1, "w", 0); /* known, but takes nothing */
    call(c, 1);
    call(c, 1); /* the same id */
    call_for("unknown", c, 2, 0, 10);
    assert_int_equal(counters().queue_full, 0);
    call(c, 3);
    assert_int_equal(counters().queue_full, 1);
    sw_core_drain(core);
    call(c, 4);
    assert_int_equal(counters().queue_full, 1);
    settle();
}

static void plain_dropped(void **state)
{
    (void)state;
    uint32_t c = client(0), w = plain_worker(1, "old");
    call_for("old", c, 0, 0, 10);
    settle();
    uint64_t route = expect_request(0, 0, 1);
    call_for("old", c, 0, 0, 10);
    pass(61 * S); /* the one that waits has no answer */
    assert_int_equal(counters().plain_dropped, 1);
    assert_int_equal(counters().deadlines_exceeded, 1);
    reply(w, route, true, true);
    settle();
    assert_int_equal(counters().plain_dropped, 1);
    assert_int_equal(counters().replies, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(calls_and_replies, begin, end),
        cmocka_unit_test_setup_teardown(late_replies, begin, end),
        cmocka_unit_test_setup_teardown(deadlines, begin, end),
        cmocka_unit_test_setup_teardown(cancelled, begin, end),
        cmocka_unit_test_setup_teardown(workers_lost, begin, end),
        cmocka_unit_test_setup_teardown(credit_exceeded, begin, end),
        cmocka_unit_test_setup_teardown(queue_full, begin, end),
        cmocka_unit_test_setup_teardown(plain_dropped, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
