/* libsitewire's endpoints: malformed ones, failover, lost connections, no broker. */
#include "fake_broker.h"

#include "base/clock.h"
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

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
    int64_t end = sw_now_ms() + 20000;
    while (what->calls == 0 && sw_now_ms() < end)
        sw_client_process(client, 20);
    assert_int_equal(what->calls, 1);
}

/* One call, which the broker answers. */
static seen answered_call(sw_client *client, fake_broker *fake)
{
    static fake_request request;
    seen one = {0};
    start(client, CHECK, NULL, &one);
    assert_true(fake_next(fake, client, &request, 20000));
    fake_reply(fake, &request, "", 0);
    until(client, &one);
    assert_int_equal(one.code, SW_OK);
    return one;
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
    until(client, &one);
    assert_int_equal(one.code, SW_UNAVAILABLE); /* at once, not at its deadline */
    assert_non_null(strstr(one.message, "no such socket"));
    assert_int_equal(one.tries, 0);
    options = (sw_call_options){.size = sizeof(options), .timeout_ms = 100};
    start(client, CHECK, &options, &two);
    until(client, &two);
    assert_true(two.code == SW_DEADLINE_EXCEEDED || two.code == SW_UNAVAILABLE);
    sw_client_close(&client);
}

/* If nothing listens on the first endpoint, the second is used. */
static void test_next_endpoint(void **state)
{
    (void)state;
    fake_broker fake;
    char endpoints[256];
    fake_open(&fake, FAKE_COMPACT);
    snprintf(endpoints, sizeof(endpoints), "ipc:///nonexistent/a,tcp://127.0.0.1:1,%s", fake.endpoint);
    sw_client *client = open_client(endpoints);
    seen one = answered_call(client, &fake);
    assert_string_equal(one.endpoint, fake.endpoint);
    sw_client_close(&client);
    fake_close(&fake);
}

/* A peer that accepts and stays silent is left after connect_ms. */
static void test_silent_peer(void **state)
{
    (void)state;
    fake_broker fake;
    char endpoints[256], silent[64];
    size_t size = sizeof(silent);
    fake_open(&fake, FAKE_COMPACT);
    void *stream = zmq_socket(fake.context, ZMQ_STREAM);
    assert_int_equal(zmq_bind(stream, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(zmq_getsockopt(stream, ZMQ_LAST_ENDPOINT, silent, &size), 0);
    snprintf(endpoints, sizeof(endpoints), "%s,%s", silent, fake.endpoint);
    sw_client *client = open_client(endpoints);
    answered_call(client, &fake);
    sw_client_close(&client);
    zmq_close(stream);
    fake_close(&fake);
}

/* Calls in flight when the broker dies go to the other one, under the same request_id. */
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
    assert_true(fake_next(&first, client, &request, 20000));
    char id[36];
    memcpy(id, request.header.request_id.data, sizeof(id));
    start(client, CREATE, &once, &two);
    assert_true(fake_next(&first, client, &request, 20000));
    start(client, "/sitewire.rpc.v1.Health/Watch", &watch, &stream);
    assert_true(fake_next(&first, client, &request, 20000));
    fake_send(&first, &request, false, &(sw_reply_header){0}, "", 0);
    until(client, &stream);
    fake_stop(&first);
    assert_true(fake_next(&second, client, &again, 20000));
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

/* Calls wait for the only broker to come back. */
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
        assert_true(fake_next(&fake, client, &request, 20000));
        fake_stop(&fake);
        for (int i = 0; i < 5; i++)
            sw_client_process(client, 10);
        fake_start(&fake);
        assert_true(fake_next(&fake, client, &request, 20000));
        fake_reply(&fake, &request, "", 0);
        until(client, &one);
        assert_int_equal(one.code, SW_OK);
    }
    sw_client_close(&client);
    fake_close(&fake);
}

/* Replies that were sent before the broker died are delivered. */
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
    assert_true(fake_next(&fake, client, &request, 20000));
    fake_reply(&fake, &request, "", 0);
    int linger = 1000; /* let the reply leave */
    zmq_setsockopt(fake.socket, ZMQ_LINGER, &linger, sizeof(linger));
    fake_stop(&fake);
    until(client, &one);
    assert_int_equal(one.code, SW_OK);
    sw_client_close(&client);
    fake_close(&fake);
}

/* The broker's side of the ZMTP handshake, written by the test. */
static void shake_hands(int fd)
{
    static const char greeting[64] = "\xff\0\0\0\0\0\0\0\0\x7f\3\1NULL";
    static const char ready[] = "\4\x1c\5READY\13Socket-Type\0\0\0\6ROUTER";
    assert_int_equal(write(fd, greeting, sizeof(greeting)), sizeof(greeting));
    assert_int_equal(write(fd, ready, sizeof(ready) - 1), sizeof(ready) - 1);
}

/* Fills `endpoints` with a peer that the test plays on a socket, then the broker. Returns the
 * listening socket. */
static int listen_before(const fake_broker *fake, char endpoints[256])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/hand", fake->folder);
    snprintf(endpoints, 256, "ipc://%s,%s", address.sun_path, fake->endpoint);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 1), 0);
    return listener;
}

static void stop_listening(const fake_broker *fake, int listener)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/hand", fake->folder);
    close(listener);
    unlink(path);
}

/* A stopped broker is left after a ping and five seconds. A program that is busy elsewhere for
 * that long loses nothing: what the broker sent is read before the broker counts as lost. */
static void test_frozen(void **state)
{
    (void)state;
    static fake_request request, other;
    fake_broker fake;
    char endpoints[256];
    fake_open(&fake, FAKE_COMPACT);
    int listener = listen_before(&fake, endpoints);

    sw_client *busy = open_client(fake.endpoint), *client = open_client(endpoints);
    int frozen = accept(listener, NULL, NULL);
    shake_hands(frozen);
    stop_listening(&fake, listener);
    seen one = {0}, two = {0};
    sw_call_options once = {.size = sizeof(once), .no_retry = true};
    start(busy, CREATE, &once, &two);
    assert_true(fake_next(&fake, busy, &other, 20000));
    sw_client_process(busy, 0);
    int64_t began = sw_now_ms();
    while (sw_now_ms() < began + 1100)
        poll(NULL, 0, 20);
    sw_client_process(busy, 0); /* sends a ping, and does not wait for the answer */

    start(client, CHECK, NULL, &one);
    began = sw_now_ms();
    assert_true(fake_next(&fake, client, &request, 20000));
    assert_true(sw_now_ms() - began >= 5000);
    fake_reply(&fake, &request, "", 0);
    until(client, &one);
    assert_int_equal(one.code, SW_OK);
    assert_int_equal(one.tries, 2);

    for (int i = 0; i < 5; i++)
        sw_client_process(busy, 0);
    fake_reply(&fake, &other, "", 0);
    until(busy, &two);
    assert_int_equal(two.code, SW_OK);
    assert_int_equal(two.tries, 1);
    sw_client_close(&busy);
    sw_client_close(&client);
    close(frozen);
    fake_close(&fake);
}

/* So is a stopped broker that only gets calls shorter than that: each of them counts. */
static void test_frozen_for_short_calls(void **state)
{
    (void)state;
    static fake_request request;
    fake_broker fake;
    char endpoints[256];
    fake_open(&fake, FAKE_COMPACT);
    int listener = listen_before(&fake, endpoints);
    sw_client *client = open_client(endpoints);
    int frozen = accept(listener, NULL, NULL);
    shake_hands(frozen);
    stop_listening(&fake, listener);
    sw_call_options brief = {.size = sizeof(brief), .timeout_ms = 100, .no_retry = true};
    int64_t began = sw_now_ms();
    bool other = false;
    while (!other && sw_now_ms() < began + 30000) {
        seen one = {0};
        start(client, CHECK, &brief, &one);
        other = fake_next(&fake, client, &request, 150);
        if (other)
            fake_reply(&fake, &request, "", 0);
        until(client, &one);
    }
    assert_true(other);
    answered_call(client, &fake);
    sw_client_close(&client);
    close(frozen);
    fake_close(&fake);
}

/* A broker that accepts and hangs up later is left, however long the library waited for it. */
static void test_hangs_up_late(void **state)
{
    (void)state;
    static fake_request request;
    fake_broker fake;
    char endpoints[256];
    fake_open(&fake, FAKE_COMPACT);
    int listener = listen_before(&fake, endpoints);
    pid_t peer = fork();
    if (peer == 0)
        for (;;) {
            int accepted = accept(listener, NULL, NULL);
            poll(NULL, 0, 1100);
            close(accepted);
        }
    sw_client_options options = {.size = sizeof(options), .timeout_ms = 20000, .connect_ms = 5000};
    sw_client *client;
    assert_int_equal(sw_client_open(endpoints, &options, &client, NULL), SW_OK);
    seen one = {0};
    start(client, CHECK, NULL, &one);
    sw_client_process(client, 5000); /* waits in the library all the time */
    bool other = fake_next(&fake, client, &request, 20000);
    kill(peer, SIGKILL);
    waitpid(peer, NULL, 0);
    assert_true(other);
    fake_reply(&fake, &request, "", 0);
    until(client, &one);
    assert_int_equal(one.code, SW_OK);
    sw_client_close(&client);
    stop_listening(&fake, listener);
    fake_close(&fake);
}

/* The broker is replaced while the client is idle: a call that must not be made twice is not sent
 * over the old connection. */
static void test_restart_in_a_pause(void **state)
{
    (void)state;
    fake_broker fake;
    static fake_request request;
    fake_open(&fake, FAKE_COMPACT);
    sw_client *client = open_client(fake.endpoint);
    for (int round = 0; round < 3; round++) {
        seen one = {0};
        sw_call_options once = {.size = sizeof(once), .no_retry = true};
        start(client, CREATE, &once, &one);
        assert_true(fake_next(&fake, client, &request, 20000));
        fake_reply(&fake, &request, "", 0);
        until(client, &one);
        assert_int_equal(one.code, SW_OK);
        fake_stop(&fake);
        fake_start(&fake);
        poll(NULL, 0, 50);
    }
    sw_client_close(&client);
    fake_close(&fake);
}

typedef struct canceller {
    sw_client *client;
    uint64_t other;
    seen saw;
} canceller;

static void cancel_other(const sw_reply *reply, void *context)
{
    canceller *mine = context;
    see(reply, &mine->saw);
    sw_client_cancel(mine->client, mine->other);
}

/* Starts two streams in its callback; cancels one and credits the other before they are sent. */
static void change_mind(const sw_reply *reply, void *context)
{
    canceller *mine = context;
    static seen streams[2];
    uint64_t id;
    sw_call_options stream = {.size = sizeof(stream), .credit = 1};
    see(reply, &mine->saw);
    assert_int_equal(sw_client_start_bytes(mine->client, CHECK, "x", 1, &stream, see, &streams[0], &id, NULL),
                     SW_OK);
    sw_client_cancel(mine->client, id);
    assert_int_equal(
        sw_client_start_bytes(mine->client, CHECK, "x", 1, &stream, see, &streams[1], &mine->other, NULL),
        SW_OK);
    sw_client_credit(mine->client, mine->other, 10);
}

/* Credit and cancellation before a call is sent. A stream that fails on this side is cancelled at
 * the broker. */
static void test_streams(void **state)
{
    (void)state;
    fake_broker fake;
    static fake_request request, stream;
    static char large[5000];
    fake_open(&fake, FAKE_COMPACT);
    sw_client_options options = {.size = sizeof(options), .reply_max = 1000};
    canceller one = {0};
    assert_int_equal(sw_client_open(fake.endpoint, &options, &one.client, NULL), SW_OK);
    assert_int_equal(sw_client_start_bytes(one.client, CHECK, "x", 1, NULL, change_mind, &one, NULL, NULL),
                     SW_OK);
    assert_true(fake_next(&fake, one.client, &request, 20000));
    fake_reply(&fake, &request, "", 0);
    assert_true(fake_next(&fake, one.client, &stream, 20000));
    assert_int_equal(stream.command, 1);
    assert_int_equal(stream.tag, one.other); /* the other one was never sent */
    assert_int_equal(stream.header.credit, 11);
    fake_send(&fake, &stream, false, &(sw_reply_header){0}, large, sizeof(large));
    assert_true(fake_next(&fake, one.client, &request, 20000));
    assert_int_equal(request.command, 0x10);
    assert_int_equal(request.tag, stream.tag);
    sw_client_close(&one.client);
    fake_close(&fake);
}

/* A callback that hears of the loss cancels another call in flight. */
static void test_cancel_at_loss(void **state)
{
    (void)state;
    fake_broker fake;
    static fake_request request;
    fake_open(&fake, FAKE_COMPACT);
    canceller one = {.client = open_client(fake.endpoint)};
    seen two = {0};
    sw_call_options once = {.size = sizeof(once), .no_retry = true};
    assert_int_equal(sw_client_start_bytes(one.client, CREATE, "x", 1, &once, cancel_other, &one, NULL, NULL),
                     SW_OK);
    assert_int_equal(sw_client_start_bytes(one.client, CREATE, "x", 1, &once, see, &two, &one.other, NULL),
                     SW_OK);
    assert_true(fake_next(&fake, one.client, &request, 20000));
    assert_true(fake_next(&fake, one.client, &request, 20000));
    fake_stop(&fake);
    until(one.client, &two);
    assert_int_equal(one.saw.calls, 1);
    assert_int_equal(one.saw.code, SW_UNAVAILABLE);
    assert_int_equal(two.code, SW_CANCELLED);
    sw_client_close(&one.client);
    fake_close(&fake);
}

/* Time in which the program does not process the client does not count against the broker. */
static void test_busy_after_open(void **state)
{
    (void)state;
    fake_broker fake;
    static fake_request request;
    fake_open(&fake, FAKE_COMPACT);
    sw_client *client = open_client(fake.endpoint); /* gives 100 ms to connect */
    seen one = {0};
    sw_call_options once = {.size = sizeof(once), .no_retry = true};
    start(client, CREATE, &once, &one);
    for (int i = 0; i < 10; i++) {
        poll(NULL, 0, 150);
        sw_client_process(client, 0);
    }
    assert_int_equal(one.calls, 0);
    assert_true(fake_next(&fake, client, &request, 20000));
    fake_reply(&fake, &request, "", 0);
    until(client, &one);
    assert_int_equal(one.code, SW_OK);
    sw_client_close(&client);
    fake_close(&fake);
}

static int64_t stopped_us(void)
{
    return INT64_C(1000000000);
}

/* The peer closes only its own side: the descriptor becomes readable and the call fails at once.
 * The clock stands still, so that no timer and no ping can be the reason. */
static void test_end_of_tcp(void **state)
{
    (void)state;
    char endpoint[64];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 8), 0);
    getsockname(listener, (struct sockaddr *)&address, &size);
    snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%d", ntohs(address.sin_port));
    sw_clock_set(stopped_us);
    sw_client *client = open_client(endpoint);
    struct pollfd wake = {.fd = sw_client_fd(client), .events = POLLIN};
    int peer = accept(listener, NULL, NULL);
    shake_hands(peer);
    seen one = {0};
    sw_call_options once = {.size = sizeof(once), .no_retry = true};
    start(client, CREATE, &once, &one);
    char got[64 + 43 + 60] = ""; /* greeting, READY and the question for the framing at least */
    for (ssize_t total = 0; total < (ssize_t)sizeof(got);) {
        sw_client_process(client, 0);
        ssize_t part = recv(peer, got, sizeof(got), MSG_DONTWAIT);
        total += part > 0 ? part : 0;
    }
    shutdown(peer, SHUT_WR);
    while (one.calls == 0 && poll(&wake, 1, 20000) > 0)
        sw_client_process(client, 0);
    assert_int_equal(one.calls, 1);
    assert_int_equal(one.code, SW_UNAVAILABLE);
    sw_client_close(&client);
    sw_clock_set(NULL);
    close(peer);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_next_endpoint),
        cmocka_unit_test(test_silent_peer),
        cmocka_unit_test(test_failover),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_reply_then_loss),
        cmocka_unit_test(test_frozen),
        cmocka_unit_test(test_restart_in_a_pause),
        cmocka_unit_test(test_cancel_at_loss),
        cmocka_unit_test(test_busy_after_open),
        cmocka_unit_test(test_end_of_tcp),
        cmocka_unit_test(test_hangs_up_late),
        cmocka_unit_test(test_frozen_for_short_calls),
        cmocka_unit_test(test_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
