/* The whole broker in one process, with peers that do not behave: what it counts and whom it cuts
 * off. Its endpoints are inproc, so that nothing depends on time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/log.h"
#include "broker/io/state.h"
#include <string.h>

static sw_broker *broker;
static sw_loop *loop;
static sw_broker_options options;
static void *sockets[8]; /* of peers */
static size_t socket_count;
static sw_side side; /* a test's own */

static int start(int64_t replies_max, int64_t replies_bytes)
{
    sw_error error = {0};
    sw_log_open("test", SW_LOG_ERROR, false);
    options = (sw_broker_options){.core = sw_core_defaults,
                                  .frontend = "inproc://front",
                                  .backend = "inproc://back",
                                  .local_services = "*=*,sitewire.*",
                                  .message_max = 1 << 20,
                                  .replies_max = replies_max,
                                  .replies_bytes = replies_bytes,
                                  .handshake_ms = 5000,
                                  .drain_ms = 1000};
    loop = sw_loop_new();
    return loop == NULL || sw_broker_new(loop, &options, &broker, &error) != SW_OK;
}

static int start_few_messages(void **state)
{
    (void)state;
    return start(1, 1 << 20);
}

static int start_few_bytes(void **state)
{
    (void)state;
    return start(1000, 5000);
}

static int stop(void **state)
{
    (void)state;
    while (socket_count > 0)
        zmq_close(sockets[--socket_count]);
    sw_side_close(&side);
    sw_broker_destroy(&broker);
    sw_loop_destroy(&loop);
    return 0;
}

static void *connect_to(const char *endpoint)
{
    const int none = 0, few = 1;
    void *socket = zmq_socket(broker->context, ZMQ_DEALER);
    assert_int_equal(zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof(none)), 0);
    assert_int_equal(zmq_setsockopt(socket, ZMQ_RCVHWM, &few, sizeof(few)), 0);
    assert_int_equal(zmq_connect(socket, endpoint), 0);
    return sockets[socket_count++] = socket;
}

static void turn(void)
{
    sw_error error;
    for (int i = 0; i < 3; i++)
        sw_loop_once(loop, 0, &error);
}

typedef struct {
    const char *data;
    size_t size;
} part;

#define PART(text) ((part){text, sizeof(text) - 1})

static void say(void *socket, const part *parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(
            zmq_send(socket, parts[i].data, parts[i].size, ZMQ_DONTWAIT | (i + 1 < count ? ZMQ_SNDMORE : 0)),
            parts[i].size);
    turn();
}

#define SAY(socket, ...)                                                                                     \
    say(socket, (const part[]){__VA_ARGS__}, sizeof((const part[]){__VA_ARGS__}) / sizeof(part))

/* Receives a message; true if one of its frames contains the text. */
static bool hears(void *socket, const char *text)
{
    sw_message message;
    bool found = false;
    if (sw_message_recv(socket, &message) != 0)
        return false;
    for (int i = 0; i < message.count; i++) {
        sw_view view = sw_message_view(&message, i);
        found |= view.size > 0 && memmem(view.data, view.size, text, strlen(text)) != NULL;
    }
    sw_message_close(&message);
    return found;
}

/* --- clients that do not read --- */

static void a_client_that_does_not_read(void **state)
{
    (void)state;
    void *client = connect_to("inproc://front"), *other = connect_to("inproc://front");
    for (int i = 0; i < 20; i++)
        SAY(client, PART("MDPC02"), PART("\x01"), PART("mmi.service"), PART("echo"));
    assert_int_equal(broker->outbox.clients_cut_off, 1); /* once, and ignored from then on */
    assert_int_equal(broker->malformed_frames, 0);
    SAY(other, PART("MDPC02"), PART("\x01"), PART("mmi.service"), PART("echo"));
    assert_true(hears(other, "404")); /* others are served */
    assert_int_equal(broker->outbox.clients_cut_off, 1);
}

/* Answers a plain call of a client with many bytes. */
static void serve(void *worker)
{
    static char bytes[4096];
    sw_message message;
    assert_int_equal(sw_message_recv(worker, &message), 0);
    sw_view address = sw_message_view(&message, 2);
    SAY(worker, PART("MDPW02"), PART("\x04"), ((part){address.data, address.size}), PART(""),
        ((part){bytes, sizeof(bytes)}));
    sw_message_close(&message);
}

static void a_client_with_too_many_unread_bytes(void **state)
{
    (void)state;
    void *client = connect_to("inproc://front"), *worker = connect_to("inproc://back");
    SAY(worker, PART("MDPW02"), PART("\x01"), PART("big"));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(broker->outbox.clients_cut_off, 0);
        SAY(client, PART("MDPC02"), PART("\x01"), PART("big"), PART("x"));
        serve(worker);
    }
    assert_int_equal(broker->outbox.clients_cut_off, 1);
}

/* A side of the test's own, and a peer there that does not read. `unsent_max` is in messages. */
static sw_peer *open_side(const char *endpoint, bool is_frontend, int unsent_max)
{
    const int one = 1;
    sw_error error;
    sw_peer *displaced;
    sw_message message;
    side = (sw_side){.name = "test", .is_frontend = is_frontend};
    assert_int_equal(sw_side_open(&side, broker->context, 1, &error), SW_OK);
    assert_int_equal(zmq_setsockopt(side.socket, ZMQ_SNDHWM, &unsent_max, sizeof(unsent_max)), 0);
    assert_int_equal(zmq_setsockopt(side.socket, ZMQ_ROUTER_MANDATORY, &one, sizeof(one)), 0);
    assert_int_equal(zmq_bind(side.socket, endpoint), 0);
    assert_int_equal(zmq_send(connect_to(endpoint), "x", 1, 0), 1);
    assert_int_equal(sw_message_recv(side.socket, &message), 0);
    sw_peer *peer = sw_side_peer(&side, &message.frames[0], &message.frames[1], &displaced);
    sw_message_close(&message);
    assert_non_null(peer);
    return peer;
}

static bool send_bytes(sw_outbox *outbox, sw_peer *peer, size_t size)
{
    static const char bytes[4096];
    sw_message out;
    bool built = sw_outbox_address(&out, peer) && sw_message_add(&out, bytes, size);
    return sw_outbox_send(outbox, peer, &out, built);
}

/* Sends to a peer that does not read until the outbox gives up. */
static void fill(sw_outbox *outbox, sw_peer *peer)
{
    bool sent = true;
    for (int i = 0; i < 100 && sent; i++)
        sent = send_bytes(outbox, peer, 1);
    assert_false(sent);
}

/* A client may have as many unsent bytes as the bound says. The message after more than that cuts
 * it off. */
static void the_bound_of_unread_bytes(void **state)
{
    (void)state;
    for (size_t more = 0; more < 2; more++) {
        sw_peer *peer = open_side(more ? "inproc://above" : "inproc://at-the-bound", true, 1000);
        sw_outbox outbox = {.loop = loop, .replies_bytes = peer->id_size + 4000};
        assert_true(send_bytes(&outbox, peer, 4000 + more));
        assert_int_equal(sw_unsent_bytes(peer->unsent), outbox.replies_bytes + more);
        assert_int_equal(send_bytes(&outbox, peer, 1), more == 0);
        assert_int_equal(outbox.clients_cut_off, more);
        sw_side_close(&side);
    }
}

/* A worker that does not read is cut off too, but it is not a client. */
static void a_worker_that_does_not_read(void **state)
{
    (void)state;
    static const char *const endpoints[] = {"inproc://worker-side", "inproc://client-side"};
    for (int is_client = 0; is_client < 2; is_client++) {
        sw_outbox outbox = {.loop = loop, .replies_bytes = 1000};
        sw_peer *peer = open_side(endpoints[is_client], is_client == 1, 1);
        fill(&outbox, peer);
        fill(&outbox, peer); /* broken already: not counted again */
        assert_true(peer->cut);
        assert_int_equal(outbox.clients_cut_off, is_client);
        assert_ptr_equal(sw_outbox_next_broken(&outbox), peer);
        assert_null(sw_outbox_next_broken(&outbox));
        sw_side_close(&side);
    }
}

/* A client that has left cannot be sent to, but it is not cut off. */
static void a_client_that_left(void **state)
{
    (void)state;
    const int one = 1;
    sw_error error;
    side = (sw_side){.name = "test", .is_frontend = true};
    sw_outbox outbox = {.loop = loop, .replies_bytes = 1000};
    assert_int_equal(sw_side_open(&side, broker->context, 1, &error), SW_OK);
    assert_int_equal(zmq_setsockopt(side.socket, ZMQ_ROUTER_MANDATORY, &one, sizeof(one)), 0);
    sw_peer gone = {.side = &side, .fd = -1, .id_size = 4, .id = "gone"};
    fill(&outbox, &gone);
    assert_false(gone.cut);
    assert_int_equal(outbox.clients_cut_off, 0);
    assert_ptr_equal(sw_outbox_next_broken(&outbox), &gone);
}

/* --- malformed messages --- */

static void malformed_messages_are_counted(void **state)
{
    (void)state;
    void *client = connect_to("inproc://front"), *worker = connect_to("inproc://back");
    SAY(client, PART("MDPC03"), PART("\x01"), PART("echo"), PART("x"));
    assert_int_equal(broker->malformed_frames, 1);
    SAY(client, PART("MDPC02"), PART("\x01"), PART("echo")); /* no body */
    SAY(client, PART("MDPC02"), PART("\x07"), PART("echo"), PART("x"));
    SAY(client, PART("SW\x01"));
    assert_int_equal(broker->malformed_frames, 4);
    SAY(worker, PART("MDPC02"), PART("\x01"), PART("echo"));
    SAY(worker, PART("MDPW02"), PART("\x01"));
    assert_int_equal(broker->malformed_frames, 6);
    SAY(client, PART("MDPC02"), PART("\x01"), PART("mmi.service"), PART("echo"));
    assert_int_equal(broker->malformed_frames, 6); /* a good one is not */
}

/* A plain worker that answers an RPC call with something else. */
static void a_malformed_reply(void **state)
{
    (void)state;
    uint8_t bytes[128];
    sw_call_header header = {.method = SW_VIEW("/big.Service/Get"), .call_id = 1, .time_left_ms = 1000};
    size_t size = sw_call_header_encode(&header, bytes, sizeof(bytes));
    void *client = connect_to("inproc://front"), *worker = connect_to("inproc://back");
    SAY(worker, PART("MDPW02"), PART("\x01"), PART("big"));
    SAY(client, PART("MDPC02"), PART("\x01"), PART("big"), ((part){(char *)bytes, size}), PART(""));
    serve(worker);
    assert_int_equal(broker->malformed_frames, 1);
    assert_true(hears(client, "malformed reply"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_client_that_does_not_read, start_few_messages, stop),
        cmocka_unit_test_setup_teardown(a_client_with_too_many_unread_bytes, start_few_bytes, stop),
        cmocka_unit_test_setup_teardown(the_bound_of_unread_bytes, start_few_bytes, stop),
        cmocka_unit_test_setup_teardown(a_client_that_left, start_few_bytes, stop),
        cmocka_unit_test_setup_teardown(a_worker_that_does_not_read, start_few_bytes, stop),
        cmocka_unit_test_setup_teardown(malformed_messages_are_counted, start_few_bytes, stop),
        cmocka_unit_test_setup_teardown(a_malformed_reply, start_few_bytes, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
