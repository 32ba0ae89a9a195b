/* A broker in the test's process when memory runs out: each allocation in turn fails, while it is
 * made, while a client and a worker come and a call passes, and while a question is answered. A
 * broker that could not be made says why. A running one loses no peer for good: a client that gets
 * no answer is disconnected, and a peer that comes again is served.
 * The list of actions is the exception, which ends the process (core.h): it has grown before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "broker/io/state.h"
#include "heap.h"
#include "net/monitor.h"
#include "wire/mdp.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AGAIN_MS 100 /* a peer without an answer asks again after so long */

static char folder[64], front[96], back[96], events[96], publish[96];
static sw_broker_options options;
static sw_loop *loop;
static sw_broker *broker;
static void *context; /* the peers' */

static int open_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test-broker-io-memory.XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(front, sizeof(front), "ipc://%s/f", folder);
    snprintf(back, sizeof(back), "ipc://%s/b", folder);
    snprintf(events, sizeof(events), "ipc://%s/e", folder);
    snprintf(publish, sizeof(publish), "ipc://%s/p", folder);
    sw_log_open("test", SW_LOG_ERROR, false);
    options = (sw_broker_options){.core = sw_core_defaults,
                                  .frontend = front,
                                  .backend = back,
                                  .local_services = "*=*,sitewire.*",
                                  .events = events,
                                  .publish = publish,
                                  .caller = "ann@a.example",
                                  .message_max = 1 << 20,
                                  .replies_max = 1000,
                                  .replies_bytes = 1 << 20,
                                  .events_max = 1000,
                                  .connection_bytes = 1 << 20,
                                  .handshake_ms = 5000,
                                  .auth_cache_ms = 60000,
                                  .drain_ms = 1000};
    return (context = zmq_ctx_new()) == NULL;
}

static int close_folder(void **state)
{
    (void)state;
    zmq_ctx_term(context);
    return rmdir(folder);
}

/* The loop has a test of its own. */
static void new_loop(void)
{
    sw_heap_pause();
    assert_non_null(loop = sw_loop_new());
    sw_heap_resume();
}

static void stop(void)
{
    sw_heap_pause();
    sw_broker_destroy(&broker);
    sw_loop_destroy(&loop);
    sw_heap_resume();
}

/* --- making one --- */

static void make(void *unused)
{
    (void)unused;
    sw_error error = {0};
    new_loop();
    sw_code code = sw_broker_new(loop, &options, &broker, &error);
    assert_int_equal(code == SW_OK, broker != NULL);
    if (code != SW_OK) {
        assert_int_equal(code, SW_RESOURCE_EXHAUSTED);
        assert_true(error.message[0] != '\0');
    }
    stop();
}

static void test_make(void **state)
{
    (void)state;
    assert_true(sw_heap_each(make, NULL) > 20);
}

static void start_broker(void)
{
    sw_error error;
    new_loop();
    sw_heap_pause();
    assert_int_equal(sw_broker_new(loop, &options, &broker, &error), SW_OK);
    sw_heap_resume();
}

/* --- a call --- */

typedef struct {
    void *socket;
    int64_t again_ms; /* when to speak again; 0: at once */
} peer;

static void open_peer(peer *p, const char *endpoint)
{
    const int none = 0, soon_ms = 5;
    assert_non_null(p->socket = zmq_socket(context, ZMQ_DEALER));
    assert_int_equal(zmq_setsockopt(p->socket, ZMQ_LINGER, &none, sizeof(none)), 0);
    assert_int_equal(zmq_setsockopt(p->socket, ZMQ_RECONNECT_IVL, &soon_ms, sizeof(soon_ms)), 0);
    assert_int_equal(zmq_connect(p->socket, endpoint), 0);
    p->again_ms = 0;
}

static void say(peer *p, const sw_view *frames, int count)
{
    for (int i = 0; i < count; i++)
        zmq_send(p->socket, frames[i].data, frames[i].size, ZMQ_DONTWAIT | (i + 1 < count ? ZMQ_SNDMORE : 0));
    p->again_ms = sw_now_ms() + AGAIN_MS;
}

#define SAY(peer, ...)                                                                                       \
    say(peer, (const sw_view[]){__VA_ARGS__}, sizeof((const sw_view[]){__VA_ARGS__}) / sizeof(sw_view))

static char large[20000]; /* a payload that is not packed */

/* A plain worker: registers, and sends every request back. READY again is refused with a
 * DISCONNECT, after which it registers anew. */
static void work(peer *worker, const char *service)
{
    sw_message message;
    if (sw_now_ms() >= worker->again_ms)
        SAY(worker, SW_VIEW(SW_MDP_WORKER), SW_VIEW("\1"), sw_view_of(service));
    while (sw_message_recv(worker->socket, &message) == 0) {
        sw_view command = sw_message_view(&message, 1);
        worker->again_ms = sw_now_ms() + AGAIN_MS;
        if (command.data[0] == SW_MDP_WORKER_REQUEST)
            SAY(worker, SW_VIEW(SW_MDP_WORKER), SW_VIEW("\4"), sw_message_view(&message, 2), SW_VIEW(""),
                sw_message_view(&message, 4));
        else if (command.data[0] == SW_MDP_WORKER_DISCONNECT)
            worker->again_ms = 0;
        sw_message_close(&message);
    }
}

/* Whether the payload came back. A client of a broker without the worker asks again. */
static bool ask(peer *client, const char *service, sw_view payload)
{
    sw_message message;
    bool answered = false;
    if (sw_now_ms() >= client->again_ms)
        SAY(client, SW_VIEW(SW_MDP_CLIENT), SW_VIEW("\1"), sw_view_of(service), payload);
    while (sw_message_recv(client->socket, &message) == 0) {
        answered |= sw_view_equal(sw_message_view(&message, message.count - 1), payload);
        sw_message_close(&message);
    }
    return answered;
}

static void call_through(peer *client, peer *worker, const char *service, sw_view payload)
{
    sw_error error;
    int64_t until = sw_now_ms() + 20000;
    client->again_ms = 0;
    for (bool answered = false; !answered;) {
        if (sw_now_ms() > until)
            fail_msg("a call of %zu bytes is not answered", payload.size);
        assert_int_equal(sw_loop_once(loop, 1, &error), SW_OK);
        sw_heap_pause();
        work(worker, service);
        answered = ask(client, service, payload);
        sw_heap_resume();
    }
}

/* A worker and a client come, call, and leave. */
static void visit(const char *service)
{
    peer client, worker;
    sw_heap_pause();
    open_peer(&client, front);
    open_peer(&worker, back);
    sw_heap_resume();
    call_through(&client, &worker, service, SW_VIEW("small"));
    call_through(&client, &worker, service, (sw_view){large, sizeof(large)});
    zmq_close(client.socket);
    zmq_close(worker.socket);
}

static uint32_t peers_left(void)
{
    return sw_listeners_count(broker->listeners);
}

static void serve(void *unused)
{
    (void)unused;
    sw_error error;
    start_broker();
    sw_heap_pause();
    visit("before");
    sw_heap_resume();
    visit("echo");
    int64_t until = sw_now_ms() + 20000;
    while (peers_left() > 0) { /* nobody who left is kept */
        assert_true(sw_now_ms() < until);
        assert_int_equal(sw_loop_once(loop, 1, &error), SW_OK);
    }
    stop();
}

static void test_serve(void **state)
{
    (void)state;
    assert_true(sw_heap_each(serve, NULL) > 10);
}

/* --- a question that is asked once --- */

/* 1: answered, -1: disconnected, 0: neither yet. */
static int outcome(peer *client, void *monitor)
{
    sw_message message;
    if (sw_message_recv(client->socket, &message) != 0)
        return sw_monitor_next(monitor, NULL) != 0 ? -1 : 0;
    assert_true(sw_view_equal(sw_message_view(&message, message.count - 1), SW_VIEW("404")));
    sw_message_close(&message);
    return 1;
}

static int wait_for_outcome(peer *client, void *monitor)
{
    sw_error error;
    int64_t until = sw_now_ms() + 20000;
    for (int result = 0;;) {
        assert_int_equal(sw_loop_once(loop, 1, &error), SW_OK);
        sw_heap_pause();
        result = outcome(client, monitor);
        sw_heap_resume();
        if (result != 0)
            return result;
        if (sw_now_ms() > until)
            fail_msg("a question is neither answered, nor does the connection end");
    }
}

static void ask_nobody(peer *client)
{
    SAY(client, SW_VIEW(SW_MDP_CLIENT), SW_VIEW("\1"), SW_VIEW("mmi.service"), SW_VIEW("nobody"));
}

static void open_client(peer *client, void **monitor)
{
    open_peer(client, front);
    assert_non_null(*monitor = sw_monitor_open(context, client->socket, ZMQ_EVENT_DISCONNECTED));
    ask_nobody(client);
}

static void close_client(peer *client, void **monitor)
{
    sw_monitor_close(client->socket, monitor);
    zmq_close(client->socket);
}

/* A client whose message could not be read is disconnected, so that it notices. */
static void test_unread(void **state)
{
    (void)state;
    sw_error error;
    peer client;
    void *monitor;
    start_broker();
    open_client(&client, &monitor);
    assert_int_equal(wait_for_outcome(&client, monitor), 1);
    ask_nobody(&client);
    do {
        sw_body_pool_clear(&broker->pool); /* so that reading needs memory */
        sw_heap_arm(1);
        assert_int_equal(sw_loop_once(loop, 1, &error), SW_OK);
    } while (!sw_heap_disarm());
    assert_int_equal(wait_for_outcome(&client, monitor), -1);
    close_client(&client, &monitor);
    stop();
}

/* A client whose answer cannot be made is disconnected. */
static void ask_once(void *unused)
{
    (void)unused;
    peer known, client;
    void *known_monitor, *monitor;
    start_broker();
    sw_heap_pause();
    open_client(&known, &known_monitor); /* for the memory that is kept */
    assert_int_equal(wait_for_outcome(&known, known_monitor), 1);
    open_client(&client, &monitor);
    sw_heap_resume();
    wait_for_outcome(&client, monitor);
    close_client(&client, &monitor);
    close_client(&known, &known_monitor);
    stop();
}

static void test_unanswered(void **state)
{
    (void)state;
    assert_true(sw_heap_each(ask_once, NULL) > 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_make), cmocka_unit_test(test_serve),
                                       cmocka_unit_test(test_unread), cmocka_unit_test(test_unanswered)};
    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
