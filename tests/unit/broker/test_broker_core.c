/* Calls in the broker's core: which worker gets them, in which order, and for how long. */
#include "base/clock.h"
#include "core_sim.h"
#include <stdio.h>
#include <string.h>

static void a_call_and_its_reply(void **state)
{
    (void)state;
    uint32_t c = client(0), w = worker(1, "w", 2);
    assert_int_equal(call(c, 7), 0);
    assert_int_equal(settle(), 1);
    uint64_t route = expect_request(0, 7, 1);
    assert_int_equal(actions[0].time_left_ms, 30000);
    assert_int_equal(sw_core_in_flight(core), 1);
    reply(w, route, true, true);
    assert_int_equal(settle(), 1);
    assert_int_equal(actions[0].kind, SW_ACTION_REPLY);
    assert_int_equal(actions[0].call_id, 7);
    assert_true(actions[0].final);
    assert_int_equal(sw_core_in_flight(core), 0);
    reply(w, route, true, false); /* the route is stale */
    reply(w, route ^ 1, true, false);
    reply(w, 0, true, false);
    reply(w, UINT64_MAX, true, false);
    assert_int_equal(settle(), 0);
    assert_int_equal(sw_core_get_counters(core)->stale_replies, 4);
}

static void a_slot_that_is_used_again_has_another_route(void **state)
{
    (void)state;
    uint32_t c = client(0), w = worker(1, "w", 1);
    call(c, 1);
    settle();
    uint64_t first = actions[0].route;
    reply(w, first, true, true);
    call(c, 2);
    settle();
    uint64_t second = actions[1].route;
    assert_int_equal((uint32_t)first, (uint32_t)second);
    assert_true(first != second);
    reply(w, first, true, false);
    reply(w, second, true, true);
}

static void only_its_worker_answers_a_call(void **state)
{
    (void)state;
    uint32_t c = client(0), w = worker(1, "w", 1);
    call(c, 1);
    settle();
    uint64_t route = actions[0].route;
    uint32_t other = worker(2, "x", 1);
    reply(other, route, true, false);
    reply(w, route, true, true);
}

static void the_share_of_capacity_decides_and_ties_go_round(void **state)
{
    (void)state;
    uint32_t c = client(0);
    worker(1, "small", 10);
    worker(2, "large", 30);
    for (uint64_t i = 1; i <= 40; i++)
        call(c, i);
    assert_int_equal(settle(), 40);
    int to[3] = {0};
    for (size_t i = 0; i < 20; i++) /* about a third at any time */
        to[(char *)actions[i].peer - tokens]++;
    assert_in_range(to[1], 4, 6);
    for (size_t i = 20; i < 40; i++)
        to[(char *)actions[i].peer - tokens]++;
    assert_int_equal(to[1], 10);
    assert_int_equal(to[2], 30);
    restart();
    c = client(0);
    uint32_t w[3];
    char name[2] = "a";
    for (int i = 0; i < 3; i++, name[0]++)
        w[i] = worker(1 + i, name, 5);
    for (uint64_t i = 1; i <= 9; i++) { /* with one in flight, each worker has its turn */
        call(c, i);
        settle();
        long at = (char *)actions[0].peer - tokens - 1;
        assert_int_equal(at, (i - 1) % 3);
        reply(w[at], actions[0].route, true, true);
        settle();
    }
}

static void clients_wait_in_turn(void **state)
{
    (void)state;
    uint32_t flood = client(0), modest = client(1), w = worker(2, "w", 1);
    for (uint64_t i = 1; i <= 1000; i++)
        call(flood, i);
    for (uint64_t i = 1; i <= 3; i++)
        call(modest, i);
    settle();
    uint64_t route = actions[0].route;
    int modest_done = 0;
    for (int i = 0; i < 8; i++) {
        reply(w, route, true, true);
        settle();
        route = expect_request(1, actions[1].call_id, 2);
        modest_done += actions[1].caller == &tokens[1];
    }
    assert_int_equal(modest_done, 3);
}

/* Each bound alone: three calls of 100 bytes are as much as it allows. */
static void each_bound_is_used_up(void **state)
{
    (void)state;
    static const sw_answer answers[] = {SW_ANSWER_CLIENT_FULL,  SW_ANSWER_CLIENT_FULL, SW_ANSWER_SERVICE_FULL,
                                        SW_ANSWER_SERVICE_FULL, SW_ANSWER_BROKER_FULL, SW_ANSWER_BROKER_FULL};
    const sw_core_config before = config;
    for (int i = 0; i < 6; i++) {
        config = before;
        config.client_calls = i == 0 ? 3 : before.client_calls;
        config.client_bytes = i == 1 ? 300 : before.client_bytes;
        config.service_calls = i == 2 ? 3 : before.service_calls;
        config.service_bytes = i == 3 ? 300 : before.service_bytes;
        config.calls = i == 4 ? 3 : before.calls;
        config.bytes = i == 5 ? 300 : before.bytes;
        restart();
        uint32_t c = client(0);
        worker(1, "w", 0); /* known, but takes nothing */
        for (uint64_t id = 1; id <= 3; id++)
            call(c, id);
        assert_int_equal(settle(), 0);
        call_for("echo", c, 4, 0, 1);
        assert_int_equal(settle(), 1);
        expect_answer(0, 4, answers[i]);
    }
}

static void queues_are_bounded(void **state)
{
    (void)state;
    config.client_calls = 10;
    config.service_calls = 15;
    config.client_bytes = 5000;
    config.service_bytes = 8000;
    restart();
    uint32_t a = client(0), b = client(1);
    uint32_t w = worker(3, "w", 0); /* known, but takes nothing */
    for (uint64_t i = 1; i <= 11; i++)
        call(a, i);
    assert_int_equal(settle(), 1);
    expect_answer(0, 11, SW_ANSWER_CLIENT_FULL);
    for (uint64_t i = 1; i <= 6; i++)
        call(b, i);
    assert_int_equal(settle(), 1);
    expect_answer(0, 6, SW_ANSWER_SERVICE_FULL);
    sw_core_client_lost(core, a, now);
    settle();
    call_for("echo", b, 7, 0, 4500);
    assert_int_equal(settle(), 0);
    call_for("echo", b, 8, 0, 1);
    assert_int_equal(settle(), 1);
    expect_answer(0, 8, SW_ANSWER_CLIENT_FULL);
    a = client(0);
    call_for("echo", a, 1, 0, 4000);
    settle();
    expect_answer(0, 1, SW_ANSWER_SERVICE_FULL);
    assert_int_equal(sw_core_get_counters(core)->queue_full, 4);
    assert_true(ready(&w, 3, "w", 100)); /* it has room: all calls are handed over */
    assert_int_equal(settle(), 6);
    call_for("echo", a, 2, 0, 1 << 20); /* a call that need not wait has no bound */
    settle();
    expect_request(0, 2, 3);
}

static void time_over_in_the_queue(void **state)
{
    (void)state;
    uint32_t c = client(0), w = worker(1, "w", 1);
    call(c, 1);
    call_for("echo", c, 2, 100, 10);
    call_for("echo", c, 3, 5000, 10);
    settle();
    uint64_t route = actions[0].route;
    pass(99 * MS);
    assert_int_equal(settle(), 0);
    pass(10 * MS);
    assert_int_equal(settle(), 1);
    expect_answer(0, 2, SW_ANSWER_EXPIRED_QUEUED);
    assert_in_range(actions[0].queue_us, 100 * MS, 110 * MS);
    reply(w, route, true, true);
    settle();
    expect_request(1, 3, 1);
    assert_in_range(actions[1].time_left_ms, 4880, 4900);
}

static void an_expired_call_is_never_handed_over(void **state)
{
    (void)state;
    uint32_t c = client(0), w = worker(1, "w", 1);
    call(c, 1);
    call_for("echo", c, 2, 100, 10);
    call_for("echo", c, 3, 30000, 10);
    settle();
    now += 100 * MS; /* exactly the deadline, without a tick in between */
    reply(w, actions[0].route, true, true);
    assert_int_equal(settle(), 3);
    expect_answer(1, 2, SW_ANSWER_EXPIRED_QUEUED);
    expect_request(2, 3, 1);
}

static void time_over_at_the_worker(void **state)
{
    (void)state;
    uint32_t c = client(0), w = worker(1, "w", 1);
    call_for("echo", c, 1, 1000, 10);
    settle();
    uint64_t route = actions[0].route;
    call_for("echo", c, 2, 60000, 10);
    for (int i = 0; i < 12; i++) {
        pass(100 * MS);
        sw_core_worker_seen(core, w, now);
    }
    for (size_t i = 0; i < settle(); i++)
        assert_int_equal(actions[i].kind, SW_ACTION_HEARTBEAT);
    pass(60 * MS); /* 250 ms and a tick after the deadline */
    settle();
    expect_answer(0, 1, SW_ANSWER_EXPIRED_RUNNING);
    assert_int_equal(actions[1].kind, SW_ACTION_CANCEL);
    assert_int_equal(actions[1].route, route);
    call(c, 1); /* the number is free again */
    settle();
    reply(w, route, true, true); /* late: it is dropped, and makes room */
    assert_int_equal(settle(), 1);
    expect_request(0, 2, 1);
}

static void an_abandoned_place_is_given_back(void **state)
{
    (void)state;
    uint32_t c = client(0), w = worker(1, "w", 1);
    call_for("echo", c, 1, 1000, 10);
    call_for("echo", c, 2, 60000, 10);
    bool handed = false;
    for (int i = 0; i < 320 && !handed; i++) {
        pass(100 * MS);
        sw_core_worker_seen(core, w, now);
        for (size_t k = settle(), j = 0; j < k; j++)
            handed |= i > 0 && actions[j].kind == SW_ACTION_REQUEST;
    }
    assert_true(handed);
    assert_in_range(now, 1031 * S, 1032 * S);
}

static void credit(void **state)
{
    (void)state;
    uint32_t c = client(0), w = worker(1, "w", 1);
    bodies++;
    sw_core_request request = {.client = c,
                               .framing = SW_FRAMING_MDP,
                               .call_id = 1,
                               .credit = 1,
                               .service = SW_VIEW("echo"),
                               .body = &tokens[255]};
    sw_core_client_request(core, &request, now);
    settle();
    uint64_t route = actions[0].route;
    reply(w, route, false, true);
    settle();
    assert_false(actions[0].final);
    sw_core_client_credit(core, c, 1, 70000, now); /* at most 65 535 may be outstanding */
    settle();
    assert_int_equal(actions[0].kind, SW_ACTION_CREDIT);
    assert_int_equal(actions[0].credit, 65535);
    sw_core_client_credit(core, c, 1, 1, now);
    assert_int_equal(settle(), 0);
    for (int i = 0; i < 65535; i++)
        reply(w, route, false, true);
    assert_int_equal(settle(), 65535);
    reply(w, route, false, true); /* one too many */
    settle();
    expect_answer(0, 1, SW_ANSWER_CREDIT);
    assert_int_equal(actions[1].kind, SW_ACTION_CANCEL);
    reply(w, route, true, true);
    assert_int_equal(settle(), 0);
    /* Credit that arrives while the call waits follows it. */
    worker(1, "w2", 0);
    call(c, 2);
    settle();
    bodies++;
    request.call_id = 3;
    request.body = &tokens[255];
    sw_core_client_request(core, &request, now);
    sw_core_client_credit(core, c, 3, 4, now);
    assert_int_equal(settle(), 0);
    sw_core_client_cancel(core, c, 2, now);
    sw_core_worker_lost(core, w, now);
    worker(3, "w3", 1);
    settle();
    bool granted = false;
    for (size_t i = 0; i < action_count; i++)
        granted |= actions[i].kind == SW_ACTION_CREDIT && actions[i].credit == 4 && actions[i].call_id == 3;
    assert_true(granted);
}

static void call_ids(void **state)
{
    (void)state;
    uint32_t a = client(0), b = client(1);
    worker(2, "w", 10);
    call(a, 5);
    call(b, 5); /* each client has call ids of its own */
    call(a, 5);
    assert_int_equal(settle(), 3);
    expect_answer(0, 5, SW_ANSWER_CALL_EXISTS);
    bodies++;
    sw_core_request request = {
        .client = a, .framing = SW_FRAMING_MDP, .service = SW_VIEW("echo"), .body = &tokens[255]};
    sw_core_client_request(core, &request, now);
    settle();
    expect_answer(0, 0, SW_ANSWER_BAD_CALL_ID);
}

/* Only calls that say so are sent elsewhere, whether they come when no worker is there, or wait
 * when the last one goes. */
static void calls_without_a_worker_go_elsewhere(void **state)
{
    (void)state;
    config.grace_ms = 5000;
    restart();
    uint32_t c = client(0);
    assert_int_equal(movable_call(c, 1), 0);
    assert_int_equal(settle(), 1);
    expect_answer(0, 1, SW_ANSWER_ELSEWHERE); /* at once, although the broker has just started */
    assert_int_not_equal(call(c, 2), 0);
    assert_int_equal(settle(), 0);
    uint32_t w = worker(1, "w", 1);
    settle();
    uint64_t route = expect_request(0, 2, 1);
    assert_int_not_equal(movable_call(c, 3), 0); /* a busy worker is waited for */
    assert_int_not_equal(call(c, 4), 0);
    assert_int_equal(settle(), 0);
    assert_true(ready(&w, 1, "w", 0)); /* it drains */
    assert_int_equal(settle(), 1);
    expect_answer(0, 3, SW_ANSWER_ELSEWHERE);
    reply(w, route, true, true);
    assert_true(ready(&w, 1, "w", 1));
    settle();
    expect_request(action_count - 1, 4, 1);
    assert_int_not_equal(movable_call(c, 5), 0);
    assert_int_equal(settle(), 0);
    sw_core_worker_lost(core, w, now);
    assert_int_equal(settle(), 2);
    expect_answer(0, 4, SW_ANSWER_WORKER_LOST);
    expect_answer(1, 5, SW_ANSWER_ELSEWHERE);
    assert_int_equal(movable_call(c, 6), 0); /* the service is known by now */
    assert_int_equal(settle(), 1);
    expect_answer(0, 6, SW_ANSWER_ELSEWHERE);
}

/* Our own services exist, so one that has not come is away; an unknown name may be wrong. */
static void services_that_have_not_come(void **state)
{
    (void)state;
    config.grace_ms = 5000;
    restart();
    uint32_t c = client(0);
    call_for("sitewire.user.v1.Users", c, 1, 0, 100);
    call_for("com.example.Users", c, 2, 0, 100);
    assert_int_equal(settle(), 0);
    pass(6 * S);
    assert_int_equal(settle(), 2);
    expect_answer(0, 1, SW_ANSWER_UNREGISTERED);
    expect_answer(1, 2, SW_ANSWER_UNKNOWN_SERVICE);
    call_for("sitewire.user.v1.Users", c, 3, 0, 100);
    call_for("com.example.Users", c, 4, 0, 100);
    assert_int_equal(settle(), 2);
    expect_answer(0, 3, SW_ANSWER_UNREGISTERED);
    expect_answer(1, 4, SW_ANSWER_UNKNOWN_SERVICE);
}

static void plain_requests_are_not_for_rpc_services(void **state)
{
    (void)state;
    uint32_t c = client(0);
    call_for("echo", c, 0, 0, 10); /* it waits, as the service is unknown */
    assert_int_equal(settle(), 0);
    worker(1, "w", 1);
    settle();
    expect_answer(0, 0, SW_ANSWER_NOT_RPC);
    call_for("echo", c, 0, 0, 10);
    settle();
    expect_answer(0, 0, SW_ANSWER_NOT_RPC);
    call_for("nobody", c, 0, 0, 10);
    pass(61 * S);
    settle();
    for (size_t i = 0; i < action_count; i++)
        assert_int_not_equal(actions[i].kind, SW_ACTION_ANSWER);
    assert_int_equal(sw_core_get_counters(core)->plain_dropped, 1);
}

static void names_that_are_refused(void **state)
{
    (void)state;
    const char *bad[] = {"",           "mmi.service", "@x",   "sitewire.rpc.v1.Health",
                         "with space", "\xff\xfe",    "tab\t"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint32_t number = SW_NONE;
        sw_core_hello hello = {.service_count = 1, .services = {sw_view_of(bad[i])}};
        assert_false(sw_core_worker_ready(core, &number, &hello, &tokens[1], now));
        assert_int_equal(number, SW_NONE);
    }
    uint32_t number = SW_NONE;
    assert_false(ready(&number, 1, "", 1));
    assert_false(ready(&number, 1, "w", 70000));
    assert_true(ready(&number, 1, "w", 1));
    assert_false(ready(&number, 1, "a b", 1)); /* and the worker is forgotten */
    assert_false(sw_core_is_serving(core, SW_VIEW("echo")));
}

static void services_are_bounded(void **state)
{
    (void)state;
    config.services = 20;
    restart();
    uint32_t c = client(0);
    char name[16];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        call_for(name, c, 0, 0, 10);
    }
    settle();
    /* half of the room is kept for workers */
    assert_int_equal(sw_core_get_counters(core)->plain_dropped, 30);
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof(name), "w%d", i);
        plain_worker(10 + i, name);
        settle();
        assert_true(sw_core_is_serving(core, sw_view_of(name)));
    }
    pass(61 * S); /* services without workers and calls are forgotten */
    settle();
    call_for("new", c, 0, 0, 10);
    assert_int_equal(sw_core_get_counters(core)->plain_dropped, 40);
    plain_worker(1, "new");
    settle();
    expect_request(0, 0, 1);
}

/* Random events for a long time: every body must come back, and no forbidden move may happen. */
static void a_busy_day(void **state)
{
    (void)state;
    uint32_t seed = 42, clients[8], workers[6];
    uint64_t routes[512] = {0}, next_id = 1;
    uint32_t of[512] = {0};
    for (int i = 0; i < 8; i++)
        clients[i] = client(i);
    for (int i = 0; i < 6; i++)
        workers[i] = SW_NONE;
    for (int step = 0; step < 200000; step++) {
        seed = seed * 1664525 + 1013904223;
        uint32_t r = seed >> 8, k = (seed >> 3) % 512;
        char name[8];
        snprintf(name, sizeof(name), "w%u", r % 6);
        switch (r / 64 % 16) {
        case 0:
            ready(&workers[r % 6], (int)(16 + r % 6), name, r / 7 % 5);
            break;
        case 1:
            if (r % 11 == 0 && workers[r % 6] != SW_NONE) {
                sw_core_worker_lost(core, workers[r % 6], now);
                workers[r % 6] = SW_NONE;
            }
            break;
        case 2:
            if (r % 13 == 0) {
                sw_core_client_lost(core, clients[r % 8], now);
                settle();
                clients[r % 8] = client((int)(r % 8));
            }
            break;
        case 3:
            sw_core_client_cancel(core, clients[r % 8], next_id - r % 64, now);
            break;
        case 4:
            sw_core_client_credit(core, clients[r % 8], next_id - r % 64, r % 9, now);
            break;
        case 5:
            now += r % 50 * MS;
            sw_core_tick(core, now);
            break;
        case 6:
        case 7:
        case 8:
        case 9:
            bodies++;
            sw_core_worker_reply(core, of[k], routes[k], r % 4 != 0, &tokens[255], now);
            break;
        default:
            call_for("echo", clients[r % 8], next_id++, r % 3000, r % 999);
            break;
        }
        for (int i = 0; i < 6; i++)
            sw_core_worker_seen(core, workers[i], now);
        settle();
        for (size_t i = 0; i < action_count; i++) {
            const sw_action *action = &actions[i];
            long peer = (char *)action->peer - tokens - 16;
            if (action->kind == SW_ACTION_DISCONNECT)
                workers[peer] = SW_NONE;
            if (action->kind != SW_ACTION_REQUEST)
                continue;
            seed = seed * 1664525 + 1013904223;
            if (seed >> 28 == 0) {
                bodies++;
                sw_core_call_undelivered(core, action->route, &tokens[255], now);
                sw_core_worker_lost(core, workers[peer], now);
                workers[peer] = SW_NONE;
                break; /* the rest of this batch has no worker that answers */
            }
            routes[(seed >> 5) % 512] = action->route;
            of[(seed >> 5) % 512] = workers[peer];
        }
    }
    for (int i = 0; i < 8; i++)
        sw_core_client_lost(core, clients[i], now);
    settle();
    pass(40 * S);
    settle();
    assert_int_equal(sw_core_in_flight(core), 0);
}

/* A process that changes its key registers a second time, and the first connection finishes its
 * calls; without the word that it hands over, it would count as lost. */
static void a_worker_hands_over(void **state)
{
    (void)state;
    uint32_t c = client(0), old = worker(1, "w", 10), fresh = SW_NONE;
    settle();
    call(c, 1);
    settle();
    assert_int_equal(actions[0].kind, SW_ACTION_REQUEST);
    uint64_t route = actions[0].route;
    sw_core_hello hello = {.rpc = true,
                           .instance = SW_VIEW("w"),
                           .capacity = 10,
                           .succeeds = true,
                           .service_count = 1,
                           .services = {SW_VIEW("echo")}};
    assert_true(sw_core_worker_ready(core, &fresh, &hello, &tokens[2], now));
    assert_int_equal(settle(), 0); /* nothing is answered, nobody is dismissed */
    call(c, 2);
    call_for("@w", c, 3, 0, 100);
    settle();
    for (int i = 0; i < 2; i++) {
        assert_int_equal(actions[i].kind, SW_ACTION_REQUEST);
        assert_ptr_equal(actions[i].peer, &tokens[2]);
        reply(fresh, actions[i].route, true, true);
    }
    reply(old, route, true, true);
    settle();
    bool dismissed = false;
    for (int i = 0; i < 20 && !dismissed; i++) {
        sw_core_worker_seen(core, old, now);
        sw_core_worker_seen(core, fresh, now);
        pass(config.heartbeat_ms * 1000);
        settle();
        for (size_t k = 0; k < action_count; k++)
            dismissed =
                dismissed || (actions[k].kind == SW_ACTION_DISCONNECT && actions[k].peer == &tokens[1]);
    }
    assert_true(dismissed);
    assert_int_equal(sw_core_get_counters(core)->workers_lost, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_call_and_its_reply, begin, end),
        cmocka_unit_test_setup_teardown(a_slot_that_is_used_again_has_another_route, begin, end),
        cmocka_unit_test_setup_teardown(only_its_worker_answers_a_call, begin, end),
        cmocka_unit_test_setup_teardown(the_share_of_capacity_decides_and_ties_go_round, begin, end),
        cmocka_unit_test_setup_teardown(clients_wait_in_turn, begin, end),
        cmocka_unit_test_setup_teardown(each_bound_is_used_up, begin, end),
        cmocka_unit_test_setup_teardown(queues_are_bounded, begin, end),
        cmocka_unit_test_setup_teardown(time_over_in_the_queue, begin, end),
        cmocka_unit_test_setup_teardown(an_expired_call_is_never_handed_over, begin, end),
        cmocka_unit_test_setup_teardown(time_over_at_the_worker, begin, end),
        cmocka_unit_test_setup_teardown(an_abandoned_place_is_given_back, begin, end),
        cmocka_unit_test_setup_teardown(credit, begin, end),
        cmocka_unit_test_setup_teardown(call_ids, begin, end),
        cmocka_unit_test_setup_teardown(calls_without_a_worker_go_elsewhere, begin, end),
        cmocka_unit_test_setup_teardown(services_that_have_not_come, begin, end),
        cmocka_unit_test_setup_teardown(plain_requests_are_not_for_rpc_services, begin, end),
        cmocka_unit_test_setup_teardown(names_that_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(services_are_bounded, begin, end),
        cmocka_unit_test_setup_teardown(a_worker_hands_over, begin, end),
        cmocka_unit_test_setup_teardown(a_busy_day, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
