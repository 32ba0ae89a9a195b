/* Our connections with peers that are not ours: CZMQ's actors. zauth decides who comes in, by the
 * certificates that we write; zmonitor tells what a ZeroMQ socket sees of us; zproxy forwards what
 * we send, in both directions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"
#include "cert/cert.h"
#include "net/dealer.h"
#include <czmq.h>

#define PATIENCE_MS 10000
#define LARGE       3000000

typedef struct fixture {
    char folder[32], endpoint[128];
    sw_key_file server, client;
    void *context;
    sw_dealer *dealer;
} fixture;

/* --- our end --- */

static void open_dealer(fixture *f, const sw_key_file *key)
{
    sw_dealer_options options = {
        .context = f->context, .key = key, .message_max = 8000000, .unsent_max = SIZE_MAX};
    f->dealer = sw_dealer_open(f->endpoint, &options);
    assert_non_null(f->dealer);
}

/* Waits for something to happen on our connection. */
static void wait_dealer(fixture *f)
{
    struct pollfd items[2];
    sw_dealer_poll(f->dealer, items);
    poll(items, items[1].fd >= 0 ? 2 : 1, 20); /* it tells of a change once: look again soon in any case */
    sw_dealer_work(f->dealer);
}

static sw_zmtp_state next_event(fixture *f)
{
    int ignored;
    for (int64_t end = sw_now_ms() + PATIENCE_MS; sw_now_ms() < end; wait_dealer(f)) {
        sw_zmtp_state event = sw_dealer_event(f->dealer, &ignored);
        if (event != SW_ZMTP_CONNECTING)
            return event;
    }
    return SW_ZMTP_CONNECTING;
}

static void send_parts(fixture *f, const size_t *sizes, int count)
{
    sw_message message = {.count = 0};
    for (int i = 0; i < count; i++) {
        void *bytes = calloc(1, sizes[i] + 1);
        memset(bytes, 'a' + i, sizes[i]);
        assert_true(sw_message_add(&message, bytes, sizes[i]));
        free(bytes);
    }
    assert_int_equal(sw_dealer_send(f->dealer, &message), 0);
}

static void expect_parts(fixture *f, const size_t *sizes, int count)
{
    sw_message message;
    int code = EAGAIN;
    for (int64_t end = sw_now_ms() + PATIENCE_MS; code == EAGAIN && sw_now_ms() < end;) {
        code = sw_dealer_recv(f->dealer, &message);
        if (code == EAGAIN)
            wait_dealer(f);
    }
    assert_int_equal(code, 0);
    assert_int_equal(message.count, count);
    for (int i = 0; i < count; i++) {
        sw_view part = sw_message_view(&message, i);
        assert_int_equal(part.size, sizes[i]);
        for (size_t at = 0; at < part.size; at++)
            if (((const char *)part.data)[at] != 'a' + i)
                fail_msg("part %d differs at byte %zu", i, at);
    }
    sw_message_close(&message);
}

/* --- theirs --- */

static zsock_t *open_router(fixture *f, bool curve)
{
    zsock_t *router = zsock_new(ZMQ_ROUTER);
    assert_non_null(router);
    zsock_set_linger(router, 0);
    zsock_set_rcvtimeo(router, PATIENCE_MS);
    if (curve) {
        char path[64];
        snprintf(path, sizeof(path), "%s/server", f->folder);
        assert_int_equal(sw_cert_write(path, &f->server, NULL), SW_OK);
        zcert_t *cert = zcert_load(path);
        assert_non_null(cert);
        zcert_apply(cert, router);
        zcert_destroy(&cert);
        zsock_set_zap_domain(router, "global");
        zsock_set_curve_server(router, 1);
    }
    int port = zsock_bind(router, "tcp://127.0.0.1:*");
    assert_true(port > 0);
    snprintf(f->endpoint, sizeof(f->endpoint), "tcp://127.0.0.1:%d", port);
    return router;
}

static void expect_event(zactor_t *monitor, const char *expected)
{
    for (;;) {
        char *event = NULL, *value = NULL, *address = NULL;
        if (zstr_recvx(monitor, &event, &value, &address, NULL) < 1)
            fail_msg("no %s within the time", expected);
        bool found = strcmp(event, expected) == 0;
        zstr_free(&event);
        zstr_free(&value);
        zstr_free(&address);
        if (found)
            return;
    }
}

/* --- tests --- */

/* zauth lets in the keys of a folder of certificates, and nobody else. */
static void test_zauth(void **state)
{
    fixture *f = *state;
    char path[64];
    snprintf(path, sizeof(path), "%s/client", f->folder);
    assert_int_equal(sw_cert_write_public(path, &f->client, NULL), SW_OK);
    zactor_t *auth = zactor_new(zauth, NULL);
    zstr_sendx(auth, "CURVE", f->folder, NULL);
    zsock_wait(auth);
    zsock_t *router = open_router(f, true);
    sw_key_file stranger;
    assert_int_equal(sw_cert_make(&stranger, NULL), SW_OK);
    memcpy(stranger.server_key, f->server.public_key, SW_KEY_SIZE);
    open_dealer(f, &stranger);
    assert_int_not_equal(next_event(f), SW_ZMTP_UP);
    sw_dealer_close(&f->dealer, 0);
    open_dealer(f, &f->client);
    assert_int_equal(next_event(f), SW_ZMTP_UP);
    send_parts(f, (const size_t[]){5}, 1);
    zmsg_t *message = zmsg_recv(router);
    assert_non_null(message);
    assert_int_equal(zframe_size(zmsg_last(message)), 5);
    zmsg_destroy(&message);
    zsock_destroy(&router);
    zactor_destroy(&auth);
}

/* What a ZeroMQ socket sees of a connection over our own ZMTP is what it sees of its like. */
static void test_zmonitor(void **state)
{
    fixture *f = *state;
    zsock_t *router = open_router(f, false);
    zactor_t *monitor = zactor_new(zmonitor, router);
    zsock_set_rcvtimeo(monitor, PATIENCE_MS);
    zstr_sendx(monitor, "LISTEN", "ALL", NULL);
    zstr_send(monitor, "START");
    zsock_wait(monitor);
    open_dealer(f, NULL);
    assert_int_equal(next_event(f), SW_ZMTP_UP);
    expect_event(monitor, "ACCEPTED");
    expect_event(monitor, "HANDSHAKE_SUCCEEDED");
    sw_dealer_close(&f->dealer, 0);
    expect_event(monitor, "DISCONNECTED");
    zactor_destroy(&monitor);
    zsock_destroy(&router);
}

/* Through zproxy to an echo and back: short and long frames (ZMTP tells them apart at 255), empty
 * and many ones. */
static void test_zproxy(void **state)
{
    fixture *f = *state;
    static const size_t sizes[][4] = {{0},     {1},     {255},        {256},
                                      {65536}, {LARGE}, {0, 0, 0, 0}, {3, 255, 256, 1}};
    static const int counts[] = {1, 1, 1, 1, 1, 1, 4, 4};
    char frontend[64], backend[136];
    zsock_t *echo = open_router(f, false);
    snprintf(backend, sizeof(backend), ">%s", f->endpoint); /* > connects */
    zactor_t *proxy = zactor_new(zproxy, NULL);
    zstr_sendx(proxy, "BACKEND", "DEALER", backend, NULL);
    zsock_wait(proxy);
    snprintf(frontend, sizeof(frontend), "ipc://%s/front", f->folder);
    zstr_sendx(proxy, "FRONTEND", "ROUTER", frontend, NULL);
    zsock_wait(proxy);
    snprintf(f->endpoint, sizeof(f->endpoint), "%s", frontend);
    open_dealer(f, NULL);
    assert_int_equal(next_event(f), SW_ZMTP_UP);
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
        send_parts(f, sizes[i], counts[i]);
        sw_dealer_work(f->dealer);
        zmsg_t *message = NULL;
        for (int64_t end = sw_now_ms() + PATIENCE_MS; message == NULL && sw_now_ms() < end; wait_dealer(f))
            message = (zsock_events(echo) & ZMQ_POLLIN) != 0 ? zmsg_recv(echo) : NULL;
        assert_non_null(message);
        assert_int_equal(zmsg_send(&message, echo), 0);
        expect_parts(f, sizes[i], counts[i]);
    }
    zactor_destroy(&proxy);
    zsock_destroy(&echo);
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    *state = f;
    strcpy(f->folder, "/tmp/sw-peer-XXXXXX");
    f->context = zmq_ctx_new();
    if (mkdtemp(f->folder) == NULL || sw_cert_make(&f->server, NULL) != SW_OK ||
        sw_cert_make(&f->client, NULL) != SW_OK)
        return -1;
    memcpy(f->client.server_key, f->server.public_key, SW_KEY_SIZE);
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    static const char *const names[] = {"server", "client", "front"};
    sw_dealer_close(&f->dealer, 0);
    zmq_ctx_term(f->context);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char path[64];
        snprintf(path, sizeof(path), "%s/%s", f->folder, names[i]);
        unlink(path);
    }
    int result = rmdir(f->folder);
    free(f);
    return result;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_zauth, set_up, tear_down),
                                       cmocka_unit_test_setup_teardown(test_zmonitor, set_up, tear_down),
                                       cmocka_unit_test_setup_teardown(test_zproxy, set_up, tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
