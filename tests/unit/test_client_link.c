/* libsitewire's endpoints: which are refused, failover, loss of the connection, nobody there. */
#include "fake_broker.h"

#include "base/clock.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CHECK  "/sitewire.rpc.v1.Health/Check"
#define CREATE "/sitewire.referential.v1.Referential/CreateCms"

typedef struct seen {
    int calls;
    sw_code code;
    uint32_t tries;
    char message[SW_ERROR_MESSAGE_SIZE], endpoint[128];
} seen;

static void see(const sw_reply *reply, void *context)
{
    seen *to = context;
    to->calls++;
    to->code = reply->code;
    to->tries = reply->tries;
    snprintf(to->message, sizeof(to->message), "%s", reply->error != NULL ? reply->error->message : "");
    snprintf(to->endpoint, sizeof(to->endpoint), "%s", reply->endpoint);
}

static sw_client *open_client(const char *endpoints)
{
    sw_client_options options = {.size = sizeof(options), .timeout_ms = 10000, .connect_ms = 100};
    sw_client *client;
    sw_error error;
    if (sw_client_open(endpoints, &options, &client, &error) != SW_OK)
        fail_msg("%s", error.message);
    return client;
}

static void start(sw_client *client, const char *method, const sw_call_options *options, seen *to)
{
    assert_int_equal(sw_client_start_bytes(client, method, "x", 1, options, see, to, NULL, NULL), SW_OK);
}

static void until(sw_client *client, const seen *what)
{
    int64_t end = sw_now_ms() + 8000;
    while (what->calls == 0 && sw_now_ms() < end)
        sw_client_process(client, 20);
    assert_int_equal(what->calls, 1);
}

static void test_malformed(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "tcp://",
                                      "tcp://host",
                                      "tcp://host:",
                                      "tcp://host:0",
                                      "tcp://host:65536",
                                      "tcp://host:12x",
                                      "ipc://",
                                      "udp://a:1",
                                      "inproc://a",
                                      "ipc:///a,,ipc:///b",
                                      "ipc:///a, "};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        sw_client *client;
        sw_error error;
        assert_int_equal(sw_client_open(bad[i], NULL, &client, &error), SW_INVALID_ARGUMENT);
        assert_null(client);
        assert_string_equal(error.field, "endpoints");
    }
    char path[200] = "ipc:///";
    memset(path + 7, 'a', 150);
    sw_client *client;
    assert_int_equal(sw_client_open(path, NULL, &client, NULL), SW_INVALID_ARGUMENT);
    sw_client_close(&client); /* NULL is fine */
}

static void test_nobody(void **state)
{
    (void)state;
    sw_client *client = open_client("ipc:///nonexistent/a,ipc:///nonexistent/b");
    seen one = {0}, two = {0};
    sw_call_options options = {.size = sizeof(options), .no_retry = true};
    start(client, CHECK, &options, &one);
    int64_t began = sw_now_ms();
    until(client, &one);
    assert_true(sw_now_ms() - began < 3000);
    assert_int_equal(one.code, SW_UNAVAILABLE);
    assert_non_null(strstr(one.message, "no such socket"));
    assert_int_equal(one.tries, 0);
    options = (sw_call_options){.size = sizeof(options), .timeout_ms = 100};
    start(client, CHECK, &options, &two);
    until(client, &two);
    assert_true(two.code == SW_DEADLINE_EXCEEDED || two.code == SW_UNAVAILABLE);
    sw_client_close(&client);
}

/* The first endpoint is not there: the second is used. */
static void test_next_endpoint(void **state)
{
    (void)state;
    fake_broker fake;
    static fake_request request;
    char endpoints[256];
    fake_open(&fake, FAKE_COMPACT);
    snprintf(endpoints, sizeof(endpoints), "ipc:///nonexistent/a,tcp://127.0.0.1:1,%s", fake.endpoint);
    sw_client *client = open_client(endpoints);
    seen one = {0};
    start(client, CHECK, NULL, &one);
    assert_true(fake_next(&fake, client, &request, 5000));
    fake_reply(&fake, &request, "", 0);
    until(client, &one);
    assert_int_equal(one.code, SW_OK);
    assert_string_equal(one.endpoint, fake.endpoint);
    sw_client_close(&client);
    fake_close(&fake);
}

/* A peer that accepts and says nothing is left after connect_ms. */
static void test_silent_peer(void **state)
{
    (void)state;
    fake_broker fake;
    static fake_request request;
    char endpoints[256], silent[64];
    size_t size = sizeof(silent);
    fake_open(&fake, FAKE_COMPACT);
    void *stream = zmq_socket(fake.context, ZMQ_STREAM);
    assert_int_equal(zmq_bind(stream, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(zmq_getsockopt(stream, ZMQ_LAST_ENDPOINT, silent, &size), 0);
    snprintf(endpoints, sizeof(endpoints), "%s,%s", silent, fake.endpoint);
    sw_client *client = open_client(endpoints);
    seen one = {0};
    start(client, CHECK, NULL, &one);
    assert_true(fake_next(&fake, client, &request, 5000));
    fake_reply(&fake, &request, "", 0);
    until(client, &one);
    assert_int_equal(one.code, SW_OK);
    sw_client_close(&client);
    zmq_close(stream);
    fake_close(&fake);
}

/* Calls that are out when the broker dies go to the other one, under the same request_id. */
static void test_failover(void **state)
{
    (void)state;
    fake_broker first, second;
    static fake_request request, again;
    char endpoints[256];
    fake_open(&first, FAKE_COMPACT);
    fake_open(&second, FAKE_MDP);
    snprintf(endpoints, sizeof(endpoints), "%s,%s", first.endpoint, second.endpoint);
    sw_client *client = open_client(endpoints);
    seen one = {0}, two = {0}, stream = {0};
    sw_call_options once = {.size = sizeof(once), .no_retry = true};
    sw_call_options watch = {.size = sizeof(watch), .credit = 5};
    start(client, CREATE, NULL, &one);
    assert_true(fake_next(&first, client, &request, 5000));
    char id[36];
    memcpy(id, request.header.request_id.data, sizeof(id));
    start(client, CREATE, &once, &two);
    assert_true(fake_next(&first, client, &request, 5000));
    start(client, "/sitewire.rpc.v1.Health/Watch", &watch, &stream);
    assert_true(fake_next(&first, client, &request, 5000));
    fake_send(&first, &request, false, &(sw_reply_header){0}, "", 0);
    until(client, &stream);
    fake_stop(&first);
    assert_true(fake_next(&second, client, &again, 5000));
    assert_false(again.compact);
    assert_int_equal(again.header.request_id.size, sizeof(id));
    assert_memory_equal(again.header.request_id.data, id, sizeof(id));
    fake_reply(&second, &again, "", 0);
    until(client, &one);
    assert_int_equal(one.code, SW_OK);
    assert_int_equal(one.tries, 2);
    assert_string_equal(one.endpoint, second.endpoint);
    until(client, &two); /* it must not be tried again */
    assert_int_equal(two.code, SW_UNAVAILABLE);
    assert_non_null(strstr(two.message, "may have run"));
    assert_int_equal(stream.calls, 2); /* a stream that has begun is cut off */
    assert_int_equal(stream.code, SW_UNAVAILABLE);
    sw_client_close(&client);
    fake_close(&first);
    fake_close(&second);
}

/* The only broker comes back: calls wait for it. */
static void test_restart(void **state)
{
    (void)state;
    fake_broker fake;
    static fake_request request;
    fake_open(&fake, FAKE_COMPACT);
    sw_client *client = open_client(fake.endpoint);
    for (int round = 0; round < 3; round++) {
        seen one = {0};
        start(client, CHECK, NULL, &one);
        assert_true(fake_next(&fake, client, &request, 5000));
        fake_stop(&fake);
        for (int i = 0; i < 5; i++)
            sw_client_process(client, 10);
        fake_start(&fake);
        assert_true(fake_next(&fake, client, &request, 5000));
        fake_reply(&fake, &request, "", 0);
        until(client, &one);
        assert_int_equal(one.code, SW_OK);
    }
    sw_client_close(&client);
    fake_close(&fake);
}

/* Replies that were on their way before the broker died count. */
static void test_reply_then_loss(void **state)
{
    (void)state;
    fake_broker fake;
    static fake_request request;
    fake_open(&fake, FAKE_COMPACT);
    sw_client *client = open_client(fake.endpoint);
    seen one = {0};
    sw_call_options once = {.size = sizeof(once), .no_retry = true};
    start(client, CREATE, &once, &one);
    assert_true(fake_next(&fake, client, &request, 5000));
    fake_reply(&fake, &request, "", 0);
    int linger = 1000; /* let the reply leave */
    zmq_setsockopt(fake.socket, ZMQ_LINGER, &linger, sizeof(linger));
    fake_stop(&fake);
    until(client, &one);
    assert_int_equal(one.code, SW_OK);
    sw_client_close(&client);
    fake_close(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malformed),       cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_next_endpoint),   cmocka_unit_test(test_silent_peer),
        cmocka_unit_test(test_failover),        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_reply_then_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
