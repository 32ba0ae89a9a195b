/* Socket monitors: what they tell, and that closing one leaves ZeroMQ's I/O thread at work. */
#include "net/monitor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#define PATIENCE_MS 10000

static int await_event(void *monitor, int wanted)
{
    int event = 0;
    zmq_pollitem_t item = {.socket = monitor, .events = ZMQ_POLLIN};
    while (event != wanted && zmq_poll(&item, 1, PATIENCE_MS) > 0)
        while (event != wanted && (event = sw_monitor_next(monitor, NULL)) != 0)
            continue;
    return event;
}

/* The I/O thread lives: two new sockets of the context find each other. */
static void check_io_thread(void *context, const char *folder)
{
    char endpoint[64];
    snprintf(endpoint, sizeof(endpoint), "ipc://%s/s", folder);
    void *server = zmq_socket(context, ZMQ_ROUTER), *client = zmq_socket(context, ZMQ_DEALER);
    void *monitor = sw_monitor_open(context, client, ZMQ_EVENT_ALL);
    assert_non_null(monitor);
    assert_int_equal(zmq_bind(server, endpoint), 0);
    assert_int_equal(zmq_connect(client, endpoint), 0);
    assert_int_equal(await_event(monitor, ZMQ_EVENT_HANDSHAKE_SUCCEEDED), ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    zmq_close(server);
    assert_int_equal(await_event(monitor, ZMQ_EVENT_DISCONNECTED), ZMQ_EVENT_DISCONNECTED);
    sw_monitor_close(client, &monitor);
    assert_null(monitor);
    sw_monitor_close(client, &monitor);
    zmq_close(client);
}

/* Events come without end while the monitor is closed. */
static void closing_blocks_nobody(void **state)
{
    (void)state;
    char folder[] = "/tmp/sw-monitor-XXXXXX", nobody[64];
    assert_non_null(mkdtemp(folder));
    snprintf(nobody, sizeof(nobody), "ipc://%s/nobody", folder);
    void *context = zmq_ctx_new();
    const int often = 1;
    for (int i = 0; i < 50; i++) {
        void *socket = zmq_socket(context, ZMQ_DEALER);
        assert_int_equal(zmq_setsockopt(socket, ZMQ_RECONNECT_IVL, &often, sizeof(often)), 0);
        void *monitor = sw_monitor_open(context, socket, ZMQ_EVENT_ALL);
        assert_non_null(monitor);
        assert_int_equal(zmq_connect(socket, nobody), 0);
        assert_int_equal(await_event(monitor, ZMQ_EVENT_CLOSED), ZMQ_EVENT_CLOSED);
        sw_monitor_close(socket, &monitor);
        check_io_thread(context, folder);
        /* And again on the same socket, under whatever name is free. */
        assert_non_null(monitor = sw_monitor_open(context, socket, ZMQ_EVENT_ALL));
        assert_int_equal(await_event(monitor, ZMQ_EVENT_CLOSED), ZMQ_EVENT_CLOSED);
        sw_monitor_close(socket, &monitor);
        zmq_close(socket);
    }
    zmq_ctx_term(context);
    snprintf(nobody, sizeof(nobody), "%s/s", folder);
    unlink(nobody);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(closing_blocks_nobody)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
