/* The reference for calls without SQL: raw libzmq, a ROUTER/DEALER proxy between a client and a
 * worker.
 * raw proxy FRONT BACK | raw worker BACK [CONNINFO STATEMENT KEY] | raw client FRONT IN_FLIGHT
 * SECONDS PAYLOAD With a statement the worker runs that for each message, with the key for $1, and
 * sends the message back: the least that a call with SQL does by way of libzmq and libpq. */
#include "measure.h"

#include <libpq-fe.h>
#include <string.h>
#include <zmq.h>

static int fail(const char *what)
{
    fprintf(stderr, "raw: %s: %s\n", what, zmq_strerror(zmq_errno()));
    return 1;
}

static void *open_socket(void *context, int type)
{
    void *socket = zmq_socket(context, type);
    int unlimited = 0;
    zmq_setsockopt(socket, ZMQ_SNDHWM, &unlimited, sizeof(int));
    zmq_setsockopt(socket, ZMQ_RCVHWM, &unlimited, sizeof(int));
    zmq_setsockopt(socket, ZMQ_LINGER, &unlimited, sizeof(int));
    return socket;
}

static int run_proxy(void *context, char **argv)
{
    void *front = open_socket(context, ZMQ_ROUTER), *back = open_socket(context, ZMQ_DEALER);
    if (zmq_bind(front, argv[2]) != 0 || zmq_bind(back, argv[3]) != 0)
        return fail("bind");
    zmq_proxy(front, back, NULL);
    return 0;
}

static PGconn *prepare(char **argv)
{
    PGconn *connection = PQconnectdb(argv[3]);
    PGresult *result = PQprepare(connection, "s", argv[4], 1, NULL);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        fprintf(stderr, "raw: %s", PQerrorMessage(connection));
        exit(1);
    }
    PQclear(result);
    return connection;
}

static void run_statement(PGconn *connection, const char *key)
{
    PGresult *result = PQexecPrepared(connection, "s", 1, &key, NULL, NULL, 1);
    if (PQntuples(result) != 1)
        exit(1);
    PQclear(result);
}

static int run_worker(void *context, int argc, char **argv)
{
    PGconn *connection = argc == 6 ? prepare(argv) : NULL;
    void *socket = open_socket(context, ZMQ_DEALER);
    if (zmq_connect(socket, argv[2]) != 0)
        return fail("connect");
    for (;;) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, socket, 0) < 0)
            return fail("receive");
        int more = zmq_msg_more(&frame);
        if (!more && connection != NULL)
            run_statement(connection, argv[5]);
        if (zmq_msg_send(&frame, socket, more ? ZMQ_SNDMORE : 0) < 0)
            return fail("send");
    }
}

static int run_client(void *context, char **argv)
{
    uint32_t in_flight = (uint32_t)atoi(argv[3]);
    int64_t seconds_us = (int64_t)(atof(argv[4]) * 1e6);
    size_t size = (size_t)atoi(argv[5]);
    void *socket = open_socket(context, ZMQ_DEALER);
    char payload[65536] = {0};
    if (size < sizeof(int64_t) || size > sizeof(payload) || zmq_connect(socket, argv[2]) != 0)
        return fail("connect");
    measure m = {.latency_us = malloc(BENCH_SAMPLES * sizeof(uint32_t))};
    int64_t now = bench_now_us();
    memcpy(payload, &now, sizeof(now));
    for (uint32_t i = 0; i < in_flight; i++)
        zmq_send(socket, payload, size, 0);
    for (uint32_t warm = 0;; warm++) {
        if (zmq_recv(socket, payload, sizeof(payload), 0) < 0)
            return fail("receive");
        int64_t sent;
        memcpy(&sent, payload, sizeof(sent));
        now = bench_now_us();
        if (warm == in_flight * 10)
            m.started_us = now;
        if (warm > in_flight * 10)
            measure_add(&m, sent, now);
        if (m.started_us != 0 && now - m.started_us > seconds_us)
            break;
        memcpy(payload, &now, sizeof(now));
        zmq_send(socket, payload, size, 0);
    }
    m.ended_us = now;
    measure_print(&m);
    return 0;
}

int main(int argc, char **argv)
{
    void *context = zmq_ctx_new();
    if (argc == 4 && strcmp(argv[1], "proxy") == 0)
        return run_proxy(context, argv);
    if ((argc == 3 || argc == 6) && strcmp(argv[1], "worker") == 0)
        return run_worker(context, argc, argv);
    if (argc == 6 && strcmp(argv[1], "client") == 0)
        return run_client(context, argv);
    fprintf(stderr, "usage: raw proxy FRONT BACK | worker BACK [CONNINFO STATEMENT KEY] | client FRONT "
                    "IN_FLIGHT SECONDS PAYLOAD\n");
    return 2;
}
