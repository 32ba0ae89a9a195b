/* Measures of events. PUBLISH: to a broker, as the relay does it, or to raw subscribers; WATCH:
 * with libsitewire; SUBSCRIBE: raw libzmq, the reference; LATENCY: from a commit to the callback.
 *
 * events publish ENDPOINT COUNT
 * events bind ENDPOINT COUNT SUBSCRIBERS
 * events watch EVENTS COUNT
 * events subscribe ENDPOINT COUNT
 * events latency EVENTS CONNINFO COUNT */
#include "measure.h"

#include "sitewire/deployment/v1/deployment.pb-c.h"
#include <libpq-fe.h>
#include <sitewire/watch.h>
#include <string.h>
#include <zmq.h>

#define TOPIC       "test.bench/state/website:bench/"
#define PROJECT     "website:bench"
#define SIZE        200 /* bytes of an event */
#define PATIENCE_MS 60000

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "events: %s: %s\n", what, why);
    return 1;
}

/* --- out --- */

static size_t event_bytes(int64_t number, int64_t start, uint8_t bytes[2 * SIZE])
{
    char payload[SIZE];
    Sw__Event event = SW__EVENT__INIT;
    Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    event.has_position = event.has_project_sequence = event.has_deployment = event.has_previous_position = 1;
    event.position = start + number;
    event.project = (char *)PROJECT;
    event.project_sequence = number;
    event.deployment = 1;
    event.kind = (char *)"state";
    event.at = &at;
    at.seconds = 1795526312;
    at.nanos = 540295000;
    event.previous_position = number > 1 ? event.position - 1 : 0;
    memset(payload, 'x', sizeof(payload));
    payload[SIZE - 1] = '\0';
    event.payload = payload;
    size_t more = sw__event__get_packed_size(&event);
    payload[SIZE - 1 - (more - SIZE)] = '\0';
    return sw__event__pack(&event, bytes);
}

static int publish(void *socket, int64_t count)
{
    uint8_t bytes[2 * SIZE];
    int64_t now = bench_now_us(), start = 1000000000000 + now;
    for (int64_t i = 1; i <= count; i++) {
        size_t size = event_bytes(i, start, bytes);
        if (zmq_send(socket, TOPIC, sizeof(TOPIC) - 1, ZMQ_SNDMORE) < 0 ||
            zmq_send(socket, bytes, size, 0) < 0)
            return fail("send", zmq_strerror(zmq_errno()));
    }
    printf("{\"started_us\": %lld}\n", (long long)now);
    fflush(stdout);
    return getchar() == EOF ? 0 : 0; /* until the others have all of it */
}

static void *open_socket(int type)
{
    void *socket = zmq_socket(zmq_ctx_new(), type);
    int unlimited = 0;
    zmq_setsockopt(socket, ZMQ_SNDHWM, &unlimited, sizeof(int));
    zmq_setsockopt(socket, ZMQ_RCVHWM, &unlimited, sizeof(int));
    return socket;
}

/* An XPUB tells when the broker, or all subscribers, are there. */
static int run_publisher(bool binds, char **argv, int subscribers)
{
    void *socket = open_socket(ZMQ_XPUB);
    int verbose = 1;
    char subscription[64];
    zmq_setsockopt(socket, ZMQ_XPUB_VERBOSE, &verbose, sizeof(int));
    if ((binds ? zmq_bind(socket, argv[2]) : zmq_connect(socket, argv[2])) != 0)
        return fail(argv[2], zmq_strerror(zmq_errno()));
    for (int i = 0; i < subscribers; i++)
        if (zmq_recv(socket, subscription, sizeof(subscription), 0) < 0)
            return fail("receive", zmq_strerror(zmq_errno()));
    puts("ready");
    fflush(stdout);
    return getchar() == EOF ? 1 : publish(socket, atoll(argv[3]));
}

/* --- in --- */

typedef struct counter {
    int64_t count, last_us;
} counter;

static int report(const counter *c, int64_t expected)
{
    printf("{\"count\": %lld, \"ended_us\": %lld}\n", (long long)c->count, (long long)c->last_us);
    return c->count == expected ? 0 : 1;
}

static int run_subscriber(char **argv)
{
    counter c = {0};
    int64_t count = atoll(argv[3]);
    void *socket = open_socket(ZMQ_SUB);
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "deployment/", 11);
    if (zmq_connect(socket, argv[2]) != 0)
        return fail(argv[2], zmq_strerror(zmq_errno()));
    while (c.count < count) {
        if (zmq_msg_recv(&frame, socket, 0) < 0)
            return fail("receive", zmq_strerror(zmq_errno()));
        c.count += !zmq_msg_more(&frame);
    }
    c.last_us = bench_now_us();
    return report(&c, count);
}

static void count_event(const sw_event *event, void *context)
{
    counter *c = context;
    c->count += strcmp(event->project, PROJECT) == 0;
}

static sw_watch *open_watch(const char *events, counter *c)
{
    static const char *const projects[] = {PROJECT};
    sw_watch_options options = {.size = sizeof(options),
                                .endpoints = events,
                                .projects = projects,
                                .project_count = 1,
                                .fn = count_event,
                                .context = c};
    sw_client *client;
    sw_watch *watch = NULL;
    sw_error error;
    if (sw_client_open(NULL, NULL, &client, &error) != SW_OK ||
        sw_watch_open(client, &options, &watch, &error) != SW_OK) {
        fail("open", error.message);
        exit(1);
    }
    sw_watch_status status = {0};
    while (!sw_watch_is_ready(watch) || !status.subscribed) {
        sw_watch_process(watch, 10);
        sw_watch_get_status(watch, &status);
    }
    sw_watch_process(watch, 500); /* the subscription has come to the broker */
    return watch;
}

static int run_watch(char **argv)
{
    counter c = {0};
    int64_t count = atoll(argv[3]), started_us = bench_now_us();
    sw_watch *watch = open_watch(argv[2], &c);
    puts("ready");
    fflush(stdout);
    while (c.count < count && bench_now_us() - started_us < PATIENCE_MS * 1000LL)
        sw_watch_process(watch, 1000);
    c.last_us = bench_now_us();
    sw_watch_status status;
    sw_watch_get_status(watch, &status);
    if (status.gaps > 0)
        fprintf(stderr, "events: %llu gaps, %llu events filled\n", (unsigned long long)status.gaps,
                (unsigned long long)status.filled);
    return report(&c, count);
}

/* What a call leaves, made by hand: so it is known when it is committed. */
static int run_latency(char **argv)
{
    counter c = {0};
    measure m = {.latency_us = malloc(BENCH_SAMPLES * sizeof(uint32_t))};
    sw_watch *watch = open_watch(argv[2], &c);
    PGconn *connection = PQconnectdb(argv[3]);
    m.started_us = bench_now_us();
    for (int64_t i = 1, count = atoll(argv[4]); i <= count; i++) {
        PGresult *result =
            PQexec(connection,
                   "INSERT INTO deployment.outbox (project, deployment, kind, payload) "
                   "VALUES ('" PROJECT "', 1, 'state', '{\"status\":\"DONE\"}'); NOTIFY deployment_outbox");
        int64_t committed_us = bench_now_us();
        if (PQresultStatus(result) != PGRES_COMMAND_OK)
            return fail("insert", PQerrorMessage(connection));
        PQclear(result);
        while (c.count < i)
            if (sw_watch_process(watch, 1000) < 0)
                return fail("watch", sw_watch_error(watch)->message);
        measure_add(&m, committed_us, bench_now_us());
    }
    m.ended_us = bench_now_us();
    measure_print(&m);
    return 0;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    if (argc == 4 && strcmp(mode, "publish") == 0)
        return run_publisher(false, argv, 1);
    if (argc == 5 && strcmp(mode, "bind") == 0)
        return run_publisher(true, argv, atoi(argv[4]));
    if (argc == 4 && strcmp(mode, "watch") == 0)
        return run_watch(argv);
    if (argc == 4 && strcmp(mode, "subscribe") == 0)
        return run_subscriber(argv);
    if (argc == 5 && strcmp(mode, "latency") == 0)
        return run_latency(argv);
    fprintf(stderr,
            "usage: events publish ENDPOINT COUNT | bind ENDPOINT COUNT SUBSCRIBERS | watch EVENTS COUNT | "
            "subscribe ENDPOINT COUNT | latency EVENTS CONNINFO COUNT\n");
    return 2;
}
