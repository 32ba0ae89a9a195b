/* Peers of the broker's core that are late, silent, lost, doubled, or leave. */
#include "core_sim.h"

static void no_worker_in_time(void **state)
{
    (void)state;
    uint32_t c = client(0), w = worker(1, "w", 1);
    sw_core_worker_lost(core, w, now);
    call_for("echo", c, 1, 500, 10);
    assert_int_equal(settle(), 0);
    pass(S);
    settle();
    expect_answer(0, 1, SW_ANSWER_NO_WORKER);
    call_for("other", c, 2, 500, 10);
    settle();
    expect_answer(0, 2, SW_ANSWER_UNKNOWN_SERVICE);
    call_for("@w", c, 3, 500, 10);
    settle();
    expect_answer(0, 3, SW_ANSWER_NO_INSTANCE);
}

static void unknown_services_have_a_grace(void **state)
{
    (void)state;
    config.grace_ms = 5000;
    restart();
    uint32_t c = client(0);
    call(c, 1);
    call_for("never", c, 2, 30000, 10);
    call_for("never", c, 3, 1000, 10);
    call_for("stranger", c, 0, 0, 10);
    pass(2 * S);
    assert_int_equal(settle(), 1);
    expect_answer(0, 3, SW_ANSWER_NO_WORKER);
    worker(1, "w", 1);
    settle();
    expect_request(0, 1, 1);
    pass(4 * S);
    settle();
    bool answered = false;
    for (size_t i = 0; i < action_count; i++)
        if (actions[i].kind == SW_ACTION_ANSWER && actions[i].call_id == 2)
            answered = actions[i].answer == SW_ANSWER_UNKNOWN_SERVICE;
    assert_true(answered);
    plain_worker(2, "stranger"); /* the plain request waits on */
    settle();
    expect_request(0, 0, 2);
}

static void a_lost_worker(void **state)
{
    (void)state;
    uint32_t c = client(0), w = worker(1, "w", 2);
    for (uint64_t i = 1; i <= 3; i++)
        call(c, i);
    settle();
    uint32_t other = SW_NONE;
    sw_core_worker_lost(core, w, now);
    assert_int_equal(settle(), 2);
    expect_answer(0, 2, SW_ANSWER_WORKER_LOST);
    expect_answer(1, 1, SW_ANSWER_WORKER_LOST);
    assert_true(ready(&other, 2, "x", 2)); /* the call that waited goes to the next worker */
    settle();
    expect_request(0, 3, 2);
    sw_core_worker_lost(core, w, now); /* the second time does nothing */
}

static void a_silent_worker(void **state)
{
    (void)state;
    uint32_t c = client(0);
    worker(1, "w", 1);
    call(c, 1);
    settle();
    pass(1990 * MS);
    settle();
    size_t beats = 0;
    for (size_t i = 0; i < action_count; i++)
        beats += actions[i].kind == SW_ACTION_HEARTBEAT;
    assert_int_equal(beats, 3);
    pass(20 * MS);
    settle();
    expect_answer(0, 1, SW_ANSWER_WORKER_LOST);
    assert_int_equal(actions[1].kind, SW_ACTION_DISCONNECT);
}

static void a_suspended_broker_loses_no_worker(void **state)
{
    (void)state;
    worker(1, "w", 1);
    settle();
    now += 60 * S; /* stopped by a debugger */
    sw_core_tick(core, now);
    settle();
    for (size_t i = 0; i < action_count; i++)
        assert_int_not_equal(actions[i].kind, SW_ACTION_DISCONNECT);
    assert_true(sw_core_is_serving(core, SW_VIEW("echo")));
}

static void a_busy_plain_worker_may_be_silent(void **state)
{
    (void)state;
    uint32_t c = client(0), w = plain_worker(1, "old");
    call_for("old", c, 0, 0, 10);
    settle();
    uint64_t route = actions[0].route;
    pass(60 * S);
    settle();
    reply(w, route, true, true);
    settle();
    assert_int_equal(actions[0].kind, SW_ACTION_REPLY);
    pass(11 * S);
    assert_false(sw_core_is_serving(core, SW_VIEW("old")));
}

static void a_restarted_instance_displaces_the_old_one(void **state)
{
    (void)state;
    uint32_t c = client(0);
    worker(1, "w", 1);
    call(c, 1);
    settle();
    worker(2, "w", 1);
    settle();
    expect_answer(0, 1, SW_ANSWER_WORKER_LOST);
    assert_int_equal(actions[1].kind, SW_ACTION_DISCONNECT);
    assert_ptr_equal(actions[1].peer, &tokens[1]);
    call_for("@w", c, 2, 0, 10);
    settle();
    expect_request(0, 2, 2);
}

static void undelivered_calls_go_to_other_workers(void **state)
{
    (void)state;
    uint32_t c = client(0), w = worker(1, "w", 1);
    call(c, 1);
    call(c, 2);
    settle();
    bodies++;
    sw_core_call_undelivered(core, actions[0].route, &tokens[255], now);
    sw_core_worker_lost(core, w, now);
    assert_int_equal(settle(), 0); /* no answer: it has not run */
    worker(2, "x", 1);
    settle();
    expect_request(0, 1, 2); /* before younger calls */
}

/* An undelivered call keeps the credit that was sent after it; a cancelled one is not sent
 * again. */
static void what_follows_an_undelivered_call(void **state)
{
    (void)state;
    uint32_t c = client(0), w = worker(1, "w", 2);
    call(c, 1);
    call(c, 2);
    sw_core_client_credit(core, c, 1, 7, now);
    sw_core_client_cancel(core, c, 2, now);
    settle();
    uint64_t first = actions[0].route, second = actions[1].route;
    bodies += 2;
    sw_core_call_undelivered(core, first, &tokens[254], now);
    sw_core_call_undelivered(core, second, &tokens[255], now);
    sw_core_worker_lost(core, w, now);
    assert_int_equal(settle(), 1);
    expect_answer(0, 2, SW_ANSWER_CANCELLED_QUEUED);
    worker(2, "x", 1);
    assert_int_equal(settle(), 2);
    expect_request(0, 1, 2);
    assert_int_equal(actions[1].kind, SW_ACTION_CREDIT);
    assert_int_equal(actions[1].credit, 7);
}

static void cancelling(void **state)
{
    (void)state;
    uint32_t c = client(0), w = worker(1, "w", 1);
    call(c, 1);
    call(c, 2);
    settle();
    uint64_t route = actions[0].route;
    sw_core_client_cancel(core, c, 2, now);
    sw_core_client_cancel(core, c, 99, now);
    assert_int_equal(settle(), 1);
    expect_answer(0, 2, SW_ANSWER_CANCELLED_QUEUED);
    sw_core_client_cancel(core, c, 1, now);
    sw_core_client_cancel(core, c, 1, now);
    assert_int_equal(settle(), 1); /* the worker is notified once */
    assert_int_equal(actions[0].kind, SW_ACTION_CANCEL);
    reply(w, route, true, true);
    settle();
    assert_int_equal(actions[0].kind, SW_ACTION_REPLY); /* it was faster than the cancellation */
}

static void a_client_that_ends(void **state)
{
    (void)state;
    uint32_t c = client(0), w = worker(1, "w", 1);
    call(c, 1);
    call(c, 2);
    settle();
    uint64_t route = actions[0].route;
    sw_core_client_lost(core, c, now);
    assert_int_equal(settle(), 1);
    assert_int_equal(actions[0].kind, SW_ACTION_CANCEL);
    uint32_t next = client(2);
    call(next, 1);
    assert_int_equal(settle(), 0); /* the place is taken until the worker is done */
    reply(w, route, false, true);
    reply(w, route, true, true);
    assert_int_equal(settle(), 1);
    expect_request(0, 1, 1);
}

static void draining(void **state)
{
    (void)state;
    uint32_t c = client(0), w = worker(1, "w", 1);
    call(c, 1);
    call(c, 2);
    settle();
    uint64_t route = actions[0].route;
    sw_core_drain(core);
    call(c, 3);
    settle();
    expect_answer(0, 3, SW_ANSWER_DRAINING);
    reply(w, route, true, true);
    settle();
    route = expect_request(1, 2, 1); /* waiting calls are still served */
    reply(w, route, true, true);
    assert_int_equal(sw_core_in_flight(core), 0);
}

static void draining_without_workers(void **state)
{
    (void)state;
    uint32_t c = client(0), w = worker(1, "w", 1);
    call(c, 1);
    call(c, 2);
    settle();
    sw_core_drain(core);
    sw_core_tick(core, now);
    assert_int_equal(settle(), 0); /* it waits for the worker */
    sw_core_worker_lost(core, w, now);
    sw_core_tick(core, now);
    settle();
    assert_int_equal(sw_core_in_flight(core), 0); /* but not for another one */
}

static void a_draining_worker_finishes(void **state)
{
    (void)state;
    uint32_t c = client(0), one = worker(1, "one", 4);
    call(c, 1);
    settle();
    uint64_t route = actions[0].route;
    assert_true(ready(&one, 1, "one", 0));
    uint32_t two = worker(2, "two", 4);
    for (uint64_t i = 2; i <= 4; i++)
        call(c, i);
    settle();
    for (size_t i = 0; i < 3; i++)
        expect_request(i, i + 2, 2);
    reply(one, route, true, true);
    sw_core_worker_lost(core, one, now);
    assert_int_equal(settle(), 1);
    assert_int_equal(actions[0].kind, SW_ACTION_REPLY);
    assert_true(two != SW_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_worker_in_time, begin, end),
        cmocka_unit_test_setup_teardown(unknown_services_have_a_grace, begin, end),
        cmocka_unit_test_setup_teardown(a_lost_worker, begin, end),
        cmocka_unit_test_setup_teardown(a_silent_worker, begin, end),
        cmocka_unit_test_setup_teardown(a_suspended_broker_loses_no_worker, begin, end),
        cmocka_unit_test_setup_teardown(a_busy_plain_worker_may_be_silent, begin, end),
        cmocka_unit_test_setup_teardown(a_restarted_instance_displaces_the_old_one, begin, end),
        cmocka_unit_test_setup_teardown(undelivered_calls_go_to_other_workers, begin, end),
        cmocka_unit_test_setup_teardown(what_follows_an_undelivered_call, begin, end),
        cmocka_unit_test_setup_teardown(cancelling, begin, end),
        cmocka_unit_test_setup_teardown(a_client_that_ends, begin, end),
        cmocka_unit_test_setup_teardown(draining, begin, end),
        cmocka_unit_test_setup_teardown(draining_without_workers, begin, end),
        cmocka_unit_test_setup_teardown(a_draining_worker_finishes, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
