/* sitewire-broker: stands between clients and services. Options, signals, and the loop. */
#include "broker/io/broker.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/option.h"
#include "base/process.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <zmq.h>

typedef struct {
    const char *log_level;
    bool log_json, check, help, version;
    int64_t service_calls, client_calls, calls, service_bytes, client_bytes, bytes;
} settings;

static sw_broker_options broker_options;
static settings set;

#define CORE broker_options.core
static const sw_option options[] = {
    {"frontend", 'f', SW_OPTION_STRING, &broker_options.frontend, "SITEWIRE_ENDPOINT",
     "ipc:///run/sitewire/frontend", 0, 0, "ENDPOINTS", "where clients connect"},
    {"backend", 'b', SW_OPTION_STRING, &broker_options.backend, "SITEWIRE_BACKEND",
     "ipc:///run/sitewire/backend", 0, 0, "ENDPOINTS", "where workers connect"},
    {"events", 'e', SW_OPTION_STRING, &broker_options.events, "SITEWIRE_EVENTS", NULL, 0, 0, "ENDPOINTS",
     "where subscribers connect; without it no events pass"},
    {"publish", 'p', SW_OPTION_STRING, &broker_options.publish, "SITEWIRE_PUBLISH", NULL, 0, 0, "ENDPOINTS",
     "where publishers of events connect"},
    {"instance", 'i', SW_OPTION_STRING, &broker_options.instance, NULL, NULL, 0, 0, "NAME",
     "unique name of this broker; made from the process id"},
    {"curve", 0, SW_OPTION_STRING, &broker_options.curve, NULL, "on", 0, 0, "on|off",
     "encryption of tcp, and who calls by the caller's key"},
    {"key", 'k', SW_OPTION_STRING, &broker_options.key, NULL, NULL, 0, 0, "FILE",
     "this broker's key, for tcp; `sitewire key new FILE` makes one"},
    {"service-keys", 0, SW_OPTION_STRING, &broker_options.service_keys, NULL, NULL, 0, 0, "FOLDER",
     "certificates of the services that may serve and publish on tcp; `sitewire key public` writes one"},
    {"local-users", 0, SW_OPTION_STRING, &broker_options.local_users, NULL, NULL, 0, 0, "UID=USER,...",
     "who a process is that comes by ipc; the uid * is any other"},
    {"caller", 0, SW_OPTION_STRING, &broker_options.caller, "SITEWIRE_CALLER", NULL, 0, 0, "USER",
     "who everybody is that comes without encryption; for tests"},
    {"auth-cache-ms", 0, SW_OPTION_NUMBER, &broker_options.auth_cache_ms, NULL, "60000", 0, 86400000, "ms",
     "a checked key is good for so long if the user service is away"},
    {"handshake-time", 0, SW_OPTION_NUMBER, &broker_options.handshake_ms, NULL, "5000", 10, 60000, "ms",
     "a connection that takes longer to come in is ended"},
    {"heartbeat", 0, SW_OPTION_NUMBER, &CORE.heartbeat_ms, NULL, "500", 10, 60000, "ms",
     "between heartbeats; a worker silent for four is lost"},
    {"plain-silence", 0, SW_OPTION_NUMBER, &CORE.plain_silence_ms, NULL, "10000", 100, 3600000, "ms",
     "an idle plain MDP worker silent for so long is lost"},
    {"grace", 0, SW_OPTION_NUMBER, &CORE.grace_ms, NULL, "5000", 0, 600000, "ms",
     "after the start, calls wait for services not yet known"},
    {"call-time", 0, SW_OPTION_NUMBER, &CORE.time_default_ms, NULL, "30000", 1, 86400000, "ms",
     "time of a call that gives none"},
    {"drain-time", 0, SW_OPTION_NUMBER, &broker_options.drain_ms, NULL, "30000", 1, 86400000, "ms",
     "for calls in flight when the broker shall end"},
    {"service-queue", 0, SW_OPTION_NUMBER, &set.service_calls, NULL, "20000", 1, 10000000, "calls",
     "waiting for one service"},
    {"service-queue-bytes", 0, SW_OPTION_NUMBER, &set.service_bytes, NULL, "268435456", 1024, INT64_MAX,
     "bytes", "waiting for one service"},
    {"client-queue", 0, SW_OPTION_NUMBER, &set.client_calls, NULL, "16000", 1, 10000000, "calls",
     "waiting of one client"},
    {"client-queue-bytes", 0, SW_OPTION_NUMBER, &set.client_bytes, NULL, "67108864", 1024, INT64_MAX, "bytes",
     "waiting of one client"},
    {"queue", 0, SW_OPTION_NUMBER, &set.calls, NULL, "100000", 1, 100000000, "calls",
     "waiting in the broker"},
    {"queue-bytes", 0, SW_OPTION_NUMBER, &set.bytes, NULL, "536870912", 1024, INT64_MAX, "bytes",
     "waiting in the broker"},
    {"message-size", 0, SW_OPTION_NUMBER, &broker_options.message_max, NULL, "67108864", 1024, 1 << 30,
     "bytes", "of a message; a larger one ends its connection"},
    {"unsent-replies", 0, SW_OPTION_NUMBER, &broker_options.replies_max, NULL, "10000", 1, 10000000,
     "messages", "to a client before it is cut off"},
    {"unsent-replies-bytes", 0, SW_OPTION_NUMBER, &broker_options.replies_bytes, NULL, "67108864", 1024,
     INT64_MAX, "bytes", "to a client before it is cut off"},
    {"unsent-events", 0, SW_OPTION_NUMBER, &broker_options.events_max, "SITEWIRE_UNSENT_EVENTS", "20000", 1,
     10000000, "events", "to a subscriber before it misses some"},
    {"log-level", 0, SW_OPTION_STRING, &set.log_level, "SITEWIRE_LOG_LEVEL", "info", 0, 0, "LEVEL",
     "error, warning, info or debug"},
    {"log-json", 0, SW_OPTION_BOOL, &set.log_json, "SITEWIRE_LOG_JSON", NULL, 0, 0, NULL,
     "log lines as JSON"},
    {"check-config", 0, SW_OPTION_BOOL, &set.check, NULL, NULL, 0, 0, NULL, "show the settings and end"},
    {"help", 'h', SW_OPTION_BOOL, &set.help, NULL, NULL, 0, 0, NULL, "show this and end"},
    {"version", 'V', SW_OPTION_BOOL, &set.version, NULL, NULL, 0, 0, NULL, "show the version and end"},
    {0},
};
#undef CORE

static void show_help(void)
{
    puts("sitewire-broker stands between clients and services: clients call at the frontend, services "
         "register at\n"
         "the backend, and each call is handed to the least busy worker of its service.\n"
         "\n"
         "    sitewire-broker --frontend ipc:///run/sitewire/frontend --backend ipc:///run/sitewire/backend\n"
         "    sitewire-broker --frontend tcp://*:7601,ipc:///run/sitewire/frontend --backend tcp://*:7602\n"
         "\n"
         "Flags go over environment variables, those over lines `name = value` of a --config FILE. SIGTERM "
         "drains:\n"
         "no call is taken any more, those in flight end, then the broker does. A second one ends it at "
         "once.\n"
         "\n"
         "Options:");
    sw_options_print(options);
}

/* Bounds that the table holds in its own type. */
static void take_bounds(void)
{
    sw_core_config *core = &broker_options.core;
    core->service_calls = (uint32_t)set.service_calls;
    core->client_calls = (uint32_t)set.client_calls;
    core->calls = (uint32_t)set.calls;
    core->service_bytes = (uint64_t)set.service_bytes;
    core->client_bytes = (uint64_t)set.client_bytes;
    core->bytes = (uint64_t)set.bytes;
}

static sw_code configure(int argc, char **argv, sw_log_level *level, sw_error *error)
{
    int words = argc;
    broker_options.core = sw_core_defaults;
    sw_code code = sw_options_parse(options, argc, argv, &words, error);
    if (code != SW_OK)
        return code;
    take_bounds();
    if (words < argc) {
        snprintf(error->message, sizeof(error->message), "unexpected word `%s`; --help shows the options",
                 argv[words]);
        return SW_INVALID_ARGUMENT;
    }
    if (!sw_log_level_parse(set.log_level, level)) {
        snprintf(error->message, sizeof(error->message),
                 "--log-level: `%s` is not error, warning, info or debug", set.log_level);
        return SW_INVALID_ARGUMENT;
    }
    return SW_OK;
}

typedef struct {
    sw_loop *loop;
    sw_broker *broker;
    sw_timer *watchdog;
    int64_t watchdog_ms;
    int signals;
    int stops; /* SIGTERM or SIGINT so far */
} program;

static void on_signal(void *context, short ready)
{
    (void)ready;
    program *p = context;
    struct signalfd_siginfo info;
    while (read(p->signals, &info, sizeof(info)) == sizeof(info)) {
        if (p->stops++ > 0) {
            sw_loop_stop(p->loop);
            continue;
        }
        sw_notify("STOPPING=1");
        sw_broker_drain(p->broker, 0);
    }
}

static void on_watchdog(void *context)
{
    program *p = context;
    sw_notify("WATCHDOG=1");
    sw_timer_start(p->watchdog, sw_now_ms() + p->watchdog_ms);
}

static bool watch_signals(program *p)
{
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    /* Before ZeroMQ's threads are made, which inherit it. */
    if (sigprocmask(SIG_BLOCK, &stop, NULL) != 0)
        return false;
    p->signals = signalfd(-1, &stop, SFD_NONBLOCK | SFD_CLOEXEC);
    signal(SIGPIPE, SIG_IGN);
    return p->signals >= 0 && sw_loop_fd(p->loop, p->signals, ZMQ_POLLIN, on_signal, p) == SW_OK;
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static sw_code run(sw_error *error)
{
    program p = {.loop = sw_loop_new(), .signals = -1};
    if (p.loop == NULL || !watch_signals(&p))
        return SW_RESOURCE_EXHAUSTED;
    raise_descriptor_limit();
    sw_code code = sw_broker_new(p.loop, &broker_options, &p.broker, error);
    if (code == SW_OK) {
        p.watchdog_ms = sw_notify_watchdog_ms();
        p.watchdog = sw_loop_timer(p.loop, on_watchdog, &p);
        if (p.watchdog != NULL && p.watchdog_ms > 0)
            on_watchdog(&p);
        sw_notify("READY=1");
        sw_log(SW_LOG_INFO, "ready", "instance", sw_broker_instance(p.broker), "version", SW_VERSION, NULL);
        code = sw_loop_run(p.loop, error);
        sw_log(SW_LOG_INFO, "ends", "instance", sw_broker_instance(p.broker), NULL);
    }
    sw_broker_destroy(&p.broker);
    sw_loop_destroy(&p.loop);
    close(p.signals);
    return code;
}

int main(int argc, char **argv)
{
    sw_process_hold_standard();
    sw_error error = {0};
    sw_log_level level = SW_LOG_INFO;
    sw_code code = configure(argc, argv, &level, &error);
    sw_log_open("sitewire-broker", level, set.log_json);
    if (code == SW_OK && set.help) {
        show_help();
        return 0;
    }
    if (code == SW_OK && set.version) {
        puts("sitewire-broker " SW_VERSION);
        return 0;
    }
    if (code == SW_OK && set.check) {
        sw_options_dump(options);
        return 0;
    }
    if (code == SW_OK) {
        sw_process_serve();
        code = run(&error);
    }
    if (code != SW_OK)
        fprintf(stderr, "error: %s: %s\n", sw_code_name(code), error.message);
    return (int)code;
}
