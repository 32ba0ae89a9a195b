/* The service runtime on real sockets: a ROUTER in this process plays the broker. Registration,
 * both framings, heartbeats, a broker that restarts or falls silent, cancel, credit, malformed and
 * large messages, drain. */
#include "base/clock.h"
#include "echo.h"
#include "echo.pb-c.h"
#include "rpc/transport.h"
#include "sitewire/rpc/v1/rpc.pb-c.h"
#include "wire/batch.h"
#include "wire/frame.h"
#include "worker/server.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define ECHO         "/sitewire.test.v1.Echo/"
#define PATIENCE_MS  20000
#define HEARTBEAT_MS 100

typedef struct {
    char folder[64], endpoint[128];
    void *zmq, *router;
    sw_loop *loop;
    sw_server *server;
    echo echo;
    char worker[256]; /* routing id of the worker */
    size_t worker_size;
    sw_message message; /* the last one received, without the routing id's frame */
    sw_view rest;       /* of a batch in it that is being read */
    unsigned connected, lost, malformed, hung_up;
} fixture;

static void on_event(void *context, const char *event, const char *endpoint, const char *reason)
{
    (void)reason;
    fixture *f = context;
    assert_string_equal(endpoint, f->endpoint);
    f->connected += strcmp(event, "broker connected") == 0;
    f->lost += strcmp(event, "broker lost") == 0;
    f->malformed += strcmp(event, "malformed message") == 0;
    f->hung_up += strcmp(event, "broker hung up in the handshake") == 0;
    assert_string_not_equal(event, "handshake refused by broker");
}

static void open_broker(fixture *f)
{
    f->router = zmq_socket(f->zmq, ZMQ_ROUTER);
    zmq_setsockopt(f->router, ZMQ_LINGER, &(int){0}, sizeof(int));
    zmq_setsockopt(f->router, ZMQ_RCVHWM, &(int){10}, sizeof(int));
    assert_int_equal(zmq_bind(f->router, f->endpoint), 0);
}

static int setup_beating(void **state, int64_t heartbeat_ms)
{
    fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    strcpy(f->folder, "/tmp/sw-rpc-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->endpoint, sizeof(f->endpoint), "ipc://%s/backend", f->folder);
    f->zmq = zmq_ctx_new();
    f->loop = sw_loop_new();
    open_broker(f);
    f->echo = (echo){.loop = f->loop, .instance = "test-1"};
    const sw_server_options options = {.process = "test",
                                       .instance = "test-1",
                                       .version = "1.2.3",
                                       .endpoints = f->endpoint,
                                       .capacity = 7,
                                       .heartbeat_ms = heartbeat_ms,
                                       .payload_max = 100000,
                                       .schema = echo_schema,
                                       .schema_size = echo_schema_size,
                                       .on_event = on_event,
                                       .context = f};
    sw_error error;
    assert_int_equal(sw_server_new(f->loop, &options, &f->server, &error), SW_OK);
    assert_int_equal(echo_add(sw_server_dispatch(f->server), &f->echo, &error), SW_OK);
    assert_int_equal(sw_server_start(f->server, &error), SW_OK);
    *state = f;
    return 0;
}

static int setup(void **state)
{
    return setup_beating(state, HEARTBEAT_MS);
}

/* For a test whose broker has no time for heartbeats. */
static int setup_unhurried(void **state)
{
    return setup_beating(state, PATIENCE_MS);
}

static int teardown(void **state)
{
    fixture *f = *state;
    sw_message_close(&f->message);
    sw_server_destroy(&f->server);
    sw_loop_destroy(&f->loop);
    if (f->router != NULL)
        zmq_close(f->router);
    zmq_ctx_term(f->zmq);
    unlink(f->endpoint + strlen("ipc://"));
    rmdir(f->folder);
    free(f);
    return 0;
}

/* One round of the server's loop, not longer than until the broker may have a message to read. */
static void turn(fixture *f)
{
    sw_error error;
    assert_int_equal(sw_loop_once(f->loop, 2, &error), SW_OK);
}

/* The next message from a worker, into f->message. */
static bool receive(fixture *f, int64_t patience_ms)
{
    sw_message_close(&f->message);
    for (int64_t until = sw_now_ms() + patience_ms; sw_now_ms() < until; turn(f)) {
        sw_message raw;
        if (sw_message_recv(f->router, &raw) != 0)
            continue;
        sw_view id = sw_message_view(&raw, 0);
        assert_true(id.size <= sizeof(f->worker));
        memcpy(f->worker, id.data, id.size);
        f->worker_size = id.size;
        for (int i = 1; i < raw.count; i++)
            assert_true(sw_message_move(&f->message, &raw.frames[i]));
        sw_message_close(&raw);
        return true;
    }
    return false;
}

static char mdp_command(const fixture *f)
{
    sw_view command = sw_message_view(&f->message, 1);
    bool mdp = sw_view_equal(sw_message_view(&f->message, 0), SW_VIEW(SW_MDP_WORKER)) && command.size == 1;
    return mdp ? command.data[0] : '\0';
}

/* The next message that is no heartbeat. */
static void receive_other(fixture *f)
{
    do
        assert_true(receive(f, PATIENCE_MS));
    while (mdp_command(f) == 5);
}

static void expect_ready(fixture *f, uint32_t capacity)
{
    receive_other(f);
    assert_int_equal(mdp_command(f), 1);
    assert_int_equal(f->message.count, 4);
    assert_true(sw_view_equal(sw_message_view(&f->message, 2), SW_VIEW("sitewire.test.v1.Echo")));
    sw_view frame = sw_message_view(&f->message, 3);
    Sw__WorkerHello *hello = sw__worker_hello__unpack(NULL, frame.size, (const uint8_t *)frame.data);
    assert_non_null(hello);
    assert_string_equal(hello->instance, "test-1");
    assert_string_equal(hello->version, "1.2.3");
    assert_int_equal(hello->n_services, 1);
    assert_int_equal(hello->capacity, capacity);
    assert_true(hello->compact);
    sw__worker_hello__free_unpacked(hello, NULL);
}

/* Sends a message to the worker. */
static void send_frames(fixture *f, const sw_view *frames, int count)
{
    sw_message message = {.count = 0};
    assert_true(sw_message_add(&message, f->worker, f->worker_size));
    for (int i = 0; i < count; i++)
        assert_true(sw_message_add(&message, frames[i].data, frames[i].size));
    assert_int_equal(sw_message_send(f->router, &message), 0);
}

#define SEND(f, ...)                                                                                         \
    send_frames(f, (const sw_view[]){__VA_ARGS__}, sizeof((const sw_view[]){__VA_ARGS__}) / sizeof(sw_view))

static sw_view encode_call(uint8_t *room, size_t size, const char *method, uint64_t id, uint32_t credit)
{
    sw_call_header header = {.method = sw_view_of(method), .call_id = id, .credit = credit};
    return (sw_view){(char *)room, sw_call_header_encode(&header, room, size)};
}

static void send_compact(fixture *f, sw_compact_command command, uint64_t tag, const char *method,
                         uint32_t credit, sw_view payload)
{
    uint8_t room[512], handover[64];
    sw_compact compact = {
        .command = command, .tag = tag, .payload_follows = payload.size > SW_COMPACT_INLINE};
    if (command != SW_COMPACT_CANCEL)
        compact.header = encode_call(room, sizeof(room), method, tag + 1000, credit);
    if (command == SW_COMPACT_REQUEST) {
        sw_handover said = {.caller = SW_VIEW("ann"), .queue_us = 5, .time_left_ms = 20000};
        compact.handover = (sw_view){(char *)handover, sw_handover_encode(&said, handover, sizeof(handover))};
    }
    if (!compact.payload_follows)
        compact.payload = payload;
    zmq_msg_t frame;
    assert_true(sw_compact_encode(&compact, &frame));
    sw_view first = {zmq_msg_data(&frame), zmq_msg_size(&frame)};
    if (compact.payload_follows)
        SEND(f, first, payload);
    else
        SEND(f, first);
    zmq_msg_close(&frame);
}

static void send_message(fixture *f, uint64_t tag, const char *method, uint32_t credit,
                         const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *room = malloc(size + 1);
    protobuf_c_message_pack(message, room);
    send_compact(f, SW_COMPACT_REQUEST, tag, method, credit, (sw_view){(char *)room, size});
    free(room);
}

/* The next reply in compact framing; its payload as a view into f->message. Returns its code. */
static uint32_t receive_any(fixture *f, sw_compact_command command, uint64_t tag, sw_view *payload)
{
    sw_compact compact;
    sw_reply_header header;
    sw_view first;
    if (!sw_batch_next(&f->rest, &first)) {
        receive_other(f);
        first = f->rest = sw_message_view(&f->message, 0);
        if (sw_batch_is(first))
            assert_true(sw_batch_next(&f->rest, &first));
        else
            f->rest = (sw_view){0};
    }
    assert_true(sw_compact_decode(first.data, first.size, &compact));
    assert_int_equal(compact.command, command);
    assert_int_equal(compact.tag, tag);
    assert_true(sw_reply_header_decode(compact.header.data, compact.header.size, &header));
    assert_int_equal(header.call_id, tag + 1000);
    assert_int_equal(header.timing.queue_us, 5);
    *payload = compact.payload_follows ? sw_message_view(&f->message, 1) : compact.payload;
    return header.code;
}

static sw_view receive_reply(fixture *f, sw_compact_command command, uint64_t tag, uint32_t code)
{
    sw_view payload;
    assert_int_equal(receive_any(f, command, tag, &payload), code);
    return payload;
}

static void test_compact(void **state)
{
    fixture *f = *state;
    expect_ready(f, 7);
    Sw__EchoRequest request = SW__ECHO_REQUEST__INIT;
    request.text = (char *)"hello";
    send_message(f, 0xfedcba9876543210U - 1000, ECHO "Echo", 0, &request.base);
    sw_view payload = receive_reply(f, SW_COMPACT_FINAL, 0xfedcba9876543210U - 1000, SW_OK);
    Sw__EchoReply *reply = sw__echo_reply__unpack(NULL, payload.size, (const uint8_t *)payload.data);
    assert_string_equal(reply->text, "hello");
    assert_string_equal(reply->caller, "ann");
    sw__echo_reply__free_unpacked(reply, NULL);
    /* A payload in a frame of its own, both ways; and one over the bound. */
    request.has_data = true;
    request.data.len = 90000;
    request.data.data = calloc(1, 200000);
    send_message(f, 2, ECHO "Echo", 0, &request.base);
    payload = receive_reply(f, SW_COMPACT_FINAL, 2, SW_OK);
    assert_true(payload.size > 90000);
    assert_int_equal(f->message.count, 2);
    request.data.len = 200000;
    send_message(f, 3, ECHO "Echo", 0, &request.base);
    receive_reply(f, SW_COMPACT_FINAL, 3, SW_RESOURCE_EXHAUSTED);
    free(request.data.data);
}

/* What is broken in a batch is dropped by itself. */
static void test_broken_in_a_batch(void **state)
{
    fixture *f = *state;
    expect_ready(f, 7);
    uint8_t room[512], handover[64];
    sw_handover said = {.caller = SW_VIEW("ann"), .queue_us = 5, .time_left_ms = 20000};
    sw_compact call = {.command = SW_COMPACT_REQUEST,
                       .tag = 1,
                       .header = encode_call(room, sizeof(room), ECHO "Echo", 1001, 0),
                       .handover = {(char *)handover, sw_handover_encode(&said, handover, sizeof(handover))}};
    zmq_msg_t frame;
    sw_batch batch = {0};
    memcpy(sw_batch_append(&batch, 6), "broken", 6);
    assert_true(sw_compact_encode(&call, &frame));
    memcpy(sw_batch_append(&batch, zmq_msg_size(&frame)), zmq_msg_data(&frame), zmq_msg_size(&frame));
    zmq_msg_close(&frame);
    assert_true(sw_batch_take(&batch, &frame));
    SEND(f, {zmq_msg_data(&frame), zmq_msg_size(&frame)});
    zmq_msg_close(&frame);
    receive_reply(f, SW_COMPACT_FINAL, 1, SW_OK);
}

static void test_mdp(void **state)
{
    fixture *f = *state;
    expect_ready(f, 7);
    uint8_t room[512];
    sw_view header = encode_call(room, sizeof(room), ECHO "Echo", 9, 0);
    SEND(f, SW_VIEW("MDPW02"), SW_VIEW("\x02"), SW_VIEW("\0\1address"), {0}, header, SW_VIEW("\x0a\x02hi"),
         {0});
    receive_other(f);
    assert_int_equal(mdp_command(f), 4);
    assert_int_equal(f->message.count, 6);
    assert_true(sw_view_equal(sw_message_view(&f->message, 2), SW_VIEW("\0\1address")));
    assert_int_equal(sw_message_view(&f->message, 3).size, 0);
    sw_reply_header reply;
    sw_view encoded = sw_message_view(&f->message, 4);
    assert_true(sw_reply_header_decode(encoded.data, encoded.size, &reply));
    assert_int_equal(reply.call_id, 9);
    assert_int_equal(reply.code, SW_OK);
    /* A stream with credit and its cancel. */
    header = encode_call(room, sizeof(room), ECHO "Stream", 10, 1);
    SEND(f, SW_VIEW("MDPW02"), SW_VIEW("\x02"), SW_VIEW("b"), {0}, header, SW_VIEW("\x08\x64"), {0});
    receive_other(f);
    assert_int_equal(mdp_command(f), 3);
    header = encode_call(room, sizeof(room), "", 10, 2);
    SEND(f, SW_VIEW("MDPW02"), SW_VIEW("\x11"), SW_VIEW("b"), {0}, header);
    for (int i = 0; i < 2; i++) {
        receive_other(f);
        assert_int_equal(mdp_command(f), 3);
    }
    SEND(f, SW_VIEW("MDPW02"), SW_VIEW("\x10"), SW_VIEW("b"), {0});
    receive_other(f);
    assert_int_equal(mdp_command(f), 4);
    encoded = sw_message_view(&f->message, 4);
    assert_true(sw_reply_header_decode(encoded.data, encoded.size, &reply));
    assert_int_equal(reply.code, SW_CANCELLED);
}

static void test_stream(void **state)
{
    fixture *f = *state;
    expect_ready(f, 7);
    Sw__StreamRequest request = SW__STREAM_REQUEST__INIT;
    request.has_count = true;
    request.count = 5;
    send_message(f, 1, ECHO "Stream", 2, &request.base);
    for (uint32_t i = 0; i < 5; i++) {
        sw_view payload = receive_reply(f, SW_COMPACT_PARTIAL, 1, SW_OK);
        Sw__EchoReply *reply = sw__echo_reply__unpack(NULL, payload.size, (const uint8_t *)payload.data);
        assert_int_equal(reply->number, i);
        sw__echo_reply__free_unpacked(reply, NULL);
        if (i == 1)
            assert_false(receive(f, HEARTBEAT_MS / 5) && mdp_command(f) != 5);
        if (i >= 1)
            send_compact(f, SW_COMPACT_CREDIT, 1, "", 1, (sw_view){0});
    }
    receive_reply(f, SW_COMPACT_FINAL, 1, SW_OK);
}

static void start_delay(fixture *f, uint64_t tag, uint32_t delay_ms)
{
    Sw__DelayRequest request = SW__DELAY_REQUEST__INIT;
    request.has_delay_ms = true;
    request.delay_ms = delay_ms;
    send_message(f, tag, ECHO "Delay", 0, &request.base);
}

static void test_cancel(void **state)
{
    fixture *f = *state;
    expect_ready(f, 7);
    start_delay(f, 1, 60000);
    start_delay(f, 2, 60000);
    send_compact(f, SW_COMPACT_CANCEL, 2, "", 0, (sw_view){0});
    receive_reply(f, SW_COMPACT_FINAL, 2, SW_CANCELLED);
    assert_int_equal(sw_dispatch_in_flight(sw_server_dispatch(f->server)), 1);
}

static void test_malformed(void **state)
{
    fixture *f = *state;
    expect_ready(f, 7);
    assert_true(zmq_send(f->router, f->worker, f->worker_size, ZMQ_SNDMORE) >= 0);
    for (int i = 0; i < 40; i++) /* more frames than any message has */
        assert_int_equal(zmq_send(f->router, "", 0, i < 39 ? ZMQ_SNDMORE : 0), 0);
    SEND(f, {0});
    SEND(f, SW_VIEW("MDPC02"), SW_VIEW("\x02"));
    SEND(f, SW_VIEW("MDPW02"), SW_VIEW("\x99"), SW_VIEW("a"), {0});
    SEND(f, SW_VIEW("MDPW02"), SW_VIEW("\x02"), {0}, {0}, {0}, {0}, {0});
    SEND(f, SW_VIEW("MDPW02"), SW_VIEW("\x02"), SW_VIEW("a"), {0}, {0}, {0});
    SEND(f, SW_VIEW("MDPW02"), SW_VIEW("\x02"), SW_VIEW("a"), {0}, {0}, {0}, SW_VIEW("\xff"));
    SEND(f, SW_VIEW("MDPW02"), SW_VIEW("\x11"), SW_VIEW("a"), {0}, SW_VIEW("\xff"));
    SEND(f, SW_VIEW("SW\x01"));
    SEND(f, SW_VIEW("SW\x01\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1")); /* a PARTIAL, to a worker */
    send_compact(f, SW_COMPACT_CANCEL, 77, "", 0, (sw_view){0});            /* a call that is not there */
    send_compact(f, SW_COMPACT_REQUEST, 1, "/x/Y", 0, (sw_view){0});
    receive_reply(f, SW_COMPACT_FINAL, 1, SW_UNIMPLEMENTED);
    assert_int_equal(f->malformed, 1); /* said once */
    send_compact(f, SW_COMPACT_REQUEST, 2, "/sitewire.rpc.v1.Stats/GetStats", 0, (sw_view){0});
    sw_view payload = receive_reply(f, SW_COMPACT_FINAL, 2, SW_OK);
    Sw__GetStatsResponse *stats =
        sw__get_stats_response__unpack(NULL, payload.size, (const uint8_t *)payload.data);
    bool found = false;
    for (size_t i = 0; i < stats->n_counters; i++)
        if (strcmp(stats->counters[i]->name, "malformed_frames") == 0) {
            found = true;
            assert_int_equal(stats->counters[i]->value, 10);
        }
    assert_true(found);
    sw__get_stats_response__free_unpacked(stats, NULL);
}

static void test_heartbeat(void **state)
{
    fixture *f = *state;
    expect_ready(f, 7);
    int64_t start = sw_now_ms();
    for (int i = 0; i < 4; i++) {
        assert_true(receive(f, PATIENCE_MS));
        assert_int_equal(mdp_command(f), 5);
        SEND(f, SW_VIEW("MDPW02"), SW_VIEW("\x05"));
    }
    assert_true(sw_now_ms() - start >= HEARTBEAT_MS);
    assert_int_equal(f->lost, 0);
    /* A silent broker: the worker comes with a new socket, and its calls are stopped. */
    start_delay(f, 1, 60000);
    char before[sizeof(f->worker)];
    memcpy(before, f->worker, sizeof(before));
    expect_ready(f, 7);
    assert_int_equal(f->lost, 1);
    assert_int_equal(f->echo.cancelled, 1);
    assert_memory_not_equal(before, f->worker, f->worker_size);
}

static void test_restart(void **state)
{
    fixture *f = *state;
    expect_ready(f, 7);
    assert_int_equal(sw_server_brokers(f->server), 1);
    start_delay(f, 1, 60000);
    while (sw_dispatch_in_flight(sw_server_dispatch(f->server)) == 0)
        turn(f);
    zmq_close(f->router);
    for (int64_t until = sw_now_ms() + PATIENCE_MS; f->lost == 0 && sw_now_ms() < until;)
        turn(f);
    assert_int_equal(f->lost, 1);
    assert_int_equal(f->echo.cancelled, 1);
    open_broker(f);
    expect_ready(f, 7);
    assert_int_equal(f->connected, 2);
    SEND(f, SW_VIEW("MDPW02"), SW_VIEW("\x06")); /* DISCONNECT */
    expect_ready(f, 7);
    send_compact(f, SW_COMPACT_REQUEST, 1, ECHO "Echo", 0, (sw_view){0});
    receive_reply(f, SW_COMPACT_FINAL, 1, SW_OK);
}

/* Listens where the broker was, and hangs up on everybody, like a balancer without a broker. */
static int open_balancer(const fixture *f)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, f->endpoint + strlen("ipc://"));
    unlink(address.sun_path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 10), 0);
    return fd;
}

/* However long a broker was away, the worker tries twice a second: with pauses that double, so many
 * attempts would take minutes. A hang-up is not reported as a refusal, and only once. */
static void test_long_outage(void **state)
{
    fixture *f = *state;
    expect_ready(f, 7);
    zmq_close(f->router);
    f->router = NULL;
    int balancer = open_balancer(f), attempts = 0;
    for (int64_t until = sw_now_ms() + PATIENCE_MS; attempts < 14 && sw_now_ms() < until; turn(f)) {
        int fd = accept(balancer, NULL, NULL);
        if (fd < 0)
            continue;
        attempts++;
        close(fd);
    }
    assert_int_equal(attempts, 14);
    assert_int_equal(f->hung_up, 1);
    close(balancer);
    open_broker(f);
    expect_ready(f, 7);
}

static void test_drain(void **state)
{
    fixture *f = *state;
    sw_error error;
    expect_ready(f, 7);
    start_delay(f, 1, 3 * HEARTBEAT_MS); /* sooner than the silent broker is given up */
    send_compact(f, SW_COMPACT_REQUEST, 2, "/sitewire.rpc.v1.Drain/Drain", 0, (sw_view){0});
    expect_ready(f, 0);
    receive_reply(f, SW_COMPACT_FINAL, 2, SW_OK);
    assert_true(sw_server_is_draining(f->server));
    send_compact(f, SW_COMPACT_REQUEST, 3, ECHO "Echo", 0, (sw_view){0}); /* crossed the hello */
    receive_reply(f, SW_COMPACT_FINAL, 3, SW_OK);
    receive_reply(f, SW_COMPACT_FINAL, 1, SW_OK);
    for (int i = 0; i < 2; i++)
        SEND(f, SW_VIEW("MDPW02"), SW_VIEW("\x05"));
    assert_int_equal(sw_loop_run(f->loop, &error), SW_OK); /* it stops by itself */
    receive_other(f);
    assert_int_equal(mdp_command(f), 6);
}

static void test_dismissed(void **state)
{
    fixture *f = *state;
    sw_error error;
    expect_ready(f, 7);
    sw_server_drain(f->server, 0);
    expect_ready(f, 0);
    SEND(f, SW_VIEW("MDPW02"), SW_VIEW("\x06"));
    int64_t start = sw_now_ms();
    assert_int_equal(sw_loop_run(f->loop, &error), SW_OK);
    assert_true(sw_now_ms() - start < PATIENCE_MS);
}

static void test_drain_timeout(void **state)
{
    fixture *f = *state;
    sw_error error;
    expect_ready(f, 7);
    start_delay(f, 1, 60000);
    while (sw_dispatch_in_flight(sw_server_dispatch(f->server)) == 0)
        turn(f);
    sw_server_drain(f->server, 60000);
    sw_server_drain(f->server, 10); /* the shorter one holds */
    assert_int_equal(sw_loop_run(f->loop, &error), SW_OK);
}

/* A broker that does not read for a while gets every message of a stream in the end. */
static void test_slow_broker(void **state)
{
    fixture *f = *state;
    expect_ready(f, 7);
    Sw__StreamRequest request = SW__STREAM_REQUEST__INIT;
    request.has_count = request.has_size = true;
    request.count = 40000; /* more than both high-water marks */
    request.size = 100;
    send_message(f, 1, ECHO "Stream", 65535, &request.base);
    for (int i = 0; i < 40000; i++) {
        if (i % 200 == 0) /* slow, but alive */
            SEND(f, SW_VIEW("MDPW02"), SW_VIEW("\x05"));
        receive_reply(f, SW_COMPACT_PARTIAL, 1, SW_OK);
    }
    receive_reply(f, SW_COMPACT_FINAL, 1, SW_OK);
}

/* Of replies beyond what may wait for the broker, each fails its own call. */
static void test_full(void **state)
{
    fixture *f = *state;
    enum { CALLS = 1000 };
    int counts[SW_CODE_COUNT] = {0};
    expect_ready(f, 7);
    Sw__EchoRequest request = SW__ECHO_REQUEST__INIT;
    request.has_data = true;
    request.data.len = 90000;
    request.data.data = calloc(1, 90000);
    for (int i = 1; i <= CALLS; i++) {
        send_message(f, (uint64_t)i, ECHO "Echo", 0, &request.base);
        turn(f);
    }
    free(request.data.data);
    for (int64_t until = sw_now_ms() + PATIENCE_MS; f->echo.echoed < CALLS && sw_now_ms() < until;)
        turn(f);
    for (int i = 1; i <= CALLS; i++) {
        sw_view payload;
        uint32_t code = receive_any(f, SW_COMPACT_FINAL, (uint64_t)i, &payload);
        counts[code < SW_CODE_COUNT ? code : SW_UNKNOWN]++;
    }
    assert_in_range(counts[SW_OK], 500, CALLS - 100);
    assert_int_equal(counts[SW_OK] + counts[SW_RESOURCE_EXHAUSTED], CALLS);
    assert_int_equal(f->lost, 0);
}

static void test_bad_options(void **state)
{
    fixture *f = *state;
    sw_error error;
    sw_server *server;
    sw_server_options options = {.process = "test", .endpoints = ""};
    assert_int_equal(sw_server_new(f->loop, &options, &server, &error), SW_INVALID_ARGUMENT);
    assert_null(server);
    options.endpoints = "nonsense";
    assert_int_equal(sw_server_new(f->loop, &options, &server, &error), SW_OK);
    assert_int_equal(sw_server_start(server, &error), SW_FAILED_PRECONDITION); /* no service */
    assert_int_equal(echo_add(sw_server_dispatch(server), &f->echo, &error), SW_OK);
    assert_int_equal(sw_server_start(server, &error), SW_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "nonsense"));
    sw_server_destroy(&server);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_compact),
        TEST(test_broken_in_a_batch),
        TEST(test_mdp),
        TEST(test_stream),
        TEST(test_cancel),
        TEST(test_malformed),
        TEST(test_heartbeat),
        TEST(test_restart),
        TEST(test_long_outage),
        TEST(test_drain),
        TEST(test_dismissed),
        TEST(test_slow_broker),
        TEST(test_drain_timeout),
        TEST(test_bad_options),
        cmocka_unit_test_setup_teardown(test_full, setup_unhurried, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
