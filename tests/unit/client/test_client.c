/* libsitewire against a broker that the test plays: framing, replies of every kind, streams,
 * cancellation and deadlines. */
#include "fake_broker.h"

#include "base/clock.h"
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sitewire/rpc.h>

#define CHECK  "/sitewire.rpc.v1.Health/Check"
#define CREATE "/sitewire.referential.v1.Referential/CreateCms"

/* What a callback saw. */
typedef struct seen {
    int calls, partials;
    sw_code code;
    bool final, retry_safe;
    uint32_t tries;
    size_t size;
    int64_t queue_us;
    char payload[64], message[SW_ERROR_MESSAGE_SIZE], trailer[64], endpoint[128];
} seen;

static void see(const sw_reply *reply, void *context)
{
    seen *to = context;
    to->calls++;
    to->partials += !reply->final;
    to->code = reply->code;
    to->final = reply->final;
    to->tries = reply->tries;
    to->size = reply->payload_size;
    to->queue_us = reply->queue_us;
    snprintf(to->payload, sizeof(to->payload), "%.*s", (int)(reply->payload_size % 60),
             (const char *)reply->payload);
    snprintf(to->message, sizeof(to->message), "%s", reply->error != NULL ? reply->error->message : "");
    snprintf(to->trailer, sizeof(to->trailer), "%s=%s",
             reply->trailer_count > 0 ? reply->trailers[0].key : "",
             reply->trailer_count > 0 ? reply->trailers[0].value : "");
    snprintf(to->endpoint, sizeof(to->endpoint), "%s", reply->endpoint);
    to->retry_safe = reply->error != NULL && reply->error->retry_safe;
}

typedef struct fixture {
    fake_broker fake;
    sw_client *client;
    fake_request request;
} fixture;

static sw_client *open_client(const char *endpoints)
{
    sw_client_options options = {.size = sizeof(options), .timeout_ms = 10000, .connect_ms = 500};
    sw_client *client;
    sw_error error;
    if (sw_client_open(endpoints, &options, &client, &error) != SW_OK)
        fail_msg("%s", error.message);
    return client;
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    fake_open(&f->fake, FAKE_COMPACT);
    f->client = open_client(f->fake.endpoint);
    *state = f;
    return 0;
}

static int set_up_mdp(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    fake_open(&f->fake, FAKE_MDP);
    f->client = open_client(f->fake.endpoint);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    sw_client_close(&f->client);
    assert_null(f->client);
    fake_close(&f->fake);
    free(f);
    return 0;
}

static uint64_t start(fixture *f, const char *method, const char *payload, const sw_call_options *options,
                      seen *to)
{
    uint64_t id = 0;
    sw_error error = {0};
    sw_code code =
        sw_client_start_bytes(f->client, method, payload, strlen(payload), options, see, to, &id, &error);
    if (code != SW_OK)
        fail_msg("%s", error.message);
    return id;
}

static void next(fixture *f)
{
    if (!fake_next(&f->fake, f->client, &f->request, 5000))
        fail_msg("the broker got nothing");
}

/* Lets the client work until it has seen `calls` callbacks. */
static void until(fixture *f, const seen *what, int calls)
{
    int64_t end = sw_now_ms() + 20000;
    while (what->calls < calls && sw_now_ms() < end)
        sw_client_process(f->client, 20);
    assert_int_equal(what->calls, calls);
}

static void until_compact(fixture *f)
{
    for (int i = 0; i < 100; i++) {
        seen one = {0};
        start(f, CHECK, "warm", NULL, &one);
        next(f);
        fake_reply(&f->fake, &f->request, "", 0);
        until(f, &one, 1);
        if (f->request.compact)
            return;
    }
    fail_msg("never compact");
}

static void test_reply(void **state)
{
    fixture *f = *state;
    seen one = {0};
    start(f, CHECK, "hello", NULL, &one);
    next(f);
    assert_memory_equal(f->request.payload, "hello", 5);
    assert_true(sw_view_equal(f->request.header.method, SW_VIEW(CHECK)));
    assert_int_equal(f->request.header.request_id.size, 0); /* read-only */
    assert_in_range(f->request.header.time_left_ms, 9000, 10000);
    sw_reply_header header = {.trailer_count = 1, .timing = {.queue_us = 7}};
    header.trailers[0] = (sw_pair){SW_VIEW("k"), SW_VIEW("v")};
    fake_send(&f->fake, &f->request, true, &header, "world", 5);
    until(f, &one, 1);
    assert_int_equal(one.code, SW_OK);
    assert_true(one.final);
    assert_string_equal(one.payload, "world");
    assert_string_equal(one.trailer, "k=v");
    assert_string_equal(one.endpoint, f->fake.endpoint);
    assert_int_equal(one.queue_us, 7);
    assert_int_equal(one.tries, 1);
    assert_int_equal(sw_client_in_flight(f->client), 0);
}

static void test_compact(void **state)
{
    fixture *f = *state;
    until_compact(f);
    assert_int_equal(f->fake.asked, 1);
    seen one = {0};
    char *large = malloc(100001);
    memset(large, 'x', 100000);
    large[100000] = '\0';
    start(f, CHECK, large, NULL, &one);
    next(f);
    assert_true(f->request.compact);
    assert_int_equal(f->request.payload_size, 100000);
    fake_reply(&f->fake, &f->request, large, 100000);
    until(f, &one, 1);
    assert_int_equal(one.size, 100000);
    free(large);
}

static void test_mdp(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < 3; i++) {
        seen one = {0};
        sw_call_options options = {.size = sizeof(options), .destination = i == 2 ? "@me" : NULL};
        start(f, "Health/Check", "hello", &options, &one);
        next(f);
        assert_false(f->request.compact);
        assert_string_equal(f->request.service, i == 2 ? "@me" : "sitewire.rpc.v1.Health");
        fake_reply(&f->fake, &f->request, "world", 5);
        until(f, &one, 1);
        assert_string_equal(one.payload, "world");
    }
}

static void test_request_id(void **state)
{
    fixture *f = *state;
    seen one = {0}, two = {0};
    char first[37];
    start(f, CREATE, "", NULL, &one);
    next(f);
    assert_int_equal(f->request.header.request_id.size, 36);
    memcpy(first, f->request.header.request_id.data, 36);
    assert_int_equal(first[14], '4');
    fake_fail(&f->fake, &f->request, SW_UNAVAILABLE, 1, -1);
    next(f); /* the same request_id makes the second try safe */
    assert_memory_equal(f->request.header.request_id.data, first, 36);
    fake_reply(&f->fake, &f->request, "", 0);
    until(f, &one, 1);
    assert_int_equal(one.tries, 2);
    sw_call_options options = {.size = sizeof(options), .request_id = "mine"};
    start(f, CREATE, "", &options, &two);
    next(f);
    assert_true(sw_view_equal(f->request.header.request_id, SW_VIEW("mine")));
    fake_reply(&f->fake, &f->request, "", 0);
    until(f, &two, 1);
}

static void test_retries(void **state)
{
    fixture *f = *state;
    static const struct {
        sw_code code;
        int may_have_run, retry_ms;
        bool again;
    } rows[] = {
        {SW_UNAVAILABLE, -1, -1, true},      {SW_UNAVAILABLE, 0, -1, true},
        {SW_RESOURCE_EXHAUSTED, 0, 5, true}, {SW_RESOURCE_EXHAUSTED, 0, -1, false},
        {SW_ABORTED, -1, -1, false},         {SW_ABORTED, 0, -1, true},
        {SW_NOT_FOUND, 0, 5, false},         {SW_INTERNAL, -1, -1, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        seen one = {0};
        start(f, CREATE, "x", NULL, &one);
        next(f);
        fake_fail(&f->fake, &f->request, rows[i].code, rows[i].may_have_run, rows[i].retry_ms);
        if (rows[i].again) {
            next(f);
            fake_reply(&f->fake, &f->request, "", 0);
        }
        until(f, &one, 1);
        assert_int_equal(one.code, rows[i].again ? SW_OK : rows[i].code);
        assert_int_equal(one.tries, rows[i].again ? 2 : 1);
    }
    seen one = {0};
    sw_call_options options = {.size = sizeof(options), .no_retry = true};
    start(f, CHECK, "x", &options, &one);
    next(f);
    fake_fail(&f->fake, &f->request, SW_UNAVAILABLE, -1, -1);
    until(f, &one, 1);
    assert_int_equal(one.code, SW_UNAVAILABLE);
    assert_true(one.retry_safe);
}

/* retry_safe covers every try, not only the last one. */
static void test_earlier_try_may_have_run(void **state)
{
    fixture *f = *state;
    static const struct {
        int first, second;
        bool safe;
    } rows[] = {{1, 0, false}, {-1, 0, false}, {0, 1, false}, {0, 0, true}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        seen one = {0};
        sw_call_options options = {.size = sizeof(options), .timeout_ms = 2000};
        start(f, CREATE, "x", &options, &one);
        next(f);
        fake_fail(&f->fake, &f->request, SW_UNAVAILABLE, rows[i].first, -1);
        next(f);
        fake_fail(&f->fake, &f->request, SW_DEADLINE_EXCEEDED, rows[i].second, -1);
        until(f, &one, 1);
        assert_int_equal(one.code, SW_DEADLINE_EXCEEDED);
        assert_int_equal(one.retry_safe, rows[i].safe);
    }
}

static void test_strange_replies(void **state)
{
    fixture *f = *state;
    until_compact(f);
    seen one = {0}, two = {0};
    start(f, CHECK, "x", NULL, &one);
    next(f);
    fake_request first = f->request;
    const sw_view broken[] = {SW_VIEW("SW\1\3 and then nothing"), SW_VIEW("?")};
    fake_raw(&f->fake, &first, broken, 1);
    fake_raw(&f->fake, &first, broken + 1, 1);
    const sw_view mdp[] = {SW_VIEW(SW_MDP_CLIENT), SW_VIEW("\3"), SW_VIEW("s"), SW_VIEW("\377\377"),
                           SW_VIEW("")};
    fake_raw(&f->fake, &first, mdp, 5);
    sw_view many[40];
    for (int i = 0; i < 40; i++)
        many[i] = SW_VIEW("x");
    fake_raw(&f->fake, &first, many, 40);
    fake_request other = first;
    other.tag += 1; /* nobody's */
    fake_reply(&f->fake, &other, "wrong", 5);
    fake_send(&f->fake, &first, false, &(sw_reply_header){0}, "part", 4); /* not a stream */
    fake_reply(&f->fake, &first, "right", 5);
    fake_reply(&f->fake, &first, "twice", 5);
    until(f, &one, 1);
    assert_string_equal(one.payload, "right");
    /* The slot is used again; the late reply must not reach the new call. */
    start(f, CHECK, "y", NULL, &two);
    next(f);
    assert_int_not_equal(f->request.tag, first.tag);
    fake_reply(&f->fake, &first, "late", 4);
    fake_reply(&f->fake, &f->request, "good", 4);
    until(f, &two, 1);
    assert_string_equal(two.payload, "good");
    assert_int_equal(one.calls, 1);
    /* A header that cannot be decoded ends its call. */
    seen three = {0};
    start(f, CHECK, "z", NULL, &three);
    next(f);
    sw_compact compact = {.command = SW_COMPACT_FINAL, .tag = f->request.tag, .header = SW_VIEW("\377\377")};
    zmq_msg_t frame;
    assert_true(sw_compact_encode(&compact, &frame));
    const sw_view view = {zmq_msg_data(&frame), zmq_msg_size(&frame)};
    fake_raw(&f->fake, &f->request, &view, 1);
    zmq_msg_close(&frame);
    until(f, &three, 1);
    assert_int_equal(three.code, SW_INTERNAL);
}

/* A late reply to the first try must not be taken for that to the second. */
static void test_late_reply_of_first_try(void **state)
{
    fixture *f = *state;
    seen one = {0};
    start(f, CHECK, "x", NULL, &one);
    next(f);
    fake_request first = f->request;
    fake_fail(&f->fake, &first, SW_UNAVAILABLE, 0, -1);
    next(f);
    assert_int_not_equal(f->request.tag, first.tag);
    fake_fail(&f->fake, &first, SW_NOT_FOUND, -1, -1);
    fake_reply(&f->fake, &f->request, "good", 4);
    until(f, &one, 1);
    assert_string_equal(one.payload, "good");
}

static void test_stream(void **state)
{
    fixture *f = *state;
    seen one = {0};
    sw_call_options options = {.size = sizeof(options), .credit = 2};
    uint64_t id = start(f, "/sitewire.rpc.v1.Health/Watch", "", &options, &one);
    next(f);
    assert_int_equal(f->request.header.credit, 2);
    fake_request stream = f->request;
    fake_send(&f->fake, &stream, false, &(sw_reply_header){0}, "a", 1);
    fake_send(&f->fake, &stream, false, &(sw_reply_header){0}, "b", 1);
    until(f, &one, 2);
    assert_int_equal(one.partials, 2);
    assert_string_equal(one.payload, "b");
    sw_client_credit(f->client, id, 3);
    next(f);
    assert_int_equal(f->request.command, 0x11);
    assert_int_equal(f->request.header.credit, 3);
    assert_int_equal(f->request.tag, stream.tag);
    fake_send(&f->fake, &stream, false, &(sw_reply_header){0}, "c", 1);
    fake_reply(&f->fake, &stream, "", 0);
    until(f, &one, 4);
    assert_true(one.final);
    assert_int_equal(one.partials, 3);
    assert_int_equal(sw_client_in_flight(f->client), 0);
}

static void test_cancel(void **state)
{
    fixture *f = *state;
    seen one = {0}, two = {0};
    uint64_t id = start(f, CHECK, "x", NULL, &one);
    next(f);
    fake_request call = f->request;
    sw_client_cancel(f->client, id);
    assert_int_equal(one.calls, 0); /* only from sw_client_process */
    next(f);
    assert_int_equal(f->request.command, 0x10);
    assert_int_equal(f->request.tag, call.tag);
    fake_fail(&f->fake, &call, SW_CANCELLED, 0, -1);
    until(f, &one, 1);
    assert_int_equal(one.code, SW_CANCELLED);
    /* A broker that does not answer to CANCEL does not hold up the call. */
    id = start(f, CHECK, "x", NULL, &two);
    next(f);
    sw_client_cancel(f->client, id);
    until(f, &two, 1);
    assert_int_equal(two.code, SW_CANCELLED);
    sw_client_cancel(f->client, id); /* over: does nothing */
    sw_client_cancel(f->client, 12345);
}

static void test_deadline(void **state)
{
    fixture *f = *state;
    seen one = {0}, two = {0};
    sw_call_options options = {.size = sizeof(options), .timeout_ms = 60};
    int64_t began = sw_now_ms();
    start(f, CHECK, "x", &options, &one);
    next(f);
    until(f, &one, 1);
    assert_int_equal(one.code, SW_DEADLINE_EXCEEDED);
    assert_true(sw_now_ms() - began >= 60);
    assert_non_null(strstr(one.message, "sent to ipc://"));
    fake_reply(&f->fake, &f->request, "late", 4);
    /* The peer's word about the deadline is shown with the times. */
    options.timeout_ms = 2000;
    start(f, CHECK, "x", &options, &two);
    next(f);
    sw_reply_header header = {.code = SW_DEADLINE_EXCEEDED, .timing = {.queue_us = 1500000}};
    fake_send(&f->fake, &f->request, true, &header, "", 0);
    until(f, &two, 1);
    assert_int_equal(two.code, SW_DEADLINE_EXCEEDED);
    assert_non_null(strstr(two.message, "queue 1500 ms"));
    assert_int_equal(one.calls, 1);
    /* What was heard in the last moment is told; there is no time for another try. */
    seen three = {0};
    options.timeout_ms = 1000;
    start(f, CHECK, "x", &options, &three);
    next(f);
    fake_fail(&f->fake, &f->request, SW_UNAVAILABLE, 0, 985);
    until(f, &three, 1);
    assert_int_equal(three.code, SW_UNAVAILABLE);
}

static void test_bounds(void **state)
{
    fixture *f = *state;
    sw_client_options options = {.size = sizeof(options), .in_flight_max = 2, .reply_max = 10};
    sw_client *client;
    sw_error error;
    seen one = {0}, two = {0};
    assert_int_equal(sw_client_open(f->fake.endpoint, &options, &client, &error), SW_OK);
    sw_client_close(&f->client);
    f->client = client;
    start(f, CHECK, "x", NULL, &one);
    start(f, CHECK, "y", NULL, &two);
    assert_int_equal(sw_client_start_bytes(client, CHECK, "", 0, NULL, see, &one, NULL, &error),
                     SW_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(error.message, "in_flight_max"));
    next(f);
    fake_reply(&f->fake, &f->request, "more than ten bytes", 19);
    until(f, &one, 1);
    assert_int_equal(one.code, SW_RESOURCE_EXHAUSTED);
    sw_client_close(&f->client);
    assert_int_equal(two.calls, 1);
    assert_int_equal(two.code, SW_CANCELLED);
}

static void test_bad_calls(void **state)
{
    fixture *f = *state;
    sw_error error;
    static const char *const methods[] = {"", "/", "Check", "/a/", "//b", "/a/b/c"};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        assert_int_equal(sw_client_start_bytes(f->client, methods[i], "", 0, NULL, see, NULL, NULL, &error),
                         SW_INVALID_ARGUMENT);
    sw_call_options options = {.size = sizeof(options), .request_id = "\n"};
    assert_int_equal(sw_client_start_bytes(f->client, CHECK, "", 0, &options, see, NULL, NULL, &error),
                     SW_INVALID_ARGUMENT);
    assert_string_equal(error.field, "request_id");
    const sw_metadata bad = {"key", "\xff"};
    options = (sw_call_options){.size = sizeof(options), .metadata = &bad, .metadata_count = 1};
    assert_int_equal(sw_client_start_bytes(f->client, CHECK, "", 0, &options, see, NULL, NULL, &error),
                     SW_INVALID_ARGUMENT);
    options = (sw_call_options){0};
    assert_int_equal(sw_client_start_bytes(f->client, CHECK, "", 0, &options, see, NULL, NULL, &error),
                     SW_INVALID_ARGUMENT);
    assert_int_equal(sw_client_in_flight(f->client), 0);
}

/* A callback starts the next call: the client must not miss its reply. */
typedef struct chain {
    sw_client *client;
    int left, done;
} chain;

static void follow(const sw_reply *reply, void *context)
{
    chain *c = context;
    assert_int_equal(reply->code, SW_OK);
    c->done++;
    if (c->left-- > 0)
        assert_int_equal(sw_client_start_bytes(c->client, CHECK, "x", 1, NULL, follow, c, NULL, NULL), SW_OK);
}

/* The client is processed only when its descriptor is readable. */
static void test_fd(void **state)
{
    fixture *f = *state;
    int fd = sw_client_fd(f->client);
    assert_true(fd >= 0);
    chain c = {f->client, 200, 0};
    for (int i = 0; i < 8; i++)
        assert_int_equal(sw_client_start_bytes(f->client, CHECK, "x", 1, NULL, follow, &c, NULL, NULL),
                         SW_OK);
    sw_client_process(f->client, 0);
    int64_t end = sw_now_ms() + 20000;
    while (sw_client_in_flight(f->client) > 0 && sw_now_ms() < end) {
        while (fake_next(&f->fake, NULL, &f->request, 0))
            fake_reply(&f->fake, &f->request, "", 0);
        struct pollfd item = {.fd = fd, .events = POLLIN};
        if (poll(&item, 1, 1) > 0)
            sw_client_process(f->client, 0);
    }
    assert_int_equal(c.done, 208);
    /* A deadline makes it readable too. */
    seen one = {0};
    sw_call_options options = {.size = sizeof(options), .timeout_ms = 40};
    start(f, CHECK, "x", &options, &one);
    sw_client_process(f->client, 0);
    while (one.calls == 0 && sw_now_ms() < end) {
        struct pollfd item = {.fd = fd, .events = POLLIN};
        assert_true(poll(&item, 1, 20000) > 0);
        sw_client_process(f->client, 0);
    }
    assert_int_equal(one.code, SW_DEADLINE_EXCEEDED);
}

static void see_and_call(const sw_reply *reply, void *context)
{
    sw_client *client = context;
    sw_error error;
    assert_int_equal(reply->code, SW_OK);
    assert_int_equal(sw_client_call(client, CHECK, NULL, NULL, NULL, NULL, &error), SW_FAILED_PRECONDITION);
    assert_int_equal(sw_client_process(client, -1), 0);
}

static void test_synchronous_in_callback(void **state)
{
    fixture *f = *state;
    assert_int_equal(
        sw_client_start_bytes(f->client, CHECK, "", 0, NULL, see_and_call, f->client, NULL, NULL), SW_OK);
    next(f);
    fake_reply(&f->fake, &f->request, "", 0);
    while (sw_client_in_flight(f->client) > 0)
        sw_client_process(f->client, 100);
}

static void test_close_in_flight(void **state)
{
    fixture *f = *state;
    seen all = {0};
    for (int i = 0; i < 1000; i++)
        start(f, CHECK, "x", NULL, &all);
    next(f);
    sw_client_close(&f->client);
    assert_int_equal(all.calls, 1000);
    assert_int_equal(all.code, SW_CANCELLED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_reply),
        TEST(test_compact),
        cmocka_unit_test_setup_teardown(test_mdp, set_up_mdp, tear_down),
        TEST(test_request_id),
        cmocka_unit_test_setup_teardown(test_request_id, set_up_mdp, tear_down),
        TEST(test_retries),
        TEST(test_earlier_try_may_have_run),
        TEST(test_strange_replies),
        TEST(test_late_reply_of_first_try),
        TEST(test_stream),
        cmocka_unit_test_setup_teardown(test_stream, set_up_mdp, tear_down),
        TEST(test_cancel),
        cmocka_unit_test_setup_teardown(test_cancel, set_up_mdp, tear_down),
        TEST(test_deadline),
        TEST(test_bounds),
        TEST(test_bad_calls),
        TEST(test_fd),
        TEST(test_synchronous_in_callback),
        TEST(test_close_in_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
