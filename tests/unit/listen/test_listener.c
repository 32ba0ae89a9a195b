/* Our listener against libzmq's peers, with NULL and CURVE, and against our own ZMTP client: what
 * goes over it, who is admitted, and how refusals look to them. */
#include "zmtp_test.h"

#include "base/clock.h"
#include "listen/listener.h"
#include "net/keyfile.h"
#include "net/monitor.h"
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define MESSAGE_MAX (8U << 20)

static char folder[] = "/tmp/sw-listener-XXXXXX";
static sw_loop *loop;
static sw_listeners *all;
static sw_listener *listener;
static char endpoint[SW_ENDPOINT_SIZE];
static char server_public[41], server_secret[41];
static uint8_t secret_key[32];
static sw_listeners_options options;

/* What the owner under test saw and answers. */
static sw_admission answer;
static bool echoes;
static int asked, lost, arrived;
static sw_inbound *last;
static uint8_t last_key[32], own_key[32];
static char topics[256];

static sw_admission admit(void *context, sw_inbound *session)
{
    (void)context;
    asked++;
    last = session;
    if (sw_inbound_key(session) != NULL)
        memcpy(last_key, sw_inbound_key(session), 32);
    return answer;
}

static void note_topic(sw_arrival arrival, const sw_message *message)
{
    sw_view view = sw_message_view(message, 0);
    size_t used = strlen(topics);
    snprintf(topics + used, sizeof(topics) - used, "%c%.*s;", arrival == SW_ARRIVAL_SUBSCRIBE ? '+' : '-',
             (int)view.size, view.data);
}

static void on_read(void *context, sw_inbound *session)
{
    (void)context;
    sw_message message;
    for (sw_arrival arrival; (arrival = sw_inbound_next(session, &message)) != SW_ARRIVAL_NONE;) {
        arrived++;
        last = session;
        if (arrival != SW_ARRIVAL_MESSAGE)
            note_topic(arrival, &message);
        else if (echoes)
            assert_int_equal(sw_inbound_send(session, &message), 0);
        sw_message_close(&message);
    }
}

static void on_lost(void *context, sw_inbound *session)
{
    (void)context;
    lost++;
    if (last == session)
        last = NULL;
}

static const sw_listener_owner owner = {NULL, admit, on_read, on_lost, NULL};

static bool allows_null; /* the next listener with CURVE takes peers without it, too */

static void start(sw_socket_type type, bool curve, const char *where)
{
    sw_error error = {0};
    options.handshake_ms = PATIENCE_MS;
    options.connection_bytes = 64 << 20;
    if (options.limits.handshakes == 0)
        sw_listen_limits_derive(&options.limits, 10000, 256, 1000);
    sw_listener_options o = {.type = type,
                             .secret_key = curve || allows_null ? secret_key : NULL,
                             .allows_null = allows_null,
                             .is_network = sw_endpoint_is_network(where),
                             .share = SW_SHARE_NETWORK,
                             .message_max = MESSAGE_MAX,
                             .unsent_bytes = MESSAGE_MAX,
                             .unsent_messages = 10000,
                             .counts_unsent = true,
                             .heartbeat_ms = 50,
                             .silence_ms = PATIENCE_MS};
    answer = SW_ADMISSION_GOOD;
    echoes = true;
    asked = lost = arrived = 0;
    last = NULL;
    topics[0] = '\0';
    loop = sw_loop_new();
    all = sw_listeners_new(loop, &options);
    listener = sw_listener_new(all, &o, &owner);
    assert_non_null(listener);
    if (sw_listener_bind(listener, where, false, endpoint, &error) != SW_OK)
        fail_msg("%s", error.message);
}

static int stop(void **state)
{
    (void)state;
    sw_listeners_destroy(&all, 100);
    sw_loop_destroy(&loop);
    memset(&options, 0, sizeof(options));
    return 0;
}

static const char *ipc(void)
{
    static char text[128];
    static int number;
    snprintf(text, sizeof(text), "ipc://%s/%d", folder, number++);
    return text;
}

/* An abstract socket, whose name is the machine's: another run of this test must not have it. */
static const char *abstract(void)
{
    static char text[128];
    snprintf(text, sizeof(text), "ipc://@%s", folder);
    return text;
}

static void turn(int64_t wait_ms)
{
    sw_error error;
    assert_int_equal(sw_loop_once(loop, wait_ms, &error), SW_OK);
    sw_listeners_flush(all);
    sw_listeners_reap(all);
}

/* Turns the loop until the condition holds. */
#define UNTIL(condition)                                                                                     \
    do {                                                                                                     \
        int64_t until_ms = sw_now_ms() + PATIENCE_MS;                                                        \
        while (!(condition)) {                                                                               \
            assert_true(sw_now_ms() < until_ms);                                                             \
            turn(1);                                                                                         \
        }                                                                                                    \
    } while (0)

typedef struct peer {
    void *context, *socket, *monitor;
    char public_key[41];
} peer;

static const char *identity; /* of the next peer; NULL: none */

static void connect_peer(peer *p, int type, bool curve)
{
    char secret[41];
    p->context = zmq_ctx_new();
    p->socket = zmq_socket(p->context, type);
    p->monitor = sw_monitor_open(p->context, p->socket, ZMQ_EVENT_ALL);
    assert_non_null(p->monitor);
    if (curve) {
        zmq_curve_keypair(p->public_key, secret);
        assert_int_equal(zmq_setsockopt(p->socket, ZMQ_CURVE_SERVERKEY, server_public, 41), 0);
        zmq_setsockopt(p->socket, ZMQ_CURVE_PUBLICKEY, p->public_key, 41);
        zmq_setsockopt(p->socket, ZMQ_CURVE_SECRETKEY, secret, 41);
    }
    zmq_setsockopt(p->socket, ZMQ_IPV6, &(int){1}, sizeof(int));
    zmq_setsockopt(p->socket, ZMQ_LINGER, &(int){0}, sizeof(int));
    zmq_setsockopt(p->socket, ZMQ_HEARTBEAT_IVL, &(int){20}, sizeof(int));
    zmq_setsockopt(p->socket, ZMQ_HEARTBEAT_TIMEOUT, &(int){PATIENCE_MS}, sizeof(int));
    if (identity != NULL)
        zmq_setsockopt(p->socket, ZMQ_ROUTING_ID, identity, strlen(identity));
    if (type == ZMQ_SUB)
        zmq_setsockopt(p->socket, ZMQ_SUBSCRIBE, "a/", 2);
    assert_int_equal(zmq_connect(p->socket, endpoint), 0);
}

static void close_peer(peer *p)
{
    sw_monitor_close(p->socket, &p->monitor);
    zmq_close(p->socket);
    zmq_ctx_term(p->context);
}

static bool saw_event(const peer *p, int wanted, int32_t *value)
{
    for (int event; (event = sw_monitor_next(p->monitor, value)) != 0;)
        if (event == wanted)
            return true;
    return false;
}

/* --- messages --- */

/* TSan does not see how libzmq's thread hands over the bytes, and would look at each
 * (tsan.supp). */
__attribute__((no_sanitize("thread"))) static void check_pattern(const sw_message *message, int index,
                                                                 size_t size, int seed)
{
    sw_view view = sw_message_view(message, index);
    assert_int_equal(view.size, size);
    for (size_t i = 0; i < size; i++)
        if ((uint8_t)view.data[i] != (uint8_t)((size_t)seed + i * 7 + i / 251))
            fail_msg("byte %zu of %zu differs", i, size);
}

static void exchange(const char *where, bool curve, int type)
{
    static const size_t sizes[] = {0,    1,    32,   33,    222,   223,    255,    256,
                                   4063, 4096, 4097, 65527, 65536, 200000, 3000000};
    const int count = sizeof(sizes) / sizeof(sizes[0]);
    peer p;
    start(SW_SOCKET_ROUTER, curve, where);
    connect_peer(&p, type, curve);
    for (int round = 0; round < 2; round++) { /* each size alone, then all in one message */
        for (int i = 0; i < (round == 0 ? count : 1); i++) {
            sw_message message = {.count = 0};
            for (int n = i; n < (round == 0 ? i + 1 : count); n++)
                zmtp_add_pattern(&message, sizes[n], n);
            UNTIL(sw_message_send(p.socket, &message) == 0);
            UNTIL(sw_message_recv(p.socket, &message) == 0);
            assert_int_equal(message.count, round == 0 ? 1 : count);
            for (int n = 0; n < message.count; n++)
                check_pattern(&message, n, sizes[i + n], i + n);
            sw_message_close(&message);
        }
    }
    assert_int_equal(asked, 1);
    if (curve) {
        char text[41];
        sw_key_to_text(last_key, text);
        assert_string_equal(text, p.public_key);
    } else {
        assert_int_equal(sw_inbound_uid(last), strncmp(where, "ipc", 3) == 0 ? (int64_t)getuid() : -1);
    }
    close_peer(&p);
    UNTIL(lost == 1);
    stop(NULL);
}

static void test_dealer(void **state)
{
    (void)state;
    exchange(ipc(), false, ZMQ_DEALER);
    exchange("tcp://127.0.0.1:*", false, ZMQ_DEALER);
    exchange("tcp://127.0.0.1:*", true, ZMQ_DEALER);
    exchange(abstract(), true, ZMQ_DEALER);
}

static void test_ipv6(void **state)
{
    (void)state;
    sw_error error;
    start(SW_SOCKET_ROUTER, false, ipc());
    bool has_ipv6 = sw_listener_bind(listener, "tcp://[::1]:*", false, endpoint, &error) == SW_OK;
    stop(NULL);
    if (!has_ipv6)
        skip();
    exchange("tcp://[::1]:*", true, ZMQ_DEALER);
}

static void test_req(void **state)
{
    (void)state;
    exchange(ipc(), false, ZMQ_REQ);
    exchange("tcp://127.0.0.1:*", true, ZMQ_REQ);
}

/* Many messages at once arrive whole and in order. */
static void test_many(void **state)
{
    (void)state;
    for (int curve = 0; curve < 2; curve++) {
        peer p;
        start(SW_SOCKET_ROUTER, curve == 1, "tcp://127.0.0.1:*");
        connect_peer(&p, ZMQ_DEALER, curve == 1);
        for (int sent = 0, received = 0; received < 5000;) {
            sw_message message = {.count = 0};
            if (sent < 5000 && sent < received + 900) {
                zmtp_add_pattern(&message, (size_t)sent % 3000, sent);
                sent += sw_message_send(p.socket, &message) == 0;
                sw_message_close(&message);
            } else {
                turn(1);
            }
            for (; sw_message_recv(p.socket, &message) == 0; received++) {
                check_pattern(&message, 0, (size_t)received % 3000, received);
                sw_message_close(&message);
            }
        }
        close_peer(&p);
        stop(NULL);
    }
}

/* --- events --- */

static void send_event(const char *topic)
{
    sw_message message = {.count = 0};
    assert_true(sw_message_add(&message, topic, strlen(topic)) && sw_message_add(&message, "event", 5));
    assert_int_equal(sw_inbound_send(last, &message), 0);
}

static void test_subscriber(void **state)
{
    (void)state;
    for (int curve = 0; curve < 2; curve++) {
        peer p;
        sw_message message;
        start(SW_SOCKET_XPUB, curve == 1, "tcp://127.0.0.1:*");
        connect_peer(&p, ZMQ_SUB, curve == 1);
        UNTIL(strcmp(topics, "+a/;") == 0);
        zmq_setsockopt(p.socket, ZMQ_SUBSCRIBE, "", 0);
        UNTIL(strcmp(topics, "+a/;+;") == 0);
        zmq_setsockopt(p.socket, ZMQ_UNSUBSCRIBE, "a/", 2);
        UNTIL(strcmp(topics, "+a/;+;-a/;") == 0);
        send_event("a/b/c/");
        UNTIL(sw_message_recv(p.socket, &message) == 0);
        assert_int_equal(message.count, 2);
        assert_true(sw_view_equal(sw_message_view(&message, 0), SW_VIEW("a/b/c/")));
        sw_message_close(&message);
        close_peer(&p);
        UNTIL(lost == 1);
        stop(NULL);
    }
}

static void test_publisher(void **state)
{
    (void)state;
    for (int curve = 0; curve < 2; curve++) {
        peer p;
        start(SW_SOCKET_XSUB, curve == 1, "tcp://127.0.0.1:*");
        echoes = false;
        connect_peer(&p, ZMQ_PUB, curve == 1);
        UNTIL(zmq_send(p.socket, "x", 1, ZMQ_DONTWAIT) == 1 &&
              arrived > 0); /* what comes before we subscribe is lost */
        close_peer(&p);
        stop(NULL);
    }
}

/* --- admission --- */

static void check_refusal(sw_admission how, bool curve, int status, bool later)
{
    peer p;
    int32_t value = 0;
    start(SW_SOCKET_ROUTER, curve, "tcp://127.0.0.1:*");
    answer = later ? SW_ADMISSION_WAIT : how;
    identity = "sitewire-1";
    connect_peer(&p, ZMQ_DEALER, curve);
    identity = NULL;
    UNTIL(asked == 1);
    if (later)
        sw_listener_decide(last, how);
    UNTIL(saw_event(&p, ZMQ_EVENT_HANDSHAKE_FAILED_AUTH, &value));
    assert_int_equal(value, status);
    UNTIL(lost == 1);
    assert_int_equal(sw_listener_get_counters(listener)->refused, 1);
    assert_int_equal(sw_listener_get_counters(listener)->handshakes_failed, 0);
    close_peer(&p);
    stop(NULL);
}

static void test_refused(void **state)
{
    (void)state;
    for (int curve = 0; curve < 2; curve++) {
        check_refusal(SW_ADMISSION_REFUSED, curve == 1, 400, false);
        check_refusal(SW_ADMISSION_REFUSED, curve == 1, 400, true);
        check_refusal(SW_ADMISSION_LATER, curve == 1, 300, true);
    }
}

/* A peer that does not ask for an ERROR comes again, until it is admitted. */
static void test_comes_again(void **state)
{
    (void)state;
    for (int curve = 0; curve < 2; curve++) {
        peer p;
        int32_t value;
        start(SW_SOCKET_ROUTER, curve == 1, "tcp://127.0.0.1:*");
        answer = SW_ADMISSION_LATER;
        connect_peer(&p, ZMQ_DEALER, curve == 1);
        UNTIL(lost >= 2);
        answer = SW_ADMISSION_GOOD;
        UNTIL(saw_event(&p, ZMQ_EVENT_HANDSHAKE_SUCCEEDED, &value));
        close_peer(&p);
        stop(NULL);
    }
}

static void test_admitted_later(void **state)
{
    (void)state;
    peer p;
    int32_t value;
    start(SW_SOCKET_ROUTER, true, "tcp://127.0.0.1:*");
    answer = SW_ADMISSION_WAIT;
    connect_peer(&p, ZMQ_DEALER, true);
    UNTIL(asked == 1);
    assert_false(sw_inbound_is_up(last));
    assert_false(saw_event(&p, ZMQ_EVENT_HANDSHAKE_SUCCEEDED, &value));
    sw_listener_decide(last, SW_ADMISSION_GOOD);
    assert_true(sw_inbound_is_up(last));
    UNTIL(saw_event(&p, ZMQ_EVENT_HANDSHAKE_SUCCEEDED, &value));
    close_peer(&p);
}

static void test_mismatch(void **state)
{
    (void)state;
    peer p;
    int32_t value;
    start(SW_SOCKET_ROUTER, true, "tcp://127.0.0.1:*");
    connect_peer(&p, ZMQ_DEALER, false); /* has no key */
    UNTIL(saw_event(&p, ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, &value));
    assert_int_equal(value, ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH);
    UNTIL(sw_listener_get_counters(listener)->handshakes_failed > 0);
    assert_int_equal(asked, 0);
    close_peer(&p);
    char ours[41], secret[41];
    memcpy(ours, server_public, sizeof(ours));
    zmq_curve_keypair(server_public, secret); /* another broker's key */
    connect_peer(&p, ZMQ_DEALER, true);
    uint64_t failed = sw_listener_get_counters(listener)->handshakes_failed;
    sw_listener_failure failure; /* the first peer may have tried again */
    UNTIL(sw_listener_get_counters(listener)->handshakes_failed > failed &&
          sw_listener_take_failure(listener, &failure) &&
          strstr(failure.why, "not encrypted for this broker's key") != NULL);
    assert_int_equal(asked, 0);
    memcpy(server_public, ours, sizeof(ours));
    close_peer(&p);
}

static void test_wrong_socket(void **state)
{
    (void)state;
    peer p;
    start(SW_SOCKET_ROUTER, false, ipc());
    connect_peer(&p, ZMQ_SUB, false);
    UNTIL(sw_listener_get_counters(listener)->handshakes_failed > 0);
    assert_int_equal(asked, 0);
    close_peer(&p);
}

static int connect_tcp(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    address.sin_port = htons((uint16_t)atoi(strrchr(endpoint, ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* A balancer's look at us is no failed handshake; the same of others is. */
static void test_looks(void **state)
{
    sw_error error;
    for (int trusted = 0; trusted < 2; trusted++) {
        assert_int_equal(sw_networks_parse(&options.trusted, trusted ? "127.0.0.1" : "", &error), SW_OK);
        start(SW_SOCKET_ROUTER, false, "tcp://127.0.0.1:*");
        int fd = connect_tcp();
        UNTIL(sw_listeners_count(all) == 1);
        close(fd);
        UNTIL(sw_listeners_count(all) == 0);
        assert_int_equal(sw_listener_get_counters(listener)->handshakes_failed, !trusted);
        fd = connect_tcp();
        assert_int_equal(write(fd, "\xff", 1), 1);
        UNTIL(sw_listeners_count(all) == 1);
        close(fd);
        UNTIL(sw_listener_get_counters(listener)->handshakes_failed == 1U + !trusted);
        if (!trusted)
            stop(state);
    }
}

/* --- our own client --- */

static sw_zmtp *connect_own(bool curve)
{
    sw_address address;
    sw_curve_keys keys;
    char public_key[41], secret[41];
    assert_true(sw_address_parse(endpoint, &address));
    sw_zmtp *zmtp = sw_zmtp_connect(&address, MESSAGE_MAX, SIZE_MAX);
    if (!curve)
        return zmtp;
    zmq_curve_keypair(public_key, secret);
    assert_true(sw_key_from_text(public_key, keys.public_key) && sw_key_from_text(secret, keys.secret_key) &&
                sw_key_from_text(server_public, keys.server) && sw_zmtp_encrypt(zmtp, &keys));
    memcpy(own_key, keys.public_key, sizeof(own_key));
    return zmtp;
}

static void exchange_own(bool curve)
{
    sw_message message = {.count = 0};
    start(SW_SOCKET_ROUTER, curve, ipc());
    sw_zmtp *zmtp = connect_own(curve);
    UNTIL(sw_zmtp_work(zmtp) != SW_ZMTP_CONNECTING);
    assert_int_equal(sw_zmtp_now(zmtp), SW_ZMTP_UP);
    zmtp_add_pattern(&message, 5000000, 1);
    assert_int_equal(sw_zmtp_send(zmtp, &message), 0);
    UNTIL(sw_zmtp_work(zmtp) == SW_ZMTP_UP && sw_zmtp_recv(zmtp, &message) == 0);
    check_pattern(&message, 0, 5000000, 1);
    sw_message_close(&message);
    uint64_t heard = sw_zmtp_heard(zmtp);
    sw_zmtp_ping(zmtp);
    UNTIL(sw_zmtp_work(zmtp) == SW_ZMTP_UP && sw_zmtp_recv(zmtp, &message) == EAGAIN &&
          sw_zmtp_heard(zmtp) > heard);
    sw_inbound_end(last);
    UNTIL(lost == 1);
    UNTIL(sw_zmtp_work(zmtp) == SW_ZMTP_UP && sw_zmtp_recv(zmtp, &message) == EPIPE);
    sw_zmtp_close(&zmtp, 0);
    stop(NULL);
}

static void test_own_client(void **state)
{
    (void)state;
    exchange_own(false);
    exchange_own(true);
    assert_memory_equal(last_key, own_key, sizeof(own_key));
}

static void check_own_refusal(sw_admission how, sw_zmtp_state state)
{
    start(SW_SOCKET_ROUTER, true, ipc());
    answer = how;
    sw_zmtp *zmtp = connect_own(true);
    UNTIL(sw_zmtp_work(zmtp) != SW_ZMTP_CONNECTING);
    assert_int_equal(sw_zmtp_now(zmtp), state);
    sw_zmtp_close(&zmtp, 0);
    stop(NULL);
}

static void test_own_client_is_refused(void **state)
{
    (void)state;
    check_own_refusal(SW_ADMISSION_REFUSED, SW_ZMTP_REFUSED);
    check_own_refusal(SW_ADMISSION_LATER, SW_ZMTP_LATER);
    char ours[41], secret[41];
    memcpy(ours, server_public, sizeof(ours));
    zmq_curve_keypair(server_public, secret); /* another broker's key */
    check_own_refusal(SW_ADMISSION_GOOD, SW_ZMTP_HUNG_UP);
    assert_int_equal(asked, 0);
    memcpy(server_public, ours, sizeof(ours));
    start(SW_SOCKET_ROUTER, false, ipc());
    sw_zmtp *zmtp = connect_own(true);
    UNTIL(sw_zmtp_work(zmtp) != SW_ZMTP_CONNECTING);
    assert_int_equal(sw_zmtp_now(zmtp), SW_ZMTP_MISMATCH);
    sw_zmtp_close(&zmtp, 0);
    stop(NULL);
}

/* --- both mechanisms --- */

/* One listener takes peers with CURVE and without. */
static void test_both(void **state)
{
    (void)state;
    allows_null = true;
    for (int curve = 0; curve < 2; curve++) {
        exchange(ipc(), curve == 1, ZMQ_DEALER);
        exchange(ipc(), curve == 1, ZMQ_REQ);
        exchange("tcp://127.0.0.1:*", curve == 1, ZMQ_DEALER);
    }
    test_own_client(state);
    allows_null = false;
}

static void test_both_for_events(void **state)
{
    (void)state;
    allows_null = true;
    test_subscriber(state);
    test_publisher(state);
    allows_null = false;
}

static int connect_raw(void)
{
    sw_address address;
    assert_true(sw_address_parse(endpoint, &address));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address.storage, address.size), 0);
    return fd;
}

static const char greeting[64] = "\xff\0\0\0\0\0\0\0\0\x7f\3\1CURVE";

/* Bytes that the listener has sent, as many as there are; -1: it has hung up. */
static ssize_t read_greeting(int fd, char bytes[64])
{
    ssize_t size = recv(fd, bytes, 64, MSG_PEEK | MSG_DONTWAIT);
    return size == 0 ? -1 : size < 0 ? 0 : size;
}

/* It does not name its mechanism before the peer has: byte by byte or in one piece. */
static void test_peer_names_it_first(void **state)
{
    (void)state;
    char bytes[64];
    allows_null = true;
    start(SW_SOCKET_ROUTER, true, ipc());
    allows_null = false;
    int fd = connect_raw();
    UNTIL(read_greeting(fd, bytes) == 12);
    for (int i = 0; i < 11; i++) {
        assert_int_equal(write(fd, greeting + i, 1), 1);
        turn(0);
        turn(0);
    }
    assert_int_equal(read_greeting(fd, bytes), 12);
    assert_int_equal(write(fd, greeting + 11, sizeof(greeting) - 11), sizeof(greeting) - 11);
    UNTIL(read_greeting(fd, bytes) == 64);
    assert_string_equal(bytes + 12, "CURVE");
    assert_int_equal(bytes[32], 1);
    close(fd);
}

/* A peer that waits for it behind the version has only NULL, as our own client. */
static void test_peer_that_waits(void **state)
{
    (void)state;
    char bytes[64];
    allows_null = true;
    sw_listener_failure failure;
    start(SW_SOCKET_ROUTER, true, ipc());
    allows_null = false;
    int fd = connect_raw();
    assert_int_equal(write(fd, greeting, 12), 12);
    UNTIL(read_greeting(fd, bytes) == 64);
    assert_string_equal(bytes + 12, "NULL");
    assert_int_equal(bytes[32], 0);
    assert_int_equal(write(fd, greeting + 12, 52), 52);
    UNTIL(sw_listener_get_counters(listener)->handshakes_failed == 1);
    assert_true(sw_listener_take_failure(listener, &failure));
    assert_string_equal(failure.why, "the peer uses another mechanism: CURVE or none");
    assert_false(failure.is_limit || failure.has_key);
    assert_int_equal(asked, 0);
    close(fd);
}

/* Neither of the two. */
static void test_third_mechanism(void **state)
{
    (void)state;
    char plain[64];
    allows_null = true;
    start(SW_SOCKET_ROUTER, true, ipc());
    allows_null = false;
    memcpy(plain, greeting, sizeof(plain));
    memcpy(plain + 12, "PLAIN", 5);
    int fd = connect_raw();
    assert_int_equal(write(fd, plain, sizeof(plain)), sizeof(plain));
    UNTIL(sw_listener_get_counters(listener)->handshakes_failed == 1);
    assert_int_equal(asked, 0);
    close(fd);
}

static int prepare(void **state)
{
    (void)state;
    zmq_curve_keypair(server_public, server_secret);
    return mkdtemp(folder) == NULL || zmq_z85_decode(secret_key, server_secret) == NULL;
}

static int clean_up(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dealer),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_req),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_subscriber),
        cmocka_unit_test(test_publisher),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_comes_again),
        cmocka_unit_test_teardown(test_admitted_later, stop),
        cmocka_unit_test_teardown(test_mismatch, stop),
        cmocka_unit_test_teardown(test_wrong_socket, stop),
        cmocka_unit_test_teardown(test_looks, stop),
        cmocka_unit_test(test_own_client),
        cmocka_unit_test(test_own_client_is_refused),
        cmocka_unit_test(test_both),
        cmocka_unit_test(test_both_for_events),
        cmocka_unit_test_teardown(test_peer_names_it_first, stop),
        cmocka_unit_test_teardown(test_peer_that_waits, stop),
        cmocka_unit_test_teardown(test_third_mechanism, stop),
    };
    return cmocka_run_group_tests(tests, prepare, clean_up);
}
