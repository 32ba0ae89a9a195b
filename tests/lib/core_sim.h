/* A simulation around the broker's core: clients, workers and the clock are numbers. Used by the
 * tests of the core. */
#ifndef SW_TESTS_CORE_SIM_H
#define SW_TESTS_CORE_SIM_H

#include "broker/core/core.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define S       1000000 /* a second */
#define MS      1000
#define ACTIONS 65536

static sw_core *core;
static int64_t now;
static sw_action actions[ACTIONS];
static size_t action_count;
static int bodies; /* tokens that the core holds */

/* Collects the actions and counts the bodies that come back. */
static inline size_t settle(void)
{
    sw_action action;
    for (action_count = 0; sw_core_next_action(core, &action);) {
        bodies -= action.body != NULL;
        if (action.kind != SW_ACTION_DISCARD) {
            assert_true(action_count < ACTIONS);
            actions[action_count++] = action;
        }
    }
    return action_count;
}

static inline void pass(int64_t us)
{
    for (int64_t end = now + us; now < end;) {
        int64_t next = sw_core_next_us(core);
        now = next > end ? end : next > now ? next : now + 1;
        sw_core_tick(core, now);
    }
}

static sw_core_config config;

static inline int begin(void **state)
{
    (void)state;
    now = 1000 * S;
    config = sw_core_defaults;
    config.grace_ms = 0;
    core = sw_core_new(&config, 0x1234567890abcdefU, now);
    bodies = 0;
    sw_core_tick(core, now);
    return core == NULL;
}

static inline int end(void **state)
{
    (void)state;
    sw_core_stop(core, now);
    settle();
    int left = bodies;
    sw_core_destroy(&core);
    return left; /* 0: every body came back */
}

static inline void restart(void)
{
    end(NULL);
    core = sw_core_new(&config, 1, now);
    bodies = 0;
    sw_core_tick(core, now);
    settle();
}

static char tokens[256]; /* their addresses stand for peers */

static inline uint32_t client(int token)
{
    return sw_core_client_open(core, &tokens[token]);
}

static inline bool ready(uint32_t *worker, int token, const char *instance, uint32_t capacity)
{
    sw_core_hello hello = {.rpc = true,
                           .compact = true,
                           .instance = sw_view_of(instance),
                           .capacity = capacity,
                           .service_count = 1,
                           .services = {SW_VIEW("echo")}};
    return sw_core_worker_ready(core, worker, &hello, &tokens[token], now);
}

static inline uint32_t worker(int token, const char *instance, uint32_t capacity)
{
    uint32_t number = SW_NONE;
    assert_true(ready(&number, token, instance, capacity));
    return number;
}

static inline uint32_t plain_worker(int token, const char *service)
{
    uint32_t number = SW_NONE;
    sw_core_hello hello = {.service_count = 1, .services = {sw_view_of(service)}};
    assert_true(sw_core_worker_ready(core, &number, &hello, &tokens[token], now));
    return number;
}

static inline uint64_t call_for(const char *service, uint32_t from, uint64_t id, uint32_t time_ms,
                                size_t bytes)
{
    bodies++;
    sw_core_request request = {.client = from,
                               .framing = id == 0 ? SW_FRAMING_PLAIN : SW_FRAMING_COMPACT,
                               .call_id = id,
                               .time_left_ms = time_ms,
                               .service = sw_view_of(service),
                               .body = &tokens[255],
                               .bytes = bytes};
    return sw_core_client_request(core, &request, now);
}

/* The call of a client that can go to another broker. */
static inline uint64_t movable_call(uint32_t from, uint64_t id)
{
    bodies++;
    sw_core_request request = {.client = from,
                               .framing = SW_FRAMING_COMPACT,
                               .call_id = id,
                               .elsewhere = true,
                               .service = SW_VIEW("echo"),
                               .body = &tokens[255],
                               .bytes = 100};
    return sw_core_client_request(core, &request, now);
}

static inline uint64_t call(uint32_t from, uint64_t id)
{
    return call_for("echo", from, id, 0, 100);
}

static inline void reply(uint32_t from, uint64_t route, bool final, bool good)
{
    bodies++;
    assert_int_equal(sw_core_worker_reply(core, from, route, final, &tokens[255], now), good);
}

static inline void expect_answer(size_t at, uint64_t id, sw_answer answer)
{
    assert_true(at < action_count);
    assert_int_equal(actions[at].kind, SW_ACTION_ANSWER);
    assert_int_equal(actions[at].call_id, id);
    assert_int_equal(actions[at].answer, answer);
}

static inline uint64_t expect_request(size_t at, uint64_t id, int token)
{
    assert_true(at < action_count);
    assert_int_equal(actions[at].kind, SW_ACTION_REQUEST);
    assert_int_equal(actions[at].call_id, id);
    assert_ptr_equal(actions[at].peer, &tokens[token]);
    return actions[at].route;
}

#endif
