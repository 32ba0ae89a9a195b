/* Dealers of both kinds in a loop: what happens to them is told, once, and what they could not send
 * leaves by the loop alone. */
#include "cert/cert.h"
#include "net/dealer.h"

#include "base/clock.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 10000
#define LARGE       4000000

typedef struct fixture {
    void *context, *router;
    char endpoint[128];
    sw_key_file server, client;
    sw_loop *loop;
    sw_dealer *dealer;
    sw_zmtp_state events[8];
    int event_count, last_error;
    size_t received;
} fixture;

static void open_router(fixture *f, const char *endpoint, bool curve)
{
    size_t size = sizeof(f->endpoint);
    f->router = zmq_socket(f->context, ZMQ_ROUTER);
    zmq_setsockopt(f->router, ZMQ_LINGER, &(int){0}, sizeof(int));
    if (curve)
        assert_true(sw_key_use_as_server(f->router, &f->server, "test"));
    assert_int_equal(zmq_bind(f->router, endpoint), 0);
    zmq_getsockopt(f->router, ZMQ_LAST_ENDPOINT, f->endpoint, &size);
}

static void close_router(fixture *f)
{
    if (f->router != NULL)
        zmq_close(f->router);
    f->router = NULL;
}

static void on_ready(void *context, short events)
{
    (void)events;
    fixture *f = context;
    sw_message message;
    sw_dealer_work(f->dealer);
    for (; sw_dealer_recv(f->dealer, &message) == 0; sw_message_close(&message))
        f->received += sw_message_view(&message, message.count - 1).size;
    for (sw_zmtp_state event; (event = sw_dealer_event(f->dealer, &f->last_error)) != SW_ZMTP_CONNECTING;)
        f->events[f->event_count++] = event;
    if (f->event_count > 0 && f->events[f->event_count - 1] > SW_ZMTP_UP)
        sw_dealer_unwatch(f->dealer, f->loop);
    else
        sw_dealer_watch(f->dealer, f->loop, false, on_ready, f);
}

static void open_dealer(fixture *f, const sw_key_file *key)
{
    sw_dealer_options options = {
        .context = f->context, .key = key, .message_max = 8000000, .unsent_max = SIZE_MAX};
    f->dealer = sw_dealer_open(f->endpoint, &options);
    assert_non_null(f->dealer);
    assert_int_equal(sw_dealer_watch(f->dealer, f->loop, false, on_ready, f), SW_OK);
}

static void until_event(fixture *f, int count)
{
    for (int64_t end = sw_now_ms() + PATIENCE_MS; f->event_count < count && sw_now_ms() < end;)
        assert_int_equal(sw_loop_once(f->loop, 100, NULL), SW_OK);
    assert_int_equal(f->event_count, count);
}

static void close_dealer(fixture *f)
{
    sw_dealer_close(&f->dealer, 0);
    assert_null(f->dealer);
    f->event_count = 0;
}

static void exchange(fixture *f, const sw_key_file *key)
{
    open_dealer(f, key);
    until_event(f, 1);
    assert_int_equal(f->events[0], SW_ZMTP_UP);
    sw_message message = {.count = 0};
    void *bytes = calloc(1, LARGE);
    assert_true(sw_message_add(&message, bytes, LARGE));
    free(bytes);
    assert_int_equal(sw_dealer_send(f->dealer, &message), 0);
    sw_dealer_watch(f->dealer, f->loop, false, on_ready, f);
    f->received = 0;
    for (int64_t end = sw_now_ms() + PATIENCE_MS; f->received < LARGE && sw_now_ms() < end;) {
        assert_int_equal(sw_loop_once(f->loop, 20, NULL), SW_OK);
        if (sw_message_recv(f->router, &message) == 0)
            assert_int_equal(sw_message_send(f->router, &message), 0);
    }
    assert_int_equal(f->received, LARGE);
    close_router(f);
    until_event(f, 2);
    assert_int_equal(f->events[1], SW_ZMTP_LOST);
    close_dealer(f);
}

static void test_plain(void **state)
{
    fixture *f = *state;
    open_router(f, "tcp://127.0.0.1:*", false);
    exchange(f, NULL);
}

static void test_encrypted(void **state)
{
    fixture *f = *state;
    open_router(f, "tcp://127.0.0.1:*", true);
    exchange(f, &f->client);
}

/* A name is libzmq's, which may ask for it. */
static void test_name(void **state)
{
    fixture *f = *state;
    open_router(f, "tcp://127.0.0.1:*", false);
    char name[64];
    snprintf(name, sizeof(name), "tcp://localhost:%s", strrchr(f->endpoint, ':') + 1);
    strcpy(f->endpoint, name);
    exchange(f, NULL);
}

static void fails_as(fixture *f, const sw_key_file *key, sw_zmtp_state expected)
{
    open_dealer(f, key);
    until_event(f, 1);
    assert_int_equal(f->events[0], expected);
    close_dealer(f);
}

static void test_mismatch(void **state)
{
    fixture *f = *state;
    open_router(f, "tcp://127.0.0.1:*", true);
    fails_as(f, NULL, SW_ZMTP_MISMATCH);
    close_router(f);
    open_router(f, "tcp://127.0.0.1:*", false);
    fails_as(f, &f->client, SW_ZMTP_MISMATCH);
    close_router(f);
    strcpy(f->endpoint, "tcp://127.0.0.1:1");
    fails_as(f, NULL, SW_ZMTP_UNREACHABLE);
    fails_as(f, &f->client, SW_ZMTP_UNREACHABLE);
}

static void test_nonsense(void **state)
{
    const fixture *f = *state;
    sw_dealer_options options = {.context = f->context};
    assert_null(sw_dealer_open("tcp://127.0.0.1", &options));
    assert_null(sw_dealer_open("nonsense", &options));
    assert_null(sw_dealer_open("ipc://", &options));
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    *state = f;
    f->context = zmq_ctx_new();
    f->loop = sw_loop_new();
    sw_code code = sw_cert_make(&f->server, NULL);
    if (code == SW_OK)
        code = sw_cert_make(&f->client, NULL);
    memcpy(f->client.server_key, f->server.public_key, SW_KEY_SIZE);
    return code != SW_OK || f->loop == NULL;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    sw_dealer_close(&f->dealer, 0);
    close_router(f);
    sw_loop_destroy(&f->loop);
    zmq_ctx_term(f->context);
    free(f);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_plain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_encrypted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mismatch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nonsense, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
