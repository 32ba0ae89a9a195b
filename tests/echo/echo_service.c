/* echo-service: sitewire.test.v1.Echo as a process, for end-to-end tests of streams, cancellation and drain.
 * Options as for the real services; SIGTERM drains, a second one ends it at once. */
#include "base/option.h"
#include "echo.h"
#include "worker/server.h"
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <zmq.h>

static struct {
    const char *backend, *instance;
    int64_t capacity, heartbeat_ms, drain_ms;
} options;

static const sw_option table[] = {
    {"backend", 0, SW_OPTION_STRING, &options.backend, "SITEWIRE_BACKEND", NULL, 0, 0, "ENDPOINTS",
     "brokers' backends"},
    {"instance", 0, SW_OPTION_STRING, &options.instance, NULL, NULL, 0, 0, "NAME", "name of this process"},
    {"capacity", 0, SW_OPTION_NUMBER, &options.capacity, NULL, "256", 1, 65535, NULL, "calls at once"},
    {"heartbeat-ms", 0, SW_OPTION_NUMBER, &options.heartbeat_ms, NULL, "500", 10, 60000, "ms", "heartbeats"},
    {"drain-ms", 0, SW_OPTION_NUMBER, &options.drain_ms, NULL, "30000", 1, 3600000, "ms", "time to drain"},
    {0}};

typedef struct {
    sw_loop *loop;
    sw_server *server;
    int signals;
} program;

static void on_signal(void *context, short events)
{
    (void)events;
    program *p = context;
    struct signalfd_siginfo info;
    if (read(p->signals, &info, sizeof(info)) != sizeof(info))
        return;
    if (sw_server_is_draining(p->server))
        sw_loop_stop(p->loop);
    else
        sw_server_drain(p->server, 0);
}

static int fail(const sw_error *error)
{
    fprintf(stderr, "echo-service: %s: %s\n", sw_code_name(error->code), error->message);
    return (int)error->code;
}

int main(int argc, char **argv)
{
    sw_error error;
    int first;
    if (sw_options_parse(table, argc, argv, &first, &error) != SW_OK)
        return fail(&error);
    program p = {.loop = sw_loop_new()};
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    p.signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    const sw_server_options server = {.process = "echo",
                                      .instance = options.instance,
                                      .version = SW_VERSION,
                                      .endpoints = options.backend,
                                      .capacity = (uint32_t)options.capacity,
                                      .heartbeat_ms = options.heartbeat_ms,
                                      .drain_ms = options.drain_ms,
                                      .schema = echo_schema,
                                      .schema_size = echo_schema_size};
    echo methods = {.loop = p.loop, .instance = options.instance};
    sw_code code = p.loop == NULL || p.signals < 0 ? SW_RESOURCE_EXHAUSTED : SW_OK;
    if (code != SW_OK)
        return (int)code;
    code = sw_server_new(p.loop, &server, &p.server, &error);
    if (code == SW_OK)
        code = echo_add(sw_server_dispatch(p.server), &methods, &error);
    if (code == SW_OK)
        code = sw_loop_fd(p.loop, p.signals, ZMQ_POLLIN, on_signal, &p);
    if (code == SW_OK)
        code = sw_server_start(p.server, &error);
    if (code == SW_OK)
        code = sw_loop_run(p.loop, &error);
    sw_server_destroy(&p.server);
    sw_loop_destroy(&p.loop);
    close(p.signals);
    return code == SW_OK ? 0 : fail(&error);
}
