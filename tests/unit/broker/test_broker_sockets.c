/* The whole broker in one process, with peers that do not behave: what it counts and whom it cuts
 * off. They are connected by socket pairs and work in this thread, so that nothing depends on
 * time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/log.h"
#include "broker/io/state.h"
#include "net/zmtp.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static sw_broker *broker;
static sw_loop *loop;
static sw_broker_options options;
static sw_zmtp *peers[8];
static size_t peer_count;
static char folder[] = "/tmp/sw-sockets-XXXXXX";
static char frontend[64], backend[64];

static int start(int64_t replies_max, int64_t replies_bytes)
{
    sw_error error = {0};
    sw_log_open("test", SW_LOG_ERROR, false);
    options = (sw_broker_options){.core = sw_core_defaults,
                                  .frontend = frontend,
                                  .backend = backend,
                                  .local_services = "*=*,sitewire.*",
                                  .connection_bytes = 64 << 20,
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
    while (peer_count > 0)
        sw_zmtp_close(&peers[--peer_count], 0);
    sw_broker_destroy(&broker);
    sw_loop_destroy(&loop);
    return 0;
}

static void turn(void)
{
    sw_error error;
    for (int i = 0; i < 3; i++)
        sw_loop_once(loop, 0, &error);
}

#define FRONT 2 /* sw_broker.sides: ipc */
#define BACK  0

/* A peer whose socket holds little, so that one which does not read is soon noticed. */
static sw_zmtp *connect_to(int side)
{
    int fds[2], small = 1;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    sw_listener_adopt(broker->sides[side].listener, fds[1]);
    sw_zmtp *peer = peers[peer_count++] = sw_zmtp_adopt(fds[0], 1 << 20, SIZE_MAX);
    for (int i = 0; i < 10 && sw_zmtp_work(peer) == SW_ZMTP_CONNECTING; i++)
        turn();
    assert_int_equal(sw_zmtp_now(peer), SW_ZMTP_UP);
    return peer;
}

typedef struct {
    const char *data;
    size_t size;
} part;

#define PART(text) ((part){text, sizeof(text) - 1})

static void say(sw_zmtp *peer, const part *parts, size_t count)
{
    sw_message message = {.count = 0};
    for (size_t i = 0; i < count; i++)
        assert_true(sw_message_add(&message, parts[i].data, parts[i].size));
    sw_zmtp_send(peer, &message);
    sw_message_close(&message);
    turn();
}

#define SAY(peer, ...)                                                                                       \
    say(peer, (const part[]){__VA_ARGS__}, sizeof((const part[]){__VA_ARGS__}) / sizeof(part))

static bool receive(sw_zmtp *peer, sw_message *message)
{
    turn();
    sw_zmtp_work(peer);
    return sw_zmtp_recv(peer, message) == 0;
}

/* Receives a message; true if one of its frames contains the text. */
static bool hears(sw_zmtp *peer, const char *text)
{
    sw_message message;
    bool found = false;
    if (!receive(peer, &message))
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
    sw_zmtp *client = connect_to(FRONT), *other = connect_to(FRONT);
    for (int i = 0; i < 2000 && broker->outbox.clients_cut_off == 0; i++)
        SAY(client, PART("MDPC02"), PART("\x01"), PART("mmi.service"), PART("echo"));
    assert_int_equal(broker->outbox.clients_cut_off, 1);
    SAY(client, PART("MDPC02"), PART("\x01"), PART("mmi.service"), PART("echo"));
    assert_int_equal(broker->malformed_frames, 0);
    SAY(other, PART("MDPC02"), PART("\x01"), PART("mmi.service"), PART("echo"));
    assert_true(hears(other, "404")); /* others are served */
    assert_int_equal(broker->outbox.clients_cut_off, 1);
}

/* Answers a plain call of a client with many bytes. */
static void serve(sw_zmtp *worker)
{
    static char bytes[4096];
    sw_message message;
    assert_true(receive(worker, &message));
    sw_view address = sw_message_view(&message, 2);
    SAY(worker, PART("MDPW02"), PART("\x04"), ((part){address.data, address.size}), PART(""),
        ((part){bytes, sizeof(bytes)}));
    sw_message_close(&message);
}

/* Its socket holds a few replies; then 5000 bytes may wait. */
static void a_client_with_too_many_unread_bytes(void **state)
{
    (void)state;
    sw_zmtp *client = connect_to(FRONT), *worker = connect_to(BACK);
    SAY(worker, PART("MDPW02"), PART("\x01"), PART("big"));
    int served = 0;
    for (; served < 100 && broker->outbox.clients_cut_off == 0; served++) {
        SAY(client, PART("MDPC02"), PART("\x01"), PART("big"), PART("x"));
        serve(worker);
    }
    assert_int_equal(broker->outbox.clients_cut_off, 1);
    assert_true(served >= 3);
    assert_true(served < 20);
}

/* A client that has left cannot be sent to, but it is not cut off. */
static void a_client_that_left(void **state)
{
    (void)state;
    sw_zmtp *client = connect_to(FRONT), *worker = connect_to(BACK);
    SAY(worker, PART("MDPW02"), PART("\x01"), PART("big"));
    SAY(client, PART("MDPC02"), PART("\x01"), PART("big"), PART("x"));
    sw_zmtp_close(&peers[0], 0);
    serve(worker);
    assert_int_equal(broker->outbox.clients_cut_off, 0);
    assert_int_equal(broker->malformed_frames, 0);
}

/* --- malformed messages --- */

static void malformed_messages_are_counted(void **state)
{
    (void)state;
    sw_zmtp *client = connect_to(FRONT), *worker = connect_to(BACK);
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
    sw_zmtp *client = connect_to(FRONT), *worker = connect_to(BACK);
    SAY(worker, PART("MDPW02"), PART("\x01"), PART("big"));
    SAY(client, PART("MDPC02"), PART("\x01"), PART("big"), ((part){(char *)bytes, size}), PART(""));
    serve(worker);
    assert_int_equal(broker->malformed_frames, 1);
    assert_true(hears(client, "malformed reply"));
}

static int make_folder(void **state)
{
    (void)state;
    bool made = mkdtemp(folder) != NULL;
    snprintf(frontend, sizeof(frontend), "ipc://%s/front", folder);
    snprintf(backend, sizeof(backend), "ipc://%s/back", folder);
    return !made;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_client_that_does_not_read, start_few_messages, stop),
        cmocka_unit_test_setup_teardown(a_client_with_too_many_unread_bytes, start_few_bytes, stop),
        cmocka_unit_test_setup_teardown(a_client_that_left, start_few_bytes, stop),
        cmocka_unit_test_setup_teardown(malformed_messages_are_counted, start_few_bytes, stop),
        cmocka_unit_test_setup_teardown(a_malformed_reply, start_few_bytes, stop),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
