/* echo-service: sitewire.test.v1.Echo as a process, for end-to-end tests of streams, cancellation
 * and drain. Options as for the real services; SIGTERM drains, a second one ends it at once. */
#include "base/error.h"
#include "echo.h"
#include "program/program.h"
#include "worker/server.h"
#include <zmq.h>

static struct {
    const char *backend, *instance;
    int64_t capacity, heartbeat_ms, drain_ms;
} settings;

static const sw_option options[] = {
    {"backend", 0, SW_OPTION_STRING, &settings.backend, NULL, 0, 0, "ENDPOINTS", "brokers' backends",
     SW_RESTART},
    {"instance", 0, SW_OPTION_STRING, &settings.instance, NULL, 0, 0, "NAME", "name of this process",
     SW_RESTART},
    {"capacity", 0, SW_OPTION_NUMBER, &settings.capacity, "256", 1, 65535, NULL, "calls at once", SW_RESTART},
    {"heartbeat-ms", 0, SW_OPTION_NUMBER, &settings.heartbeat_ms, "500", 10, 60000, "ms", "heartbeats",
     SW_RESTART},
    {"drain-ms", 0, SW_OPTION_NUMBER, &settings.drain_ms, "30000", 1, 86400000, "ms", "time to drain",
     SW_LIVE},
    {0}};

typedef struct {
    sw_loop *loop;
    sw_server *server;
    echo methods;
} state;

static void on_stop(void *context, const char *name, int count)
{
    (void)name;
    state *s = context;
    if (count > 1 || sw_server_is_draining(s->server))
        sw_loop_stop(s->loop);
    else
        sw_server_drain(s->server, settings.drain_ms);
}

static sw_code start(void *context, sw_error *error)
{
    state *s = context;
    s->loop = sw_loop_new();
    if (s->loop == NULL ||
        sw_loop_fd(s->loop, sw_program_fd(), ZMQ_POLLIN, sw_program_process, NULL) != SW_OK)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    const sw_server_options server = {.process = "echo",
                                      .instance = settings.instance,
                                      .version = SW_VERSION,
                                      .endpoints = settings.backend,
                                      .capacity = (uint32_t)settings.capacity,
                                      .heartbeat_ms = settings.heartbeat_ms,
                                      .drain_ms = settings.drain_ms,
                                      .schema = echo_schema,
                                      .schema_size = echo_schema_size};
    s->methods = (echo){.loop = s->loop, .instance = settings.instance};
    sw_code code = sw_server_new(s->loop, &server, &s->server, error);
    if (code == SW_OK)
        code = echo_add(sw_server_dispatch(s->server), &s->methods, error);
    return code == SW_OK ? sw_server_start(s->server, error) : code;
}

static sw_code run(void *context, sw_error *error)
{
    return sw_loop_run(((state *)context)->loop, error);
}

static void stop(void *context)
{
    state *s = context;
    sw_server_destroy(&s->server);
    sw_loop_destroy(&s->loop);
}

int main(int argc, char **argv)
{
    static const sw_program program = {.name = "echo-service",
                                       .about = "Echoes, for tests.",
                                       .options = options,
                                       .start = start,
                                       .run = run,
                                       .stop = stop,
                                       .on_stop = on_stop};
    static state s;
    return sw_program_main(&program, &s, argc, argv);
}
