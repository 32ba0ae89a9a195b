/* The main of every service program: a row of `services` says what it serves, the rest is the same for all.
 * SW_PROGRAM is the program's name, set by the build. */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/option.h"
#include "base/process.h"
#include "service/relay.h"
#include "service/service.h"
#include "service/vault.h"
#include "store/pg/migrate.h"
#include "worker/server.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <zmq.h>

extern const unsigned char sw_schema[];
extern const size_t sw_schema_size;

static const sw_service *const services[] = {&sw_service_referential, &sw_service_user,
                                             &sw_service_deployment};

static struct {
    const char *secret_key, *backend, *publish, *key, *curve, *database, *instance, *log_level, *log_format;
    int64_t capacity, read_lanes, write_lanes, heartbeat_ms, drain_ms;
    bool check_config, help, version;
} settings;

/* The first one only where there are secrets. */
static const sw_option options[] = {
    {"secret-key", 0, SW_OPTION_STRING, &settings.secret_key, "SITEWIRE_SECRET_KEY", "", 0, 0, "FILE",
     "the master keys of secrets (mode 0600); `sitewire secret new-key FILE` makes it"},
    {"backend", 'b', SW_OPTION_STRING, &settings.backend, "SITEWIRE_BACKEND", "ipc:///run/sitewire/backend",
     0, 0, "ENDPOINTS", "backends of the brokers, comma-separated; all are connected"},
    {"publish", 'p', SW_OPTION_STRING, &settings.publish, "SITEWIRE_PUBLISH", "ipc:///run/sitewire/publish",
     0, 0, "ENDPOINTS", "where the brokers take events, comma-separated; empty: that is left to others"},
    {"key", 'k', SW_OPTION_STRING, &settings.key, NULL, "", 0, 0, "FILE",
     "the key of this service, for backends on tcp; `sitewire key new FILE` makes one"},
    {"curve", 0, SW_OPTION_STRING, &settings.curve, NULL, "on", 0, 0, "on|off", "encryption of tcp"},
    {"database", 'd', SW_OPTION_STRING, &settings.database, "SITEWIRE_DATABASE", "", 0, 0, "CONNINFO",
     "PostgreSQL connection string; empty means the PG* variables"},
    {"instance", 0, SW_OPTION_STRING, &settings.instance, NULL, "", 0, 0, "NAME",
     "unique name of this process; empty makes one"},
    {"capacity", 0, SW_OPTION_NUMBER, &settings.capacity, NULL, "256", 1, 65535, NULL,
     "calls taken at once from each broker"},
    {"read-lanes", 0, SW_OPTION_NUMBER, &settings.read_lanes, NULL, "2", 1, 64, NULL,
     "database connections for reads"},
    {"write-lanes", 0, SW_OPTION_NUMBER, &settings.write_lanes, NULL, "8", 1, 64, NULL,
     "database connections for changes"},
    {"heartbeat-ms", 0, SW_OPTION_NUMBER, &settings.heartbeat_ms, NULL, "500", 10, 60000, "ms",
     "heartbeat interval; a broker silent for four is gone"},
    {"drain-ms", 0, SW_OPTION_NUMBER, &settings.drain_ms, NULL, "30000", 1, 3600000, "ms",
     "time for calls in flight when the program is stopped"},
    {"log-level", 0, SW_OPTION_STRING, &settings.log_level, "SITEWIRE_LOG_LEVEL", "info", 0, 0, "LEVEL",
     "error, warning, info or debug"},
    {"log-format", 0, SW_OPTION_STRING, &settings.log_format, "SITEWIRE_LOG_FORMAT", "text", 0, 0, "FORMAT",
     "text (key=value) or json"},
    {"check-config", 0, SW_OPTION_BOOL, &settings.check_config, NULL, NULL, 0, 0, NULL,
     "print the settings in effect and exit"},
    {"help", 'h', SW_OPTION_BOOL, &settings.help, NULL, NULL, 0, 0, NULL, "print this and exit"},
    {"version", 'V', SW_OPTION_BOOL, &settings.version, NULL, NULL, 0, 0, NULL, "print the version and exit"},
    {0}};

#define REGISTER_MS 2000 /* at the latest, whether the database is there or not */
#define CHORE_MS    1000

typedef struct program {
    const sw_service *service;
    sw_loop *loop;
    sw_server *server;
    sw_store *store;
    sw_vault *vault;
    sw_timer *watchdog, *patience;
    int signals;
    bool serving, ready, registered;
    sw_error failure; /* of what ended the loop */
} program;

/* --- what happens while it runs --- */

static void on_signal(void *context, short events)
{
    (void)events;
    program *p = context;
    struct signalfd_siginfo info;
    if (read(p->signals, &info, sizeof(info)) != sizeof(info))
        return;
    const char *name = info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM";
    if (sw_server_is_draining(p->server)) {
        sw_log(SW_LOG_WARNING, "stopping at once", "signal", name, NULL);
        sw_loop_stop(p->loop);
        return;
    }
    sw_log(SW_LOG_INFO, "draining", "signal", name, NULL);
    sw_notify("STOPPING=1");
    sw_server_drain(p->server, 0);
}

/* Ready for systemd: calls can come in, and be served. */
static void check_ready(program *p)
{
    if (p->ready || !p->serving || sw_server_brokers(p->server) == 0)
        return;
    p->ready = true;
    sw_notify("READY=1");
}

/* Not before the first connection to the database, if that comes soon: else a new instance would be handed calls
 * that it can only refuse, while others serve. */
static void register_service(void *context)
{
    program *p = context;
    sw_timer_stop(p->patience);
    if (p->registered || sw_server_is_draining(p->server))
        return;
    p->registered = true;
    if (sw_server_start(p->server, &p->failure) != SW_OK)
        sw_loop_stop(p->loop);
}

static void on_serving(void *context, bool serving, const char *reason)
{
    program *p = context;
    sw_server_set_serving(p->server, serving, reason);
    sw_log(serving ? SW_LOG_INFO : SW_LOG_WARNING, serving ? "serving" : "not serving", "reason",
           reason == NULL ? "" : reason, NULL);
    p->serving = serving;
    if (serving)
        register_service(p);
    check_ready(p);
}

static void on_broker(void *context, const char *event, const char *endpoint)
{
    sw_log(strcmp(event, "broker connected") == 0 ? SW_LOG_INFO : SW_LOG_WARNING, event, "endpoint", endpoint,
           NULL);
    check_ready(context);
}

static void on_watchdog(void *context)
{
    program *p = context;
    sw_notify("WATCHDOG=1");
    sw_timer_start(p->watchdog, sw_now_ms() + sw_notify_watchdog_ms());
}

/* --- start and stop --- */

static sw_code open_signals(program *p)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &mask, NULL) != 0)
        return SW_INTERNAL;
    p->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    return p->signals < 0 ? SW_RESOURCE_EXHAUSTED : sw_loop_fd(p->loop, p->signals, ZMQ_POLLIN, on_signal, p);
}

static sw_code open_server(program *p, sw_error *error)
{
    const sw_server_options server = {.process = p->service->process,
                                      .instance = settings.instance,
                                      .version = SW_VERSION,
                                      .endpoints = settings.backend,
                                      .publish = p->service->relays ? settings.publish : NULL,
                                      .key_file = strcmp(settings.curve, "off") == 0 ? NULL : settings.key,
                                      .capacity = (uint32_t)settings.capacity,
                                      .heartbeat_ms = settings.heartbeat_ms,
                                      .drain_ms = settings.drain_ms,
                                      .schema = sw_schema,
                                      .schema_size = sw_schema_size,
                                      .on_event = on_broker,
                                      .context = p};
    return sw_server_new(p->loop, &server, &p->server, error);
}

static sw_code open_store(program *p, sw_error *error)
{
    const sw_store_options store = {.conninfo = settings.database,
                                    .read_lanes = (int)settings.read_lanes,
                                    .write_lanes = (int)settings.write_lanes,
                                    .schema_minimum = p->service->schema_minimum,
                                    .schema_maximum = sw_migrate_latest(),
                                    .on_serving = on_serving,
                                    .context = p,
                                    .hook_context = p->vault};
    return sw_store_new(p->loop, &store, &p->store, error);
}

static sw_code start(program *p, sw_error *error)
{
    p->loop = sw_loop_new();
    if (p->loop == NULL || open_signals(p) != SW_OK)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "no memory or descriptors for the program");
    sw_code code = p->service->secrets ? sw_vault_new(settings.secret_key, &p->vault, error) : SW_OK;
    if (code == SW_OK)
        code = open_server(p, error);
    if (code == SW_OK)
        code = open_store(p, error);
    if (code == SW_OK)
        code = sw_store_add(p->store, sw_server_dispatch(p->server), p->service->resources,
                            p->service->queries, error);
    const sw_repeat chore = {.sql = p->service->chore, .every_ms = CHORE_MS};
    if (code == SW_OK && chore.sql)
        code = sw_store_repeat(p->store, &chore, error);
    if (code == SW_OK && p->service->relays && settings.publish[0] != '\0')
        code = sw_relay_start(p->store, p->server, error);
    if (code != SW_OK)
        return code;
    sw_server_set_serving(p->server, false, "connecting to the database");
    code = sw_dispatch_check(sw_server_dispatch(p->server), error);
    if (code == SW_OK && (p->patience = sw_loop_timer(p->loop, register_service, p)) == NULL)
        code = sw_fail(error, SW_RESOURCE_EXHAUSTED, "no memory for a timer");
    if (code != SW_OK)
        return code;
    sw_timer_start(p->patience, sw_now_ms() + REGISTER_MS);
    code = sw_store_start(p->store, error);
    if (code == SW_OK && sw_notify_watchdog_ms() > 0) {
        p->watchdog = sw_loop_timer(p->loop, on_watchdog, p);
        if (p->watchdog != NULL)
            on_watchdog(p);
    }
    return code;
}

static void stop(program *p)
{
    sw_store_destroy(&p->store); /* first: it ends its calls, which the server carries */
    sw_server_destroy(&p->server);
    sw_loop_destroy(&p->loop);
    sw_vault_destroy(&p->vault);
    if (p->signals >= 0)
        close(p->signals);
}

/* --- the command line --- */

static const sw_service *find_service(void)
{
    for (size_t i = 0; i < sizeof(services) / sizeof(*services); i++)
        if (strcmp(services[i]->program, SW_PROGRAM) == 0)
            return services[i];
    return NULL; /* the build names a program that has no row */
}

static const sw_option *options_of(const sw_service *service)
{
    return service->secrets ? options : options + 1;
}

static int report(const sw_error *error)
{
    fprintf(stderr, "error: %s: %s\n", sw_code_name(error->code), error->message);
    return (int)error->code;
}

static sw_code read_settings(const program *p, int argc, char **argv, sw_log_level *level, sw_error *error)
{
    int first;
    sw_code code = sw_options_parse(options_of(p->service), argc, argv, &first, error);
    if (code != SW_OK)
        return code;
    if (first < argc)
        return sw_fail(error, SW_INVALID_ARGUMENT, "%s takes no argument, but got '%s'; see --help",
                       p->service->program, argv[first]);
    if (!sw_log_level_parse(settings.log_level, level))
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "log-level",
                             "--log-level '%s': one of error, warning, info, debug", settings.log_level);
    bool off = strcmp(settings.curve, "off") == 0;
    if (!off && strcmp(settings.curve, "on") != 0)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "curve", "--curve '%s': on or off", settings.curve);
    bool tcp = strstr(settings.backend, "tcp://") != NULL ||
               (p->service->relays && strstr(settings.publish, "tcp://") != NULL);
    if (!off && tcp && settings.key[0] == '\0')
        return sw_fail_field(
            error, SW_FAILED_PRECONDITION, "key",
            "a backend on tcp needs --key FILE with the key of this service, or --curve off");
    if (strcmp(settings.log_format, "text") != 0 && strcmp(settings.log_format, "json") != 0)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "log-format", "--log-format '%s': text or json",
                             settings.log_format);
    return SW_OK;
}

static void print_help(const sw_service *service)
{
    printf("Usage: %s [OPTION]...\n%s\n\n", service->program, service->summary);
    sw_options_print(options_of(service));
    puts("\nSIGTERM or SIGINT: finish the calls in flight and end; a second one ends it at once.");
}

int main(int argc, char **argv)
{
    sw_process_hold_standard();
    program p = {.service = find_service(), .signals = -1};
    sw_error error;
    sw_log_level level;
    if (p.service == NULL)
        abort();
    if (read_settings(&p, argc, argv, &level, &error) != SW_OK)
        return report(&error);
    if (settings.help || settings.version || settings.check_config) {
        if (settings.help)
            print_help(p.service);
        else if (settings.version)
            printf("%s %s\n", p.service->program, SW_VERSION);
        else
            sw_options_dump(options_of(p.service));
        return 0;
    }
    sw_log_open(p.service->program, level, strcmp(settings.log_format, "json") == 0);
    sw_process_serve();
    sw_code code = start(&p, &error);
    if (code == SW_OK) {
        if (strcmp(settings.curve, "off") == 0 && strstr(settings.backend, "tcp://") != NULL)
            sw_log(SW_LOG_WARNING, "tcp is not encrypted, and the broker not known", "reason", "--curve off",
                   NULL);
        sw_log(SW_LOG_INFO, "started", "version", SW_VERSION, "backend", settings.backend, NULL);
        code = sw_loop_run(p.loop, &error);
        if (code == SW_OK && p.failure.code != SW_OK) {
            error = p.failure;
            code = error.code;
        }
    }
    stop(&p);
    if (code != SW_OK)
        sw_log(SW_LOG_ERROR, "failed", "code", sw_code_name(error.code), "message", error.message, NULL);
    else
        sw_log(SW_LOG_INFO, "stopped", NULL);
    return (int)code;
}
