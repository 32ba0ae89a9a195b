/* What peers may cost a listener: bytes before and after the verdict, connections, time, and a
 * socket that nobody reads. The peers are raw: they send what a good library never does. */
#include "raw_peer.h"

#include "base/clock.h"
#include "listen/state.h"
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB         (1U << 20)
#define MESSAGE_MAX (1U << 20)

static sw_loop *loop;
static sw_listeners *all;
static sw_listener *listener;
static sw_admission answer;
static int arrived, lost;
static bool answers; /* calls were given to the services */
static sw_share share = SW_SHARE_LOCAL;
static size_t largest; /* bytes of the largest message that arrived */
static sw_inbound *last;

static sw_admission admit(void *context, sw_inbound *session)
{
    (void)context;
    last = session;
    return answer;
}

static void on_read(void *context, sw_inbound *session)
{
    (void)context;
    sw_message message;
    while (sw_inbound_next(session, &message) != SW_ARRIVAL_NONE) {
        size_t size = 0;
        for (int i = 0; i < message.count; i++)
            size += sw_message_view(&message, i).size;
        largest = size > largest ? size : largest;
        arrived++;
        sw_message_close(&message);
    }
}

static void on_lost(void *context, sw_inbound *session)
{
    (void)context;
    last = last == session ? NULL : last;
    lost++;
}

static bool answers_calls(void *context, sw_inbound *session)
{
    (void)context;
    (void)session;
    return answers;
}

static void start(sw_listeners_options *options)
{
    const sw_listener_owner owner = {NULL, admit, on_read, on_lost, answers_calls};
    const sw_listener_options o = {.type = SW_SOCKET_ROUTER,
                                   .share = share,
                                   .message_max = MESSAGE_MAX,
                                   .unsent_bytes = 100000,
                                   .unsent_messages = 1000,
                                   .counts_unsent = true};
    if (options->connection_bytes == 0)
        options->connection_bytes = 4 * MIB;
    if (options->handshake_ms == 0)
        options->handshake_ms = 60000;
    if (options->limits.handshakes == 0)
        sw_listen_limits_derive(&options->limits, 10000, 100, 100);
    answer = SW_ADMISSION_GOOD;
    arrived = lost = 0;
    largest = 0;
    loop = sw_loop_new();
    all = sw_listeners_new(loop, options);
    listener = sw_listener_new(all, &o, &owner);
    assert_non_null(listener);
}

static int stop(void **state)
{
    (void)state;
    sw_listeners_destroy(&all, 0);
    sw_loop_destroy(&loop);
    share = SW_SHARE_LOCAL;
    answers = false;
    return 0;
}

static void turn(void)
{
    sw_error error;
    assert_int_equal(sw_loop_once(loop, 0, &error), SW_OK);
    sw_listeners_flush(all);
    sw_listeners_reap(all);
}

static void turns(int count)
{
    while (count-- > 0)
        turn();
}

static int connect_up(void)
{
    int fd = raw_connect(listener);
    raw_shake(fd, "DEALER");
    turns(3);
    return fd;
}

/* Writes until the listener takes no more, at most `size` bytes. Returns what it took. */
static size_t pour(int fd, size_t size)
{
    static char zeros[65536];
    size_t done = 0;
    for (int idle = 0; done < size && idle < 3;) {
        size_t part = raw_write(fd, zeros, size - done < sizeof(zeros) ? size - done : sizeof(zeros));
        done += part;
        idle = part == 0 ? idle + 1 : 0;
        turn();
    }
    return done;
}

/* The head of a frame of `size` bytes, whose body the peer may never send. */
static void promise(int fd, int flags, uint64_t size)
{
    uint8_t head[9] = {(uint8_t)(flags | SW_FRAME_LONG)};
    for (int i = 0; i < 8; i++)
        head[1 + i] = (uint8_t)(size >> (56 - 8 * i));
    raw_write(fd, head, sizeof(head));
    turn();
}

/* --- before the verdict --- */

/* Four hundred frames of 5 MiB from somebody unknown took a broker on libzmq to 2,010 MiB. */
static void test_stranger(void **state)
{
    (void)state;
    sw_listeners_options options = {0};
    start(&options);
    answer = SW_ADMISSION_WAIT;
    for (int behind = 0; behind < 2; behind++) { /* instead of READY, and behind it */
        int fd = raw_connect(listener);
        size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
        raw_shake(fd, behind ? "DEALER" : "");
        turns(3);
        promise(fd, SW_FRAME_MORE, 5 * MIB);
        pour(fd, 5 * MIB);
        size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
        assert_true(after < before + 65536);
        turns(3);
        assert_true(raw_is_closed(fd));
        assert_int_equal(arrived, 0);
        close(fd);
    }
    assert_int_equal(sw_listeners_count(all), 0);
}

/* What a refused peer sends is not read on, however long its connection could stay. */
static void test_refused_stranger(void **state)
{
    (void)state;
    sw_listeners_options options = {0};
    start(&options);
    answer = SW_ADMISSION_REFUSED;
    int fds[2] = {connect_up(), connect_up()};
    assert_int_equal(sw_listeners_count(all), 2); /* until it has read why */
    assert_true(pour(fds[0], 5 * MIB) < MIB);
    turns(3);
    assert_int_equal(sw_listeners_count(all), 1);
    close(fds[0]);
    close(fds[1]);
}

/* An unfinished handshake costs a few hundred bytes, whatever part of it has come. */
static void test_cost_of_handshakes(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    static int fds[COUNT];
    static const char rest[54] = {1, 'N', 'U', 'L', 'L', [53] = SW_FRAME_COMMAND}; /* and half a head */
    sw_listeners_options options = {0};
    start(&options);
    all->options.limits.handshakes = COUNT;
    close(raw_connect(listener));
    turns(3);
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < COUNT; i++) {
        fds[i] = raw_connect(listener);
        turn(); /* its greeting leaves */
        if (i % 3 > 0)
            raw_write(fds[i], "\xff\0\0\0\0\0\0\0\0\x7f\3", 11);
        if (i % 3 > 1)
            raw_write(fds[i], rest, sizeof(rest));
    }
    turns(20);
    assert_int_equal(sw_listeners_count(all), COUNT);
    assert_true((mallinfo2().uordblks - before) / COUNT < 1000);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    turns(20);
    assert_int_equal(sw_listeners_count(all), 0);
}

/* --- messages --- */

/* All frames of a message count together. The connection ends before the rest is read. */
static void test_message_bound(void **state)
{
    (void)state;
    static char bytes[MESSAGE_MAX / 4];
    sw_listeners_options options = {0};
    start(&options);
    for (int over = 0; over < 2; over++) {
        int fd = connect_up();
        for (int i = 0; i < 4; i++) {
            promise(fd, i < 3 || over ? SW_FRAME_MORE : 0, sizeof(bytes));
            pour(fd, sizeof(bytes));
        }
        if (over) {
            promise(fd, 0, 1);
            assert_int_equal(lost, 2); /* with the one before */
            assert_true(raw_is_closed(fd));
        }
        assert_int_equal(arrived, 1);
        assert_int_equal(largest, MESSAGE_MAX);
        close(fd);
        turns(3);
    }
}

/* Many connections with half a message each: they count together. */
static void test_holding(void **state)
{
    (void)state;
    enum { COUNT = 20 };
    int fds[COUNT];
    sw_listeners_options options = {.connection_bytes = 4 * MIB};
    start(&options);
    for (int i = 0; i < COUNT; i++) {
        fds[i] = connect_up();
        promise(fds[i], 0, MIB);
        pour(fds[i], MIB / 2);
        assert_true(last == NULL || last->by_name->bytes <= 4 * MIB);
    }
    assert_int_equal(lost, COUNT - 4);
    assert_int_equal(pour(fds[0], MIB / 2), MIB / 2); /* those that were there go on */
    turns(3);
    assert_int_equal(arrived, 1);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    turns(3);
    assert_int_equal(all->holdings.slab.used, 0);
}

/* The frames of one message that have come count as well as those that are on the way. */
static void test_holding_of_frames(void **state)
{
    (void)state;
    sw_listeners_options options = {.connection_bytes = MIB};
    start(&options);
    int fds[2] = {connect_up(), connect_up()};
    promise(fds[0], 0, MIB / 2);
    for (int i = 0; i < 3; i++) {
        promise(fds[1], SW_FRAME_MORE, MIB / 4);
        pour(fds[1], MIB / 4);
        assert_int_equal(raw_is_closed(fds[1]), i == 2);
    }
    assert_false(raw_is_closed(fds[0]));
    close(fds[0]);
    close(fds[1]);
}

/* Connections of services count together, too; but whoever answers calls goes on, and nobody can
 * take the room of the small messages of another. */
static void test_holding_of_services(void **state)
{
    (void)state;
    enum { COUNT = 20 };
    int fds[COUNT];
    sw_listeners_options options = {.connection_bytes = 4 * MIB};
    share = SW_SHARE_SERVICES;
    start(&options);
    for (int i = 0; i < COUNT; i++) {
        fds[i] = connect_up();
        promise(fds[i], 0, MIB);
    }
    assert_int_equal(lost, COUNT - 4);
    int small = connect_up();
    promise(small, 0, SW_SERVICE_BYTES);
    pour(small, SW_SERVICE_BYTES);
    assert_int_equal(arrived, 1);
    answers = true;
    promise(small, 0, MIB);
    pour(small, MIB);
    assert_int_equal(arrived, 2);
    answers = false;
    promise(small, 0, SW_SERVICE_BYTES + 1);
    assert_true(raw_is_closed(small));
    close(small);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    turns(3);
    assert_int_equal(all->holdings.slab.used, 0);
}

/* --- a peer that does not read --- */

static int send_bytes(sw_inbound *session, size_t size)
{
    static char bytes[100000];
    sw_message message = {.count = 0};
    assert_true(sw_message_add(&message, bytes, size));
    int error = sw_inbound_send(session, &message);
    sw_message_close(&message);
    turn();
    return error;
}

static void test_unsent(void **state)
{
    (void)state;
    char bytes[65536];
    sw_listeners_options options = {0};
    start(&options);
    int fd = connect_up();
    sw_inbound *session = last;
    while (!session->is_blocked) /* the socket's own buffer */
        assert_int_equal(send_bytes(session, 1000), 0);
    size_t size = listener->options.unsent_bytes - session->unsent.bytes - 9;
    assert_int_equal(send_bytes(session, size), 0);
    assert_int_equal(session->unsent.bytes, listener->options.unsent_bytes); /* at the bound */
    assert_int_equal(send_bytes(session, 0), 0);
    assert_int_equal(send_bytes(session, 0), EAGAIN); /* above */
    assert_true(session->by_name->bytes >= session->unsent.bytes);
    assert_int_equal(session->by_name->bytes, session->unsent.held);
    size_t read = 0; /* what it reads then comes whole */
    for (ssize_t got; (got = raw_read(fd, bytes, sizeof(bytes))) > 0; read += (size_t)got)
        turn();
    assert_int_equal(session->unsent.bytes, 0);
    assert_false(session->is_blocked);
    assert_int_equal(send_bytes(session, 0), 0);
    close(fd);
}

static void test_unsent_messages(void **state)
{
    (void)state;
    sw_listeners_options options = {0};
    start(&options);
    listener->options.unsent_bytes = SIZE_MAX;
    int fd = connect_up();
    sw_inbound *session = last;
    size_t sent = 0;
    int error;
    while ((error = send_bytes(session, 10)) == 0)
        sent++;
    assert_int_equal(error, EAGAIN);
    assert_true(session->unsent.messages >= 1000);
    close(fd);
}

/* Memory counts, not bytes: a frame that is written in part is still there as a whole, and heads
 * between large frames have pieces of their own. */
static void test_memory_of_unsent(void **state)
{
    (void)state;
    static const size_t sizes[] = {5000, 100000};
    for (size_t i = 0; i < 2; i++) {
        sw_listeners_options options = {.connection_bytes = 4 * MIB};
        start(&options);
        listener->options.unsent_bytes = listener->options.unsent_messages = SIZE_MAX;
        int fds[30];
        size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
        for (int k = 0; k < 30; k++) {
            fds[k] = connect_up();
            while (send_bytes(last, sizes[i]) == 0)
                continue;
        }
        size_t held = mallinfo2().uordblks + mallinfo2().hblkhd - before;
        assert_true(last->by_name->bytes >= 3 * MIB);
        assert_true(held <= 4 * MIB + 30 * (sizes[i] + 20000)); /* one message each, and the rest of it */
        assert_true(last->by_name->bytes + 30 * 20000 >= held);
        for (int k = 0; k < 30; k++)
            close(fds[k]);
        stop(NULL);
    }
}

/* --- time and connections --- */

static void test_deadline(void **state)
{
    (void)state;
    sw_listeners_options options = {.handshake_ms = 50};
    start(&options);
    int fd = raw_connect(listener);
    struct pollfd hung_up = {.fd = fd, .events = 0};
    sw_error error;
    raw_write(fd, "\xff", 1);
    for (int64_t end = sw_now_ms() + 10000; poll(&hung_up, 1, 0) == 0 && sw_now_ms() < end;) {
        sw_loop_once(loop, 10, &error);
        sw_listeners_reap(all);
    }
    assert_int_equal(sw_listeners_count(all), 0);
    assert_int_equal(sw_listener_get_counters(listener)->handshakes_failed, 1);
    close(fd);
}

/* The oldest unfinished handshake makes room, so that others get through a crowd that is silent. */
static void test_crowd(void **state)
{
    (void)state;
    int fds[20];
    sw_listeners_options options = {.limits = {.shares = {100, 100, 100}, .handshakes = 10}};
    start(&options);
    for (int i = 0; i < 20; i++) {
        fds[i] = raw_connect(listener);
        turn();
    }
    assert_int_equal(sw_listeners_count(all), 10);
    assert_true(raw_is_closed(fds[9]));
    assert_false(raw_is_closed(fds[10]));
    int good = connect_up();
    assert_int_equal(all->handshakes[SW_SHARE_LOCAL].count, 9);
    assert_true(sw_inbound_is_up(last));
    close(good);
    for (int i = 0; i < 20; i++)
        close(fds[i]);
}

static void test_share(void **state)
{
    (void)state;
    int fds[4];
    sw_listeners_options options = {.limits = {.shares = {3, 3, 3}, .handshakes = 10}};
    start(&options);
    for (int i = 0; i < 4; i++)
        fds[i] = connect_up();
    assert_true(raw_is_closed(fds[3]));
    assert_false(raw_is_closed(fds[2]));
    assert_int_equal(sw_listener_get_counters(listener)->turned_away, 1);
    close(fds[0]);
    turns(3);
    close(fds[3]);
    fds[3] = connect_up(); /* there is room again */
    assert_true(sw_inbound_is_up(last));
    for (int i = 1; i < 4; i++)
        close(fds[i]);
}

/* A share that is full of unfinished handshakes is open for the next one: the oldest makes room. */
static void test_full_of_handshakes(void **state)
{
    (void)state;
    int fds[5];
    sw_listeners_options options = {.limits = {.shares = {4, 4, 4}, .handshakes = 10}};
    start(&options);
    fds[0] = connect_up();
    for (int i = 1; i < 5; i++) {
        fds[i] = raw_connect(listener);
        turn();
    }
    assert_false(raw_is_closed(fds[0]));
    assert_true(raw_is_closed(fds[1]));
    assert_false(raw_is_closed(fds[2]));
    int good = connect_up();
    assert_true(sw_inbound_is_up(last));
    assert_true(raw_is_closed(fds[2]));
    assert_false(raw_is_closed(fds[3]));
    assert_int_equal(sw_listeners_count(all), 4);
    assert_int_equal(all->open[SW_SHARE_LOCAL], 4);
    close(good);
    for (int i = 0; i < 5; i++)
        close(fds[i]);
    turns(3);
    assert_int_equal(all->open[SW_SHARE_LOCAL], 0);
}

static void test_limits(void **state)
{
    (void)state;
    sw_listen_limits limits;
    sw_listen_limits_derive(&limits, 1200, 256, 1024);
    assert_int_equal(limits.shares[SW_SHARE_SERVICES], 113);
    assert_int_equal(limits.shares[SW_SHARE_LOCAL], 340);
    assert_int_equal(limits.shares[SW_SHARE_NETWORK], 683);
    assert_int_equal(limits.address_connections, 341);
    assert_int_equal(limits.handshakes, 170);
    sw_listen_limits_derive(&limits, 10, 256, 1024); /* it still starts */
    assert_int_equal(limits.shares[SW_SHARE_NETWORK], 16);
    sw_listen_limits_derive(&limits, UINT64_MAX, 256, 1024);
    assert_int_equal(limits.shares[SW_SHARE_NETWORK], 200000);
    assert_int_equal(limits.address_connections, 1024);
}

static void test_networks(void **state)
{
    (void)state;
    static const char *const wrong[] = {"x",      "10.0.0.0/33",      "10.0.0.0/",  "10.0.0.0/x",
                                        "::/129", "1.2.3.4,,5.6.7.8", "10.0.0.0/-1"};
    static const struct {
        const char *address;
        bool inside;
    } cases[] = {{"10.1.2.3", true},     {"10.2.0.0", false}, {"192.168.1.1", true},
                 {"192.168.1.2", false}, {"fd00::1", true},   {"fe00::1", false}};
    sw_networks networks;
    sw_error error;
    assert_int_equal(sw_networks_parse(&networks, NULL, &error), SW_OK);
    assert_int_equal(networks.count, 0);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(sw_networks_parse(&networks, wrong[i], &error), SW_INVALID_ARGUMENT);
    assert_int_equal(sw_networks_parse(&networks, "10.1.0.0/16,192.168.1.1,fd00::/8", &error), SW_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        sw_networks one;
        assert_int_equal(sw_networks_parse(&one, cases[i].address, &error), SW_OK);
        assert_int_equal(sw_networks_contain(&networks, one.items[0].address), cases[i].inside);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_stranger, stop),
        cmocka_unit_test_teardown(test_refused_stranger, stop),
        cmocka_unit_test_teardown(test_cost_of_handshakes, stop),
        cmocka_unit_test_teardown(test_message_bound, stop),
        cmocka_unit_test_teardown(test_holding, stop),
        cmocka_unit_test_teardown(test_holding_of_frames, stop),
        cmocka_unit_test_teardown(test_holding_of_services, stop),
        cmocka_unit_test_teardown(test_unsent, stop),
        cmocka_unit_test_teardown(test_unsent_messages, stop),
        cmocka_unit_test(test_memory_of_unsent),
        cmocka_unit_test_teardown(test_deadline, stop),
        cmocka_unit_test_teardown(test_crowd, stop),
        cmocka_unit_test_teardown(test_share, stop),
        cmocka_unit_test_teardown(test_full_of_handshakes, stop),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
