/* The worker layer when memory runs out: each allocation in turn fails. A server that could not be
 * made leaves its loop as it was. One that runs answers every call, or ends the connection that the
 * calls came by, and serves afterwards. A ROUTER in the same loop plays the broker; nothing fails
 * there. */
#include "base/clock.h"
#include "echo.h"
#include "echo.pb-c.h"
#include "heap.h"
#include "sitewire/rpc/v1/rpc.pb-c.h"
#include "wire/batch.h"
#include "worker/server.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ECHO         "/sitewire.test.v1.Echo/"
#define PATIENCE_MS  10000
#define HEARTBEAT_MS 40
#define TAGS         16
#define LARGE        20000 /* bytes: a payload in a frame of its own */

static char folder[] = "/tmp/sw-worker-XXXXXX";

typedef struct {
    bool mdp; /* the framing of calls */
    sw_loop *loop;
    void *zmq, *router, *events;
    char backend[128], publish[128];
    sw_server *server;
    echo echo;
    char worker[256]; /* routing id of the last one that registered */
    size_t worker_size;
    int readies, asked; /* registrations; the one to which the calls were sent */
    uint32_t capacity;
    int lost, finals[TAGS];
    uint32_t codes[TAGS];
} fixture;

/* Runs the loop until the condition holds. */
#define UNTIL(f, condition)                                                                                  \
    do {                                                                                                     \
        for (int64_t end = sw_now_ms() + PATIENCE_MS; !(condition) && sw_now_ms() < end;)                    \
            assert_int_equal(sw_loop_once((f)->loop, 20, NULL), SW_OK);                                      \
        assert_true(condition);                                                                              \
    } while (0)

/* --- The broker --- */

static void send_frames(fixture *f, const sw_view *frames, int count)
{
    sw_message message = {.count = 0};
    assert_true(sw_message_add(&message, f->worker, f->worker_size));
    for (int i = 0; i < count; i++)
        assert_true(sw_message_add(&message, frames[i].data, frames[i].size));
    if (sw_message_send(f->router, &message) != 0) /* that worker is gone */
        sw_message_close(&message);
}

#define SEND(f, ...)                                                                                         \
    send_frames(f, (const sw_view[]){__VA_ARGS__}, sizeof((const sw_view[]){__VA_ARGS__}) / sizeof(sw_view))

static void take_ready(fixture *f, sw_view id, sw_view hello_bytes)
{
    Sw__WorkerHello *hello =
        sw__worker_hello__unpack(NULL, hello_bytes.size, (const uint8_t *)hello_bytes.data);
    assert_non_null(hello);
    assert_string_equal(hello->instance, "test-1");
    assert_int_equal(hello->n_services, 1);
    f->capacity = hello->capacity;
    sw__worker_hello__free_unpacked(hello, NULL);
    assert_true(id.size <= sizeof(f->worker));
    memcpy(f->worker, id.data, id.size);
    f->worker_size = id.size;
    f->readies++;
    if (f->capacity == 0) /* it drains: dismissed */
        SEND(f, SW_VIEW(SW_MDP_WORKER), SW_VIEW("\x06"));
}

static void take_final(fixture *f, sw_view header_bytes)
{
    sw_reply_header header;
    assert_true(sw_reply_header_decode(header_bytes.data, header_bytes.size, &header));
    assert_in_range(header.call_id, 1, TAGS - 1);
    f->finals[header.call_id]++;
    f->codes[header.call_id] = header.code;
}

static void take_compact(fixture *f, sw_view frame)
{
    sw_compact compact;
    assert_true(sw_compact_decode(frame.data, frame.size, &compact));
    if (compact.command == SW_COMPACT_FINAL)
        take_final(f, compact.header);
}

static void take_mdp(fixture *f, const sw_message *message)
{
    sw_view command = sw_message_view(message, 2);
    assert_int_equal(command.size, 1);
    if (command.data[0] == SW_MDP_WORKER_HEARTBEAT)
        SEND(f, SW_VIEW(SW_MDP_WORKER), SW_VIEW("\x05"));
    else if (command.data[0] == SW_MDP_WORKER_FINAL)
        take_final(f, sw_message_view(message, 5));
}

static void take(fixture *f, const sw_message *message)
{
    sw_view id = sw_message_view(message, 0), first = sw_message_view(message, 1), frame;
    bool mdp = sw_view_equal(first, SW_VIEW(SW_MDP_WORKER));
    if (mdp && sw_view_equal(sw_message_view(message, 2), SW_VIEW("\x01")))
        take_ready(f, id, sw_message_view(message, 4));
    else if (!sw_view_equal(id, (sw_view){f->worker, f->worker_size}))
        return; /* an earlier connection */
    else if (mdp)
        take_mdp(f, message);
    else if (sw_batch_is(first))
        while (sw_batch_next(&first, &frame))
            take_compact(f, frame);
    else
        take_compact(f, first);
}

static void on_router(void *context, short events)
{
    fixture *f = context;
    sw_message message;
    (void)events;
    sw_heap_pause();
    for (; sw_message_recv(f->router, &message) == 0; sw_message_close(&message))
        take(f, &message);
    sw_heap_resume();
}

static void *bind_socket(const fixture *f, int type, const char *endpoint)
{
    void *socket = zmq_socket(f->zmq, type);
    zmq_setsockopt(socket, ZMQ_LINGER, &(int){0}, sizeof(int));
    if (type == ZMQ_SUB)
        zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0);
    assert_int_equal(zmq_bind(socket, endpoint), 0);
    return socket;
}

/* --- Life --- */

static void open_broker(fixture *f, bool mdp)
{
    *f = (fixture){.zmq = zmq_ctx_new(), .mdp = mdp};
    snprintf(f->backend, sizeof(f->backend), "ipc://%s/backend", folder);
    snprintf(f->publish, sizeof(f->publish), "ipc://%s/publish", folder);
    sw_heap_pause();
    f->router = bind_socket(f, ZMQ_ROUTER, f->backend);
    f->events = bind_socket(f, ZMQ_SUB, f->publish);
    f->loop = sw_loop_new();
    assert_int_equal(sw_loop_socket(f->loop, f->router, ZMQ_POLLIN, on_router, f), SW_OK);
    sw_heap_resume();
}

static void close_all(fixture *f)
{
    sw_server_destroy(&f->server);
    assert_null(f->server);
    assert_int_equal(sw_loop_once(f->loop, 0, NULL), SW_OK); /* nothing of the server is in it */
    sw_loop_destroy(&f->loop);
    zmq_close(f->router);
    zmq_close(f->events);
    zmq_ctx_term(f->zmq);
    unlink(f->backend + strlen("ipc://"));
    unlink(f->publish + strlen("ipc://"));
}

static void on_event(void *context, const char *event, const char *endpoint, const char *reason)
{
    (void)reason;
    fixture *f = context;
    assert_true(strcmp(endpoint, f->backend) == 0 || strcmp(endpoint, f->publish) == 0);
    f->lost += strcmp(event, "broker lost") == 0;
    assert_string_not_equal(event, "malformed message");
    assert_string_not_equal(event, "handshake refused by broker");
}

/* False when out of memory. */
static bool open_server(fixture *f)
{
    static const uint64_t things = 7;
    sw_error error = {0};
    f->echo = (echo){.loop = f->loop, .instance = "test-1"};
    const sw_server_options options = {.process = "test",
                                       .version = "1",
                                       .instance = "test-1",
                                       .endpoints = f->backend,
                                       .publish = f->publish,
                                       .heartbeat_ms = HEARTBEAT_MS,
                                       .schema = echo_schema,
                                       .schema_size = echo_schema_size,
                                       .on_event = on_event,
                                       .context = f};
    sw_code code = sw_server_new(f->loop, &options, &f->server, &error);
    assert_int_equal(code == SW_OK, f->server != NULL);
    if (code == SW_OK)
        code = echo_add(sw_server_dispatch(f->server), &f->echo, &error);
    if (code == SW_OK) {
        sw_server_add_counter(f->server, "things", &things);
        code = sw_server_start(f->server, &error);
    }
    if (code == SW_OK)
        return true;
    if (code != SW_RESOURCE_EXHAUSTED)
        fail_msg("code %d: %s", code, error.message);
    assert_int_equal(error.code, SW_RESOURCE_EXHAUSTED);
    return false;
}

static void open_quietly(fixture *f)
{
    sw_heap_pause();
    assert_true(open_server(f));
    sw_heap_resume();
}

/* Makes a server with and without a name of its own. */
static void open_and_close(void *context)
{
    fixture f;
    (void)context;
    open_broker(&f, false);
    if (open_server(&f))
        assert_string_equal(sw_server_instance(f.server), "test-1");
    sw_server_destroy(&f.server);
    const sw_server_options unnamed = {.process = "test", .endpoints = f.backend};
    sw_code code = sw_server_new(f.loop, &unnamed, &f.server, NULL);
    if (code == SW_OK)
        assert_int_equal(strncmp(sw_server_instance(f.server), "test-", 5), 0);
    else
        assert_int_equal(code, SW_RESOURCE_EXHAUSTED);
    close_all(&f);
}

static void test_open(void **state)
{
    (void)state;
    assert_true(sw_heap_each(open_and_close, NULL) > 60);
}

/* --- Calls --- */

static sw_view encode_call(uint8_t *room, size_t size, const char *method, uint64_t tag, uint32_t credit)
{
    sw_call_header header = {.method = sw_view_of(method), .call_id = tag, .credit = credit};
    return (sw_view){(char *)room, sw_call_header_encode(&header, room, size)};
}

static void send_compact(fixture *f, sw_compact *compact, sw_view payload)
{
    zmq_msg_t frame;
    compact->payload_follows = payload.size > SW_COMPACT_INLINE;
    compact->payload = compact->payload_follows ? (sw_view){0} : payload;
    assert_true(sw_compact_encode(compact, &frame));
    sw_view first = {zmq_msg_data(&frame), zmq_msg_size(&frame)};
    if (compact->payload_follows)
        SEND(f, first, payload);
    else
        SEND(f, first);
    zmq_msg_close(&frame);
}

static void send_call(fixture *f, uint64_t tag, const char *method, const ProtobufCMessage *request)
{
    static uint8_t payload[2 * LARGE];
    uint8_t room[256], handover_room[64];
    const sw_handover handover = {.caller = SW_VIEW("ann"), .time_left_ms = 20000};
    sw_view header = encode_call(room, sizeof(room), method, tag, 9);
    sw_view handed = {(char *)handover_room,
                      sw_handover_encode(&handover, handover_room, sizeof(handover_room))};
    sw_view body = {(char *)payload, request == NULL ? 0 : protobuf_c_message_pack(request, payload)};
    char address = (char)('a' + tag);
    if (f->mdp)
        SEND(f, SW_VIEW(SW_MDP_WORKER), SW_VIEW("\x02"), {&address, 1}, {0}, header, body, handed);
    else
        send_compact(
            f, &(sw_compact){.command = SW_COMPACT_REQUEST, .tag = tag, .header = header, .handover = handed},
            body);
}

static void cancel_call(fixture *f, uint64_t tag)
{
    char address = (char)('a' + tag);
    if (f->mdp)
        SEND(f, SW_VIEW(SW_MDP_WORKER), SW_VIEW("\x10"), {&address, 1}, {0});
    else
        send_compact(f, &(sw_compact){.command = SW_COMPACT_CANCEL, .tag = tag}, (sw_view){0});
}

static const uint32_t expected[] = {
    [1] = SW_OK, [2] = SW_OK, [3] = SW_OK, [4] = SW_CANCELLED, [5] = SW_OK, [6] = SW_UNIMPLEMENTED};
#define CALLS (sizeof(expected) / sizeof(*expected))

static void send_calls(fixture *f)
{
    static char text[LARGE];
    Sw__EchoRequest echo_request = SW__ECHO_REQUEST__INIT;
    Sw__StreamRequest stream = SW__STREAM_REQUEST__INIT;
    Sw__DelayRequest delay = SW__DELAY_REQUEST__INIT;
    memset(text, 'x', sizeof(text) - 1);
    stream.has_count = delay.has_delay_ms = true;
    stream.count = 5;
    delay.delay_ms = 60000;
    send_call(f, 1, ECHO "Echo", NULL);
    echo_request.text = text;
    send_call(f, 2, ECHO "Echo", &echo_request.base);
    send_call(f, 3, ECHO "Stream", &stream.base);
    send_call(f, 4, ECHO "Delay", &delay.base);
    cancel_call(f, 4);
    send_call(f, 5, "/sitewire.rpc.v1.Stats/GetStats", NULL);
    send_call(f, 6, "/x/Y", NULL);
    f->asked = f->readies;
}

/* Every call has its final reply, or the connection by which it came has ended. */
static bool is_over(const fixture *f)
{
    bool all = true;
    for (size_t tag = 1; tag < CALLS; tag++)
        all = all && f->finals[tag] > 0;
    return all || f->readies > f->asked;
}

static void expect_replies(const fixture *f)
{
    for (size_t tag = 1; tag < CALLS; tag++) {
        assert_in_range(f->finals[tag], f->lost > 0 ? 0 : 1, 1);
        if (f->finals[tag] > 0 && f->codes[tag] != SW_RESOURCE_EXHAUSTED)
            assert_int_equal(f->codes[tag], expected[tag]);
    }
    assert_int_equal(sw_dispatch_in_flight(sw_server_dispatch(f->server)), 0);
}

/* The failed allocation is behind us: a call succeeds, maybe by a new connection. */
static void expect_service(fixture *f)
{
    sw_heap_pause();
    f->asked = 0;
    for (int64_t end = sw_now_ms() + PATIENCE_MS; f->finals[9] == 0 && sw_now_ms() < end;) {
        if (f->asked != f->readies)
            send_call(f, 9, ECHO "Echo", NULL);
        f->asked = f->readies;
        assert_int_equal(sw_loop_once(f->loop, 20, NULL), SW_OK);
    }
    assert_int_equal(f->finals[9], 1);
    assert_int_equal(f->codes[9], SW_OK);
    assert_int_equal(sw_server_brokers(f->server), 1);
    sw_heap_resume();
}

static void serve(void *context)
{
    fixture f;
    open_broker(&f, *(bool *)context);
    open_quietly(&f);
    UNTIL(&f, f.readies > 0);
    sw_heap_pause();
    send_calls(&f);
    sw_heap_resume();
    UNTIL(&f, is_over(&f));
    expect_replies(&f);
    expect_service(&f);
    close_all(&f);
}

static void test_calls(void **state)
{
    bool mdp = false;
    (void)state;
    assert_true(sw_heap_each(serve, &mdp) > 20);
    mdp = true;
    assert_true(sw_heap_each(serve, &mdp) > 40);
}

/* --- Events and the end --- */

static void publish(void *context)
{
    fixture f;
    sw_message received = {.count = 0};
    (void)context;
    open_broker(&f, false);
    open_quietly(&f);
    for (int64_t end = sw_now_ms() + PATIENCE_MS; received.count == 0 && sw_now_ms() < end;) {
        sw_message event = {.count = 0};
        if (!sw_message_add(&event, "topic", 5) || !sw_message_add(&event, "body", 4)) {
            sw_message_close(&event);
            continue;
        }
        sw_server_publish(f.server, &event);
        assert_int_equal(event.count, 0);
        assert_int_equal(sw_loop_once(f.loop, 1, NULL), SW_OK);
        sw_message_recv(f.events, &received);
    }
    assert_int_equal(received.count, 2);
    assert_true(sw_view_equal(sw_message_view(&received, 1), SW_VIEW("body")));
    sw_message_close(&received);
    close_all(&f);
}

/* Without memory for the hello, a worker that drains says so a little later. */
static void drain(void *context)
{
    fixture f;
    (void)context;
    open_broker(&f, false);
    open_quietly(&f);
    sw_heap_pause();
    UNTIL(&f, f.readies > 0);
    sw_heap_resume();
    assert_true(f.capacity > 0);
    sw_server_drain(f.server, PATIENCE_MS);
    assert_true(sw_server_is_draining(f.server));
    int64_t end = sw_now_ms() + PATIENCE_MS;
    assert_int_equal(sw_loop_run(f.loop, NULL), SW_OK); /* it stops by itself */
    assert_true(sw_now_ms() < end);
    if (f.lost == 0) /* it was if there was no memory for what the broker sent */
        assert_int_equal(f.capacity, 0);
    close_all(&f);
}

static void test_publish(void **state)
{
    (void)state;
    assert_true(sw_heap_each(publish, NULL) > 2);
}

static void test_drain(void **state)
{
    (void)state;
    assert_true(sw_heap_each(drain, NULL) > 4);
}

static int begin(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int end(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_open), cmocka_unit_test(test_calls),
                                       cmocka_unit_test(test_publish), cmocka_unit_test(test_drain)};
    return cmocka_run_group_tests(tests, begin, end);
}
