/* Workers in reserve in the broker's core: those that say so, and those whose database server was
 * replaced by another one. */
#include "core_sim.h"
#include <string.h>

static uint32_t number[4] = {SW_NONE, SW_NONE, SW_NONE, SW_NONE};

static void hello(int token, bool reserve, uint64_t database, uint32_t timeline)
{
    const char name[] = {(char)('a' + token), '\0'};
    sw_core_hello hello = {.rpc = true,
                           .compact = true,
                           .instance = sw_view_of(name),
                           .capacity = 2,
                           .reserve = reserve,
                           .database = database,
                           .timeline = timeline,
                           .service_count = 1,
                           .services = {SW_VIEW("echo")}};
    assert_true(sw_core_worker_ready(core, &number[token], &hello, &tokens[token], now));
    settle();
}

static int fresh(void **state)
{
    for (int i = 0; i < 4; i++)
        number[i] = SW_NONE;
    return begin(state);
}

/* A call of its own for each; returns who gets it. */
static int next(uint64_t id)
{
    call(client(9), id);
    for (size_t i = 0, count = settle(); i < count; i++)
        if (actions[i].kind == SW_ACTION_REQUEST && actions[i].call_id == id)
            return (int)((char *)actions[i].peer - tokens);
    return -1;
}

static void reserve_waits_for_nobody_else(void **state)
{
    (void)state;
    hello(1, true, 0, 0);
    assert_int_equal(next(1), 1); /* nobody else serves it */
    hello(2, false, 0, 0);
    assert_int_equal(next(2), 2);
    uint64_t route = actions[0].route;
    assert_int_equal(next(3), 2);
    assert_int_equal(next(4), -1); /* full: it waits, though the other has room */
    reply(number[2], route, true, true);
    settle();
    expect_request(action_count - 1, 4, 2);
    assert_int_equal(next(5), -1);
    sw_core_worker_lost(core, number[2], now); /* what waits goes to the reserve */
    settle();
    expect_request(action_count - 1, 5, 1);
}

static void a_reserve_that_has_room_again_leaves_calls_to_others(void **state)
{
    (void)state;
    hello(1, true, 0, 0);
    assert_int_equal(next(1), 1);
    uint64_t route = actions[0].route;
    hello(2, false, 0, 0);
    assert_int_equal(next(2), 2);
    assert_int_equal(next(3), 2);
    assert_int_equal(next(4), -1);
    reply(number[1], route, true, true);
    settle();
    for (size_t i = 0; i < action_count; i++)
        assert_int_not_equal(actions[i].kind, SW_ACTION_REQUEST);
    hello(1, false, 0, 0); /* it can do everything again */
    assert_int_equal(sw_core_in_flight(core), 3);
    assert_int_equal(next(5), 1);
}

static void an_older_timeline_is_reserve_and_told(void **state)
{
    (void)state;
    hello(1, false, 77, 3);
    assert_int_equal(next(1), 1);
    assert_int_equal(actions[0].timeline, 0);
    hello(2, false, 77, 4);
    hello(3, false, 78, 1); /* another database has timelines of its own */
    int to[4] = {0};
    for (uint64_t id = 2; id <= 5; id++)
        to[next(id)]++;
    assert_int_equal(to[1], 0);
    assert_int_equal(to[2], 2);
    assert_int_equal(to[3], 2);
    sw_core_worker_lost(core, number[2], now);
    sw_core_worker_lost(core, number[3], now);
    settle();
    assert_int_equal(next(6), 1); /* still told, though the newer one is gone */
    assert_true(actions[0].database == 77);
    assert_int_equal(actions[0].timeline, 4);
    sw_core_worker_view view;
    assert_true(sw_core_find_instance(core, SW_VIEW("b"), SW_NONE, &view));
    assert_true(view.reserve);
    hello(1, false, 77, 4); /* it has connected to the new server */
    assert_true(sw_core_find_instance(core, SW_VIEW("b"), SW_NONE, &view));
    assert_false(view.reserve);
}

/* The number of databases that are remembered is bounded. */
static void many_databases(void **state)
{
    (void)state;
    for (uint64_t database = 1; database <= 100; database++)
        hello(1, false, database, 9);
    hello(1, false, 1, 2); /* forgotten since */
    assert_int_equal(next(1), 1);
    assert_int_equal(actions[0].timeline, 0);
    hello(1, false, 100, 8);
    assert_int_equal(next(2), 1);
    assert_int_equal(actions[0].timeline, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reserve_waits_for_nobody_else, fresh, end),
        cmocka_unit_test_setup_teardown(a_reserve_that_has_room_again_leaves_calls_to_others, fresh, end),
        cmocka_unit_test_setup_teardown(an_older_timeline_is_reserve_and_told, fresh, end),
        cmocka_unit_test_setup_teardown(many_databases, fresh, end),
    };
    return cmocka_run_group_tests_name("reserve", tests, NULL, NULL);
}
