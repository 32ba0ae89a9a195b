/* The main of every service program: a row of `services` says what it serves, the rest is the same
 * for all. The build sets SW_PROGRAM, the name of the program. */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "net/keyfile.h"
#include "program/program.h"
#include "rpc/slow_log.h"
#include "service/background.h"
#include "service/refusals.h"
#include "service/relay.h"
#include "service/seal_head.h"
#include "service/service.h"
#include "service/vault.h"
#include "service/wiped_heap.h"
#include "store/pg/migrate.h"
#include "worker/server.h"
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

extern const unsigned char sw_schema[];
extern const size_t sw_schema_size;

static const sw_service *const services[] = {&sw_service_referential, &sw_service_user,
                                             &sw_service_deployment};

static struct {
    const char *secret_key, *backend, *publish, *key, *curve, *database, *instance;
    int64_t capacity, read_lanes, list_lanes, write_lanes, lists_per_caller, heartbeat_ms, slow_ms, drain_ms;
    sw_seal_head head;
} settings;

static const sw_option secret_options[] = {
    {"secret-key", 0, SW_OPTION_STRING, &settings.secret_key, "", 0, 0, "FILE",
     "the master keys of secrets (mode 0600); `sitewire secret new-key FILE` makes it", SW_RESTART},
    {0}};

static const sw_option seal_options[] = {
    {"seal-file", 0, SW_OPTION_STRING, &settings.head.file, "", 0, 0, "FILE",
     "the head of the history's chain is appended here", SW_RESTART},
    {"seal-command", 0, SW_OPTION_STRING, &settings.head.command, "", 0, 0, "PROGRAM",
     "run with the head as its argument, without a shell, for 30 s at most", SW_RESTART},
    {"seal-every-ms", 0, SW_OPTION_NUMBER, &settings.head.every_ms, "3600000", 1000, 86400000, "ms",
     "between two heads that are kept; each is logged, too", SW_RESTART},
    {0}};

static const sw_option options[] = {
    {"backend", 'b', SW_OPTION_STRING, &settings.backend, "ipc:///run/sitewire/backend", 0, 0, "ENDPOINTS",
     "backends of the brokers, comma-separated; all are connected", SW_RESTART},
    {"publish", 'p', SW_OPTION_STRING, &settings.publish, "ipc:///run/sitewire/publish", 0, 0, "ENDPOINTS",
     "where the brokers take events, comma-separated; --publish= leaves that to other instances", SW_RESTART},
    {"key", 'k', SW_OPTION_STRING, &settings.key, "", 0, 0, "FILE",
     "the key of this service: it is what it may serve by, on tcp and ipc; `sitewire key new FILE` makes one",
     SW_RESTART},
    {"curve", 0, SW_OPTION_CHOICE, &settings.curve, "on", 0, 0, "on|off",
     "encryption; off: tcp is plain, and the key is not used", SW_RESTART},
    {"database", 'd', SW_OPTION_STRING, &settings.database, "", 0, 0, "CONNINFO",
     "PostgreSQL connection string; without it the PG* variables count", SW_RESTART},
    {"instance", 0, SW_OPTION_STRING, &settings.instance, "", 0, 0, "NAME",
     "unique name of this process; without it one is made", SW_RESTART},
    {"capacity", 0, SW_OPTION_NUMBER, &settings.capacity, "256", 1, 65535, NULL,
     "calls taken at once from each broker", SW_RESTART},
    {"read-lanes", 0, SW_OPTION_NUMBER, &settings.read_lanes, "2", 1, 64, NULL,
     "database connections for reads of one row", SW_RESTART},
    {"list-lanes", 0, SW_OPTION_NUMBER, &settings.list_lanes, "4", 2, 64, NULL,
     "database connections for lists and searches", SW_RESTART},
    {"lists-per-caller", 0, SW_OPTION_NUMBER, &settings.lists_per_caller, "64", 1, 65535, NULL,
     "lists and searches that one caller may have under way here; further ones are refused", SW_RESTART},
    {"write-lanes", 0, SW_OPTION_NUMBER, &settings.write_lanes, "8", 1, 64, NULL,
     "database connections for changes", SW_RESTART},
    {"heartbeat-ms", 0, SW_OPTION_NUMBER, &settings.heartbeat_ms, "500", 10, 60000, "ms",
     "between heartbeats; a broker silent for four is lost", SW_RESTART},
    {"log-slow-ms", 0, SW_OPTION_NUMBER, &settings.slow_ms, "1000", 0, 86400000, "ms",
     "calls that take as long are logged, with the time at each hop; 0: none are", SW_LIVE},
    {"drain-ms", 0, SW_OPTION_NUMBER, &settings.drain_ms, "30000", 1, 86400000, "ms",
     "time for calls in flight when the program is stopped", SW_LIVE},
    {0}};

#define REGISTER_MS 2000 /* registers after this time at the latest, with or without database */
#define PERIOD_MS   1000
#define CHECK_MS    30000 /* for the database to answer --check-config */

typedef struct state {
    const sw_service *service;
    sw_loop *loop;
    sw_server *server;
    sw_store *store;
    sw_vault *vault;
    sw_timer *patience;
    sw_slow_log slow;
    sw_refusals_writer *refusals;
    sw_key_file key; /* as it was read last */
    bool serving, ready, registered;
    bool checking;    /* --check-config: nothing is served */
    sw_error failure; /* why the loop ended */
} state;

static bool is_encrypted(void)
{
    return strcmp(settings.curve, "on") == 0;
}

/* The service's key, empty where none is used. */
static sw_code read_key(sw_key_file *key, sw_error *error)
{
    memset(key, 0, sizeof(*key));
    return is_encrypted() && settings.key[0] != '\0' ? sw_key_file_read(settings.key, key, error) : SW_OK;
}

/* --- what happens while it runs --- */

static void on_stop(void *context, const char *name, int count)
{
    state *p = context;
    if (count > 1 || sw_server_is_draining(p->server)) {
        sw_log(SW_LOG_WARNING, "stopping at once", "signal", name, NULL);
        sw_loop_stop(p->loop);
        return;
    }
    sw_log(SW_LOG_INFO, "draining", "signal", name, NULL);
    sw_server_drain(p->server, settings.drain_ms);
}

/* Ready for systemd: calls can come in, and be served. */
static void check_ready(state *p)
{
    if (p->ready || !p->serving || sw_server_brokers(p->server) == 0)
        return;
    p->ready = true;
    sw_program_ready();
}

/* Waits a short time for the first connection to the database. Otherwise a new instance would get
 * calls that it can only refuse, while other instances serve. */
static void register_service(void *context)
{
    state *p = context;
    sw_timer_stop(p->patience);
    if (p->registered || sw_server_is_draining(p->server))
        return;
    p->registered = true;
    if (sw_server_start(p->server, &p->failure) != SW_OK)
        sw_loop_stop(p->loop);
}

static bool is_passing(const char *reason)
{
    return strcmp(reason, SW_STORE_CONNECTING) == 0 || strcmp(reason, SW_STORE_LOOKING) == 0 ||
           strcmp(reason, SW_STORE_WAITING) == 0;
}

/* Ends --check-config when it is known whether the database is usable, and if not, why. */
static void finish_check(state *p, bool serving, const char *reason)
{
    if (serving)
        p->failure = (sw_error){0};
    else if (is_passing(reason))
        sw_fail(&p->failure, SW_UNAVAILABLE, "%s takes more than %d s", SW_STORE_CONNECTING, CHECK_MS / 1000);
    else
        sw_fail(&p->failure, SW_FAILED_PRECONDITION, "%s", reason);
    if (serving || !is_passing(reason))
        sw_loop_stop(p->loop);
}

static void on_serving(void *context, bool serving, const char *reason)
{
    state *p = context;
    if (p->checking) {
        finish_check(p, serving, reason);
        return;
    }
    sw_database database = sw_store_database(p->store);
    sw_server_set_serving(p->server, serving, reason);
    sw_server_set_database(p->server, &(sw_worker_database){.system = database.system,
                                                            .timeline = database.timeline,
                                                            .standby = database.standby,
                                                            .writable = database.writable});
    sw_log_limited(serving && *reason == '\0' ? SW_LOG_INFO : SW_LOG_WARNING,
                   !serving          ? "not serving"
                   : *reason == '\0' ? "serving"
                                     : "serving with limits",
                   "reason", reason, NULL);
    p->serving = serving;
    if (serving)
        register_service(p);
    check_ready(p);
}

static void on_timeline(void *context, uint64_t database, uint32_t timeline)
{
    sw_store_note_timeline(((state *)context)->store, database, timeline);
}

static void add_stats(void *context, sw_arena *arena, Sw__GetStatsResponse *reply)
{
    sw_background_add_stats(((state *)context)->store, arena, reply);
}

static void on_broker(void *context, const char *event, const char *endpoint, const char *reason)
{
    sw_log_limited(strcmp(event, "broker connected") == 0 ? SW_LOG_INFO : SW_LOG_WARNING, event, "endpoint",
                   endpoint, *reason != '\0' ? "reason" : NULL, reason, NULL);
    check_ready(context);
}

/* --- start and stop --- */

static sw_code open_server(state *p, sw_error *error)
{
    const sw_server_options server = {.process = p->service->process,
                                      .instance = settings.instance,
                                      .version = SW_VERSION,
                                      .endpoints = settings.backend,
                                      .publish = p->service->relays ? settings.publish : NULL,
                                      .key_file = is_encrypted() ? settings.key : NULL,
                                      .capacity = (uint32_t)settings.capacity,
                                      .heartbeat_ms = settings.heartbeat_ms,
                                      .drain_ms = settings.drain_ms,
                                      .schema = sw_schema,
                                      .schema_size = sw_schema_size,
                                      .on_event = on_broker,
                                      .on_timeline = on_timeline,
                                      .stats = add_stats,
                                      .context = p};
    return sw_server_new(p->loop, &server, &p->server, error);
}

static void open_slow_log(state *p)
{
    p->slow = (sw_slow_log){.slow_ms = &settings.slow_ms, .instance = sw_server_instance(p->server)};
    sw_slow_log_attach(&p->slow, sw_server_dispatch(p->server));
    sw_server_add_counter(p->server, "slow_calls", &p->slow.count);
}

static sw_code open_store(state *p, sw_error *error)
{
    const sw_store_options store = {.conninfo = settings.database,
                                    .read_lanes = (int)settings.read_lanes,
                                    .list_lanes = (int)settings.list_lanes,
                                    .lists_per_caller = (int)settings.lists_per_caller,
                                    .lists = (int)(settings.capacity + 1) / 2,
                                    .write_lanes = (int)settings.write_lanes,
                                    .schema_minimum = p->service->schema_minimum,
                                    .schema_maximum = sw_migrate_latest(),
                                    .on_serving = on_serving,
                                    .context = p,
                                    .hook_context = p->vault};
    return sw_store_new(p->loop, &store, &p->store, error);
}

static void end_check(void *context)
{
    sw_loop_stop(((state *)context)->loop);
}

/* Opens everything but connections, and registers the methods with the store. */
static sw_code open_parts(state *p, sw_error *error)
{
    if (p->loop == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    sw_code code = p->service->secrets ? sw_wiped_heap_use(error) : SW_OK;
    if (code == SW_OK && p->service->secrets)
        code = sw_vault_new(settings.secret_key, &p->vault, error);
    if (code == SW_OK)
        code = open_server(p, error);
    if (code == SW_OK)
        open_slow_log(p);
    if (code == SW_OK)
        code = open_store(p, error);
    if (code == SW_OK)
        sw_server_add_counter(p->server, "database_connects", sw_store_connects(p->store));
    if (code == SW_OK)
        code = sw_store_add(p->store, sw_server_dispatch(p->server), p->service->resources,
                            p->service->queries, error);
    return code == SW_OK ? sw_dispatch_check(sw_server_dispatch(p->server), error) : code;
}

static sw_code open_refusals(state *p, sw_error *error)
{
    p->refusals = calloc(1, sizeof(*p->refusals));
    if (p->refusals == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    sw_server_add_counter(p->server, "refused_calls", &p->refusals->book.total);
    return sw_refusals_writer_open(p->refusals, p->service->program, sw_server_dispatch(p->server), p->store,
                                   error);
}

static sw_code open_periodic(state *p, sw_error *error)
{
    const sw_periodic periodic = {
        .name = p->service->periodic_name, .sql = p->service->periodic, .every_ms = PERIOD_MS};
    sw_code code = periodic.sql == NULL ? SW_OK : sw_store_add_periodic(p->store, &periodic, error);
    if (code == SW_OK)
        code = open_refusals(p, error);
    if (code == SW_OK && p->service->seals)
        code = sw_seal_head_open(&settings.head, p->loop, p->store, error);
    if (code == SW_OK && p->service->relays && settings.publish[0] != '\0')
        code = sw_relay_start(p->store, p->server, error);
    return code;
}

static sw_code start(void *context, sw_error *error)
{
    state *p = context;
    p->loop = sw_loop_new();
    sw_code code = open_parts(p, error);
    if (code == SW_OK)
        code = open_periodic(p, error);
    if (code == SW_OK)
        code = read_key(&p->key, error);
    if (code != SW_OK)
        return code;
    p->patience = sw_loop_timer(p->loop, register_service, p);
    if (p->patience == NULL ||
        sw_loop_fd(p->loop, sw_program_fd(), ZMQ_POLLIN, sw_program_process, NULL) != SW_OK)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    sw_server_set_serving(p->server, false, SW_STORE_CONNECTING);
    sw_timer_start(p->patience, sw_now_ms() + REGISTER_MS);
    if (!is_encrypted() && strstr(settings.backend, "tcp://") != NULL)
        sw_log(SW_LOG_WARNING, "tcp is not encrypted, and the broker is not authenticated", "reason",
               "--curve off", NULL);
    return sw_store_start(p->store, error);
}

static sw_code run(void *context, sw_error *error)
{
    state *p = context;
    sw_code code = sw_loop_run(p->loop, error);
    if (code == SW_OK && p->failure.code != SW_OK)
        *error = p->failure;
    return code == SW_OK ? p->failure.code : code;
}

static void stop(void *context)
{
    state *p = context;
    sw_store_destroy(&p->store); /* first: it ends its calls, which the server carries */
    sw_server_destroy(&p->server);
    sw_seal_head_close(&settings.head);
    sw_loop_destroy(&p->loop);
    sw_vault_destroy(&p->vault);
    sw_key_file_wipe(&p->key);
    free(p->refusals);
    p->refusals = NULL;
}

/* --- settings --- */

static sw_code validate(void *context, sw_error *error)
{
    const state *p = context;
    bool tcp = strstr(settings.backend, "tcp://") != NULL ||
               (p->service->relays && strstr(settings.publish, "tcp://") != NULL);
    if (is_encrypted() && tcp && settings.key[0] == '\0')
        return sw_fail_field(
            error, SW_FAILED_PRECONDITION, "key",
            "a backend on tcp needs --key FILE with the key of this service, or --curve off");
    return SW_OK;
}

/* Connects to the database like the service, until it could serve. */
static sw_code check_database(state *p, sw_error *error)
{
    p->checking = true;
    p->loop = sw_loop_new();
    sw_code code = open_parts(p, error);
    if (code == SW_OK && (p->patience = sw_loop_timer(p->loop, end_check, p)) == NULL)
        code = sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    if (code == SW_OK) {
        sw_timer_start(p->patience, sw_now_ms() + CHECK_MS);
        code = sw_store_start(p->store, error);
    }
    return code == SW_OK ? run(p, error) : code;
}

static void check(void *context, sw_check *check)
{
    state *p = context;
    sw_error error;
    sw_vault *vault = NULL;
    sw_check_endpoints(check, "backend", settings.backend, false);
    if (p->service->relays)
        sw_check_endpoints(check, "publish", settings.publish, false);
    bool good = read_key(&p->key, &error) == SW_OK;
    if (!good)
        sw_check_report(check, "key", &error);
    if (p->service->secrets && sw_vault_new(settings.secret_key, &vault, &error) != SW_OK) {
        sw_check_report(check, "secret-key", &error);
        settings.secret_key = ""; /* goes on without */
    }
    sw_vault_destroy(&vault);
    if (!good)
        settings.curve = "off";
    if (check_database(p, &error) != SW_OK)
        sw_check_report(check, "database", &error);
    stop(p);
}

/* The vault reads a changed file of master keys by itself; this reports errors in it. */
static sw_code reload(void *context, sw_error *error)
{
    state *p = context;
    const sw_master_key *newest;
    sw_key_file key;
    sw_code code = read_key(&key, error);
    if (code == SW_OK && p->vault != NULL && settings.secret_key[0] != '\0')
        code = sw_vault_newest(p->vault, &newest, error);
    if (code == SW_OK && strcmp(key.secret_key, p->key.secret_key) != 0)
        sw_log(SW_LOG_INFO, "key changed", "file", settings.key, NULL);
    if (code == SW_OK) {
        sw_server_set_drain(p->server, settings.drain_ms);
        p->key = key;
    }
    sw_key_file_wipe(&key);
    return code;
}

static const sw_service *find_service(void)
{
    for (size_t i = 0; i < sizeof(services) / sizeof(*services); i++)
        if (strcmp(services[i]->program, SW_PROGRAM) == 0)
            return services[i];
    return NULL; /* the build names a program that has no row */
}

/* The options of the service: those of all services after those that only some have. */
static const sw_option *choose_options(const sw_service *service)
{
    static sw_option chosen[sizeof(options) / sizeof(*options) + sizeof(secret_options) / sizeof(*options) +
                            sizeof(seal_options) / sizeof(*options)];
    const sw_option *const parts[] = {service->secrets ? secret_options : NULL,
                                      service->seals ? seal_options : NULL, options};
    size_t count = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        for (const sw_option *each = parts[i]; each != NULL && each->name != NULL; each++)
            chosen[count++] = *each;
    return chosen;
}

int main(int argc, char **argv)
{
    static state p;
    p.service = find_service();
    if (p.service == NULL)
        abort();
    const sw_program program = {
        .name = p.service->program,
        .about = p.service->summary,
        .notes =
            "SIGTERM or SIGINT drains: calls in flight are finished, then the program ends. A second one "
            "ends it at once.",
        .options = choose_options(p.service),
        .serves = true,
        .validate = validate,
        .check = check,
        .start = start,
        .run = run,
        .stop = stop,
        .on_stop = on_stop,
        .reload = reload,
    };
    return sw_program_main(&program, &p, argc, argv);
}
