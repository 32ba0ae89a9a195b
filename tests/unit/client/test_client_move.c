/* libsitewire with several brokers: it leaves one that cannot serve a call, goes back to one that
 * the list prefers, and spreads clients where that is asked for. */
#include "fake_broker.h"

#include "base/clock.h"
#include "c/client.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CHECK       "/sitewire.referential.v1.Referential/GetCms"
#define REFERENTIAL "sitewire.referential.v1.Referential"
#define PATIENCE_MS 30000

typedef struct seen {
    int calls, finals;
    sw_code code;
    uint32_t tries;
    bool retry_safe;
    char message[SW_ERROR_MESSAGE_SIZE], endpoint[128];
} seen;

static void see(const sw_reply *reply, void *context)
{
    seen *to = context;
    to->calls++;
    to->finals += reply->final;
    to->code = reply->code;
    to->tries = reply->tries;
    to->retry_safe = reply->error != NULL && reply->error->retry_safe;
    snprintf(to->message, sizeof(to->message), "%s", reply->error != NULL ? reply->error->message : "");
    snprintf(to->endpoint, sizeof(to->endpoint), "%s", reply->endpoint);
}

/* Two brokers, and a client that knows both. */
typedef struct pair {
    fake_broker a, b;
    char endpoints[300];
    sw_client *client;
} pair;

static int set_up(void **state)
{
    pair *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    fake_open(&p->a, FAKE_COMPACT);
    fake_open(&p->b, FAKE_COMPACT);
    snprintf(p->endpoints, sizeof(p->endpoints), "%s,%s", p->a.endpoint, p->b.endpoint);
    sw_client_options options = {.size = sizeof(options), .timeout_ms = PATIENCE_MS, .connect_ms = 20000};
    assert_int_equal(sw_client_open(p->endpoints, &options, &p->client, NULL), SW_OK);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    pair *p = *state;
    sw_client_close(&p->client);
    fake_close(&p->a);
    fake_close(&p->b);
    free(p);
    return 0;
}

static void start(pair *p, const sw_call_options *options, seen *to)
{
    assert_int_equal(sw_client_start_bytes(p->client, CHECK, "x", 1, options, see, to, NULL, NULL), SW_OK);
}

static fake_request request; /* the last one; it is large */

/* The broker that has the next request: the other one has none meanwhile. */
static fake_broker *next(pair *p)
{
    for (int64_t end = sw_now_ms() + PATIENCE_MS; sw_now_ms() < end;) {
        if (p->a.socket != NULL && fake_next(&p->a, p->client, &request, 1))
            return &p->a;
        if (p->b.socket != NULL && fake_next(&p->b, p->client, &request, 1))
            return &p->b;
    }
    fail_msg("no request");
    return NULL;
}

static void until_final(pair *p, const seen *what)
{
    for (int64_t end = sw_now_ms() + PATIENCE_MS; what->finals == 0 && sw_now_ms() < end;)
        sw_client_process(p->client, 20);
    assert_int_equal(what->finals, 1);
}

/* One call, answered by the broker that gets it. */
static fake_broker *call(pair *p)
{
    seen one = {0};
    start(p, NULL, &one);
    fake_broker *by = next(p);
    fake_reply(by, &request, "", 0);
    until_final(p, &one);
    assert_int_equal(one.code, SW_OK);
    assert_string_equal(one.endpoint, by->endpoint);
    return by;
}

static void stop_a(pair *p)
{
    fake_stop(&p->a);
    assert_ptr_equal(call(p), &p->b);
}

/* Calls until the broker gets one. */
static void call_until(pair *p, const fake_broker *wanted)
{
    for (int64_t end = sw_now_ms() + PATIENCE_MS; call(p) != wanted;)
        assert_true(sw_now_ms() < end);
}

/* The call goes on to the second broker, and so do the next ones. */
static void leaves_a_broker_without_workers(void **state)
{
    pair *p = *state;
    seen one = {0};
    sw_call_options options = {.size = sizeof(options), .no_retry = true};
    start(p, &options, &one);
    assert_ptr_equal(next(p), &p->a);
    assert_true(request.header.elsewhere);
    fake_elsewhere(&p->a, &request, SW_UNAVAILABLE);
    assert_ptr_equal(next(p), &p->b);
    fake_reply(&p->b, &request, "", 0);
    until_final(p, &one);
    assert_int_equal(one.code, SW_OK);
    assert_int_equal(one.tries, 2);
    assert_ptr_equal(call(p), &p->b);
}

/* Calls that are under way end where they are. */
static void leaves_when_other_calls_are_over(void **state)
{
    pair *p = *state;
    seen one = {0}, two = {0};
    static fake_request first;
    start(p, NULL, &one);
    assert_ptr_equal(next(p), &p->a);
    first = request;
    start(p, NULL, &two);
    assert_ptr_equal(next(p), &p->a);
    int64_t before_ms = sw_now_ms();
    fake_elsewhere(&p->a, &request, SW_UNAVAILABLE);
    while (!p->client->link.held)
        sw_client_process(p->client, 100);
    fake_reply(&p->a, &first, "", 0);
    until_final(p, &one);
    if (sw_now_ms() - before_ms < 900) /* it waits for a second */
        assert_int_equal(one.tries, 1);
    assert_ptr_equal(next(p), &p->b);
    fake_reply(&p->b, &request, "", 0);
    until_final(p, &two);
}

/* No broker has a worker: the call goes round at leisure until its deadline, and has not run. */
static void goes_round_until_the_deadline(void **state)
{
    pair *p = *state;
    seen one = {0};
    sw_call_options options = {.size = sizeof(options), .timeout_ms = 5000, .request_id = NULL};
    int answers = 0;
    int64_t begun_ms = sw_now_ms();
    start(p, &options, &one);
    while (one.finals == 0) {
        fake_broker *of[] = {&p->a, &p->b};
        for (int i = 0; i < 2; i++)
            if (fake_next(of[i], p->client, &request, 2)) {
                fake_elsewhere(of[i], &request, SW_UNAVAILABLE);
                answers++;
            }
        assert_true(sw_now_ms() - begun_ms < PATIENCE_MS);
    }
    assert_int_equal(one.code, SW_UNAVAILABLE);
    assert_string_equal(one.message, "no worker here");
    assert_true(one.retry_safe);
    assert_in_range(answers, 3, 12);
    assert_in_range(p->a.asked + p->b.asked, 2, 12); /* connections */
}

/* A name that no broker knows is wrong; one of them is enough if it is right. */
static void unknown_everywhere(void **state)
{
    pair *p = *state;
    seen one = {0};
    start(p, NULL, &one);
    assert_ptr_equal(next(p), &p->a);
    fake_elsewhere(&p->a, &request, SW_UNIMPLEMENTED);
    assert_ptr_equal(next(p), &p->b);
    fake_elsewhere(&p->b, &request, SW_UNIMPLEMENTED);
    until_final(p, &one);
    assert_int_equal(one.code, SW_UNIMPLEMENTED);
    assert_int_equal(one.tries, 2);
}

/* Back to the first broker of the list, but not before it has what the client uses. */
static void returns_when_the_first_serves(void **state)
{
    pair *p = *state;
    stop_a(p);
    p->a.lacks = true;
    fake_start(&p->a);
    while (p->a.looks < 2) {
        seen one = {0};
        start(p, NULL, &one);
        assert_ptr_equal(next(p), &p->b);
        fake_reply(&p->b, &request, "", 0);
        until_final(p, &one);
    }
    assert_string_equal(p->a.looked_for, REFERENTIAL);
    p->a.lacks = false;
    call_until(p, &p->a);
    assert_ptr_equal(call(p), &p->a);
}

/* A stream is not cut off for that. */
static void a_stream_holds_the_client(void **state)
{
    pair *p = *state;
    stop_a(p);
    seen stream = {0};
    static fake_request streamed;
    sw_call_options options = {.size = sizeof(options), .credit = 5};
    start(p, &options, &stream);
    assert_ptr_equal(next(p), &p->b);
    streamed = request;
    fake_start(&p->a);
    for (int looks = p->a.looks; p->a.looks < looks + 2;)
        assert_ptr_equal(call(p), &p->b);
    fake_send(&p->b, &streamed, false, &(sw_reply_header){0}, "m", 1);
    fake_reply(&p->b, &streamed, "", 0);
    until_final(p, &stream);
    assert_int_equal(stream.code, SW_OK);
    assert_int_equal(stream.calls, 2);
    call_until(p, &p->a);
}

/* The same in a foreign loop. */
static void returns_in_a_foreign_loop(void **state)
{
    pair *p = *state;
    assert_true(sw_client_fd(p->client) >= 0);
    stop_a(p);
    fake_start(&p->a);
    call_until(p, &p->a);
}

static void the_order_follows_from_the_seed(void **state)
{
    (void)state;
    int firsts[3] = {0};
    for (uint64_t seed = 1; seed <= 300; seed++) {
        sw_endpoints one, two;
        assert_int_equal(sw_endpoints_parse(&one, "ipc:///0,ipc:///1,ipc:///2", "X", NULL), SW_OK);
        assert_int_equal(sw_endpoints_parse(&two, "ipc:///0,ipc:///1,ipc:///2", "X", NULL), SW_OK);
        sw_endpoints_shuffle(&one, seed);
        sw_endpoints_shuffle(&two, seed);
        for (int i = 0; i < 3; i++)
            assert_string_equal(one.items[i], two.items[i]);
        firsts[one.items[0][7] - '0']++;
        sw_endpoints_clear(&one);
        sw_endpoints_clear(&two);
    }
    for (int i = 0; i < 3; i++)
        assert_in_range(firsts[i], 60, 140);
}

static void spreads_clients(void **state)
{
    pair *p = *state;
    sw_client_options options = {.size = sizeof(options), .spread = true, .connect_ms = 20000};
    int at_b = 0, all = 40;
    for (int i = 0; i < all; i++) {
        sw_client_close(&p->client);
        assert_int_equal(sw_client_open(p->endpoints, &options, &p->client, NULL), SW_OK);
        at_b += call(p) == &p->b;
    }
    assert_in_range(at_b, 1, all - 1); /* all at one of them: once in 2^39 */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(leaves_a_broker_without_workers),
        TEST(leaves_when_other_calls_are_over),
        TEST(goes_round_until_the_deadline),
        TEST(unknown_everywhere),
        TEST(returns_when_the_first_serves),
        TEST(a_stream_holds_the_client),
        TEST(returns_in_a_foreign_loop),
        cmocka_unit_test(the_order_follows_from_the_seed),
        TEST(spreads_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
