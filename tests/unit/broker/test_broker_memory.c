/* The broker's core when memory runs out: each allocation in turn fails. Every call is answered
 * once, every body comes back, and the core serves afterwards. The list of actions is the
 * exception: the broker aborts when it cannot grow, so it has room here before anything fails. */
#include "broker/core/state.h"
#include "core_sim.h"
#include "heap.h"
#include <stdlib.h>
#include <string.h>

static int asked, answered; /* calls of a run */

static void collect(void)
{
    settle();
    for (size_t i = 0; i < action_count; i++)
        answered +=
            actions[i].kind == SW_ACTION_ANSWER || (actions[i].kind == SW_ACTION_REPLY && actions[i].final);
}

static void ask(const char *service, uint32_t from, uint64_t id)
{
    if (from == SW_NONE)
        return;
    asked++;
    call_for(service, from, id, 0, 100);
}

static void open_core(void)
{
    sw_heap_pause();
    assert_int_equal(begin(NULL), 0);
    sw_core_action_add(core, SW_ACTION_DISCARD);
    sw_core_action_add(core, SW_ACTION_HEARTBEAT);
    settle();
    asked = answered = 0;
    sw_heap_resume();
}

/* Whatever happened before: the core serves a call from end to end. */
static void expect_service(void)
{
    sw_heap_pause();
    sw_core_hello hello = {.rpc = true,
                           .instance = SW_VIEW("last"),
                           .capacity = 1,
                           .service_count = 1,
                           .services = {SW_VIEW("last")}};
    uint32_t c = client(3), w = SW_NONE;
    assert_true(sw_core_worker_ready(core, &w, &hello, &tokens[4], now));
    ask("last", c, 100);
    settle();
    uint64_t route = expect_request(0, 100, 4);
    reply(w, route, true, true);
    collect();
    sw_heap_resume();
}

static void close_core(void)
{
    sw_core_stop(core, now);
    collect();
    assert_int_equal(answered, asked);
    assert_int_equal(sw_core_in_flight(core), 0);
    assert_int_equal(end(NULL), 0);
}

static void make_core(void *context)
{
    (void)context;
    sw_core *made = sw_core_new(&sw_core_defaults, 1, 1000);
    sw_core_destroy(&made);
    assert_null(made);
}

static void test_new(void **state)
{
    (void)state;
    assert_int_equal(sw_heap_each(make_core, NULL), 2);
}

/* One call runs, three wait, one of them for its instance; one is cancelled; the worker is lost. */
static void lose_a_worker(void *context)
{
    (void)context;
    open_core();
    uint32_t c = client(0), w = SW_NONE;
    bool known = ready(&w, 1, "w", 1);
    assert_int_equal(known, w != SW_NONE);
    for (uint64_t id = 1; id <= 3; id++)
        ask("echo", c, id);
    ask("@w", c, 4);
    collect();
    if (c != SW_NONE) {
        sw_core_client_credit(core, c, 3, 5, now);
        sw_core_client_cancel(core, c, 2, now);
    }
    if (known)
        sw_core_worker_lost(core, w, now);
    collect();
    expect_service();
    close_core();
}

/* A call that could not be sent waits again; a plain request waits for an unknown service; a
 * worker that says READY again with more services is known with all of them, or gone. */
static void deliver_again(void *context)
{
    (void)context;
    open_core();
    uint32_t c = client(0), w = SW_NONE, plain = client(2);
    bool known = ready(&w, 1, "w", 2);
    ask("echo", c, 1);
    settle();
    answered += action_count == 1 && actions[0].kind == SW_ACTION_ANSWER;
    if (action_count == 1 && actions[0].kind == SW_ACTION_REQUEST) {
        bodies++;
        sw_core_call_undelivered(core, actions[0].route, &tokens[255], now);
        collect();
    }
    if (plain != SW_NONE)
        call_for("later", plain, 0, 0, 100);
    sw_core_hello more = {.rpc = true,
                          .instance = SW_VIEW("w"),
                          .capacity = 1,
                          .service_count = 2,
                          .services = {SW_VIEW("echo"), SW_VIEW("more")}};
    if (known && sw_core_worker_ready(core, &w, &more, &tokens[1], now)) {
        assert_true(sw_core_is_serving(core, SW_VIEW("more")));
        assert_true(sw_core_is_serving(core, SW_VIEW("echo")));
    } else {
        assert_int_equal(w, SW_NONE);
        assert_false(sw_core_is_serving(core, SW_VIEW("echo")));
    }
    if (w != SW_NONE)
        sw_core_worker_lost(core, w, now);
    collect();
    expect_service();
    close_core();
}

/* More workers of one service than the first list has room for, and calls that expire. */
static void grow(void *context)
{
    (void)context;
    open_core();
    uint32_t c = client(0), w;
    char name[] = "w0";
    int known = 0;
    for (int i = 0; i < 9; i++, name[1]++) {
        w = SW_NONE;
        known += ready(&w, 10 + i, name, 1);
    }
    assert_in_range(known, 8, 9);
    for (uint64_t id = 1; id <= 30; id++)
        ask("echo", c, id);
    collect();
    pass(40 * S);
    collect();
    expect_service();
    close_core();
}

static void test_cluster(void **state)
{
    (void)state;
    assert_true(sw_heap_each(lose_a_worker, NULL) > 8);
    assert_true(sw_heap_each(deliver_again, NULL) > 8);
    assert_true(sw_heap_each(grow, NULL) > 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_new), cmocka_unit_test(test_cluster)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
