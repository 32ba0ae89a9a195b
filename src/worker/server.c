/* A service process (server.h): a dispatch with the built-in services, a connection to each broker,
 * and the drain. */
#include "worker/server.h"

#include "base/clock.h"
#include "base/error.h"
#include "rpc/builtin.h"
#include "worker/connection.h"
#include "worker/publisher.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define CAPACITY_DEFAULT  256
#define CAPACITY_MAX      65535
#define HEARTBEAT_DEFAULT 500
#define DRAIN_DEFAULT     30000
#define ENDPOINTS_MAX     64
#define REASON_SIZE       256
#define WATCHES_MAX       64 /* Health.Watch at once; never more than a quarter of the capacity */

struct sw_server {
    sw_loop *loop;
    sw_registration registration;
    sw_key_file key;
    char *key_file;
    sw_dispatch *dispatch;
    sw_builtin *builtin;
    sw_connection *connections[ENDPOINTS_MAX];
    size_t connection_count;
    sw_publisher *publishers[ENDPOINTS_MAX];
    size_t publisher_count;
    char *instance, *version;
    int64_t drain_ms;
    sw_timer *deadline_timer; /* the next deadline of a call */
    int64_t deadline_ms;      /* what it is set to */
    sw_timer *drain_timer;    /* checks whether the drain is done */
    sw_timer *key_timer;      /* looks at the key file */
    sw_file_stamp key_stamp;
    int64_t drain_until_ms;
    void (*stats)(void *context, sw_arena *arena, Sw__GetStatsResponse *reply);
    bool counter_missing; /* there was no memory for it */
    bool serving;
    char reason[REASON_SIZE];
};

#define KEY_LOOK_MS   1000
#define DRAIN_LOOK_MS 20 /* how often a draining server checks whether it is done */

/* --- For the built-in services --- */

static bool is_offered(const sw_server *server, const char *service)
{
    const char *const *names;
    size_t count = sw_dispatch_services(server->dispatch, &names);
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], service) == 0)
            return true;
    return service[0] == '\0';
}

static bool answer_health(void *context, const char *service, Sw__HealthCheckResponse *reply)
{
    const sw_server *server = context;
    bool serving = server->serving && !server->registration.draining;
    reply->status = serving ? SW__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
                            : SW__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
    if (server->registration.draining)
        reply->reason = (char *)"draining";
    else
        reply->reason = (char *)server->reason;
    return is_offered(server, service);
}

static void add_stats(void *context, sw_arena *arena, Sw__GetStatsResponse *reply)
{
    const sw_server *server = context;
    const sw_registration *r = &server->registration;
    reply->has_draining = true;
    reply->draining = r->draining;
    reply->database = r->database.system == 0 ? NULL : sw_arena_alloc(arena, sizeof(*reply->database));
    if (reply->database != NULL)
        sw_worker_database_fill(&r->database, reply->database);
    if (server->stats != NULL)
        server->stats(r->context, arena, reply);
}

static uint32_t begin_drain(void *context, uint32_t timeout_ms)
{
    sw_server *server = context;
    uint32_t in_flight = (uint32_t)sw_dispatch_in_flight(server->dispatch);
    sw_server_drain(server, timeout_ms);
    return in_flight;
}

/* --- Construction --- */

static char *make_instance(const sw_server_options *options)
{
    uint16_t number = 0;
    char *instance = NULL;
    if (options->instance != NULL && options->instance[0] != '\0')
        return strdup(options->instance);
    if (getrandom(&number, sizeof(number), 0) < 0)
        number = (uint16_t)sw_now_us();
    int length = asprintf(&instance, "%s-%ld-%04x", options->process, (long)getpid(), number);
    return length < 0 ? NULL : instance;
}

static sw_code add_connection(sw_server *server, const char *endpoint, sw_error *error)
{
    sw_connection *made =
        server->connection_count == ENDPOINTS_MAX ? NULL : sw_connection_new(&server->registration, endpoint);
    if (made != NULL)
        server->connections[server->connection_count++] = made;
    return made != NULL ? SW_OK
                        : sw_fail(error, SW_RESOURCE_EXHAUSTED,
                                  "more than %d broker endpoints, or no memory for the connection to %s",
                                  ENDPOINTS_MAX, endpoint);
}

static sw_code add_publisher(sw_server *server, const char *endpoint, sw_error *error)
{
    sw_publisher *made =
        server->publisher_count == ENDPOINTS_MAX ? NULL : sw_publisher_new(&server->registration, endpoint);
    if (made != NULL)
        server->publishers[server->publisher_count++] = made;
    return made != NULL
               ? SW_OK
               : sw_fail(error, SW_RESOURCE_EXHAUSTED,
                         "more than %d endpoints for events, or no memory for %s", ENDPOINTS_MAX, endpoint);
}

static sw_code add_each(sw_server *server, const char *endpoints,
                        sw_code (*add)(sw_server *, const char *, sw_error *), sw_error *error)
{
    char *text = strdup(endpoints == NULL ? "" : endpoints), *rest = text;
    if (text == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "no memory for the server");
    sw_code code = SW_OK;
    for (char *each; code == SW_OK && (each = strsep(&rest, ", ")) != NULL;) {
        if (each[0] != '\0')
            code = add(server, each, error);
    }
    free(text);
    return code;
}

static sw_code add_endpoints(sw_server *server, const sw_server_options *options, sw_error *error)
{
    sw_code code = add_each(server, options->endpoints, add_connection, error);
    if (code == SW_OK)
        code = add_each(server, options->publish, add_publisher, error);
    if (code == SW_OK && server->connection_count == 0)
        code = sw_fail(error, SW_INVALID_ARGUMENT,
                       "no broker endpoint; name at least one, such as ipc:///run/sitewire/backend");
    return code;
}

static sw_code add_builtin(sw_server *server, const sw_server_options *options, sw_error *error)
{
    size_t quarter = server->registration.capacity / 4;
    const sw_builtin_options builtin = {
        .process = options->process,
        .instance = server->instance,
        .version = server->version,
        .schema = options->schema,
        .schema_size = options->schema_size,
        .context = server,
        .health = answer_health,
        .watches_max = quarter < WATCHES_MAX ? quarter : WATCHES_MAX,
        .stats = add_stats,
        .drain = begin_drain,
    };
    sw_code code = sw_builtin_new(server->dispatch, &builtin, &server->builtin, error);
    if (code != SW_OK)
        return code;
    sw_server_add_counter(server, "malformed_frames", &server->registration.malformed_frames);
    sw_server_add_counter(server, "brokers_lost", &server->registration.brokers_lost);
    sw_server_add_counter(server, "replies_kept", &server->registration.replies_kept);
    return SW_OK;
}

static void on_deadline(void *context)
{
    sw_server *server = context;
    server->deadline_ms = SW_NEVER;
    sw_dispatch_expire(server->dispatch, sw_now_ms());
}

/* After each round: sends the replies together, and sets the timer to the next deadline. The timer
 * may fire early, never late. */
static void on_idle(void *context)
{
    sw_server *server = context;
    for (size_t i = 0; i < server->connection_count; i++)
        for (sw_connection *each = server->connections[i]; each != NULL; each = each->before)
            sw_connection_send_batch(each);
    int64_t next = sw_dispatch_deadline_ms(server->dispatch);
    if (next >= server->deadline_ms)
        return;
    server->deadline_ms = next;
    sw_timer_start(server->deadline_timer, next);
}

/* A key that was replaced in its file is used everywhere within a second. */
static void look_at_key(void *context)
{
    sw_server *server = context;
    sw_registration *r = &server->registration;
    if (sw_file_stamp_changed(r->key_file, &server->key_stamp))
        sw_registration_refresh(r);
    for (size_t i = 0; i < server->connection_count; i++)
        sw_connection_renew(&server->connections[i]);
    for (size_t i = 0; i < server->publisher_count; i++)
        sw_publisher_renew(server->publishers[i]);
    sw_timer_start(server->key_timer, sw_now_ms() + KEY_LOOK_MS);
}

static void look_at_drain(void *context)
{
    sw_server *server = context;
    bool over = sw_now_ms() >= server->drain_until_ms;
    bool done = sw_dispatch_in_flight(server->dispatch) == 0;
    for (size_t i = 0; i < server->connection_count; i++)
        done = done && sw_connection_is_drained(server->connections[i]);
    if (!done && !over) {
        sw_timer_start(server->drain_timer, sw_now_ms() + DRAIN_LOOK_MS);
        return;
    }
    for (size_t i = 0; i < server->connection_count; i++)
        sw_connection_leave(server->connections[i]);
    sw_loop_stop(server->loop);
}

static sw_code make(sw_server *server, const sw_server_options *options, sw_error *error)
{
    server->dispatch = sw_dispatch_new();
    server->instance = make_instance(options);
    server->version = strdup(options->version == NULL ? "" : options->version);
    server->deadline_timer = sw_loop_timer(server->loop, on_deadline, server);
    server->drain_timer = sw_loop_timer(server->loop, look_at_drain, server);
    server->key_timer = sw_loop_timer(server->loop, look_at_key, server);
    server->registration = (sw_registration){
        .loop = server->loop,
        .resolver = sw_resolver_new(server->loop),
        .zmq = zmq_ctx_new(),
        .dispatch = server->dispatch,
        .instance = server->instance,
        .version = server->version,
        .capacity = options->capacity == 0 ? CAPACITY_DEFAULT : options->capacity,
        .heartbeat_ms = options->heartbeat_ms <= 0 ? HEARTBEAT_DEFAULT : options->heartbeat_ms,
        .on_event = options->on_event,
        .on_timeline = options->on_timeline,
        .context = options->context,
    };
    if (server->dispatch == NULL || server->instance == NULL || server->version == NULL ||
        server->deadline_timer == NULL || server->drain_timer == NULL || server->key_timer == NULL ||
        server->registration.zmq == NULL || server->registration.resolver == NULL ||
        sw_loop_idle(server->loop, on_idle, server) != SW_OK)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "no memory for the server");
    if (server->registration.capacity > CAPACITY_MAX)
        return sw_fail(error, SW_INVALID_ARGUMENT, "capacity %u: at most %d", server->registration.capacity,
                       CAPACITY_MAX);
    if (sw_view_of(options->key_file).size > 0) {
        if ((server->key_file = strdup(options->key_file)) == NULL)
            return sw_fail(error, SW_RESOURCE_EXHAUSTED, "no memory for the server");
        sw_code read = sw_key_file_read(options->key_file, &server->key, error);
        if (read == SW_OK && server->key.server_key[0] == '\0')
            read =
                sw_fail(error, SW_FAILED_PRECONDITION,
                        "the key file %s has no server-key, the public key of the broker", options->key_file);
        if (read != SW_OK)
            return read;
        server->registration.key = &server->key;
        server->registration.key_file = server->key_file;
    }
    sw_dispatch_set_bounds(server->dispatch, options->payload_max, 0);
    sw_code code = add_builtin(server, options, error);
    return code != SW_OK ? code : add_endpoints(server, options, error);
}

sw_code sw_server_new(sw_loop *loop, const sw_server_options *options, sw_server **server, sw_error *error)
{
    *server = calloc(1, sizeof(**server));
    if (*server == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "no memory for the server");
    (*server)->loop = loop;
    (*server)->drain_ms = options->drain_ms <= 0 ? DRAIN_DEFAULT : options->drain_ms;
    (*server)->deadline_ms = SW_NEVER;
    (*server)->stats = options->stats;
    (*server)->serving = true;
    sw_code code = make(*server, options, error);
    if (code != SW_OK)
        sw_server_destroy(server);
    return code;
}

void sw_server_destroy(sw_server **server)
{
    sw_server *s = *server;
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->connection_count; i++)
        sw_connection_destroy(&s->connections[i]);
    for (size_t i = 0; i < s->publisher_count; i++)
        sw_publisher_destroy(&s->publishers[i]);
    sw_loop_idle_remove(s->loop, on_idle, s);
    sw_resolver_destroy(&s->registration.resolver);
    sw_timer_destroy(&s->deadline_timer);
    sw_timer_destroy(&s->drain_timer);
    sw_timer_destroy(&s->key_timer);
    sw_dispatch_destroy(&s->dispatch);
    sw_builtin_destroy(&s->builtin);
    if (s->registration.zmq != NULL)
        zmq_ctx_term(s->registration.zmq);
    sw_key_file_wipe(&s->key);
    free(s->key_file);
    free(s->instance);
    free(s->version);
    free(s);
    *server = NULL;
}

sw_dispatch *sw_server_dispatch(sw_server *server)
{
    return server->dispatch;
}

const char *sw_server_instance(const sw_server *server)
{
    return server->instance;
}

sw_code sw_server_start(sw_server *server, sw_error *error)
{
    const char *const *names;
    sw_code code = sw_dispatch_check(server->dispatch, error);
    if (code == SW_OK && sw_dispatch_services(server->dispatch, &names) == 0)
        code = sw_fail(error, SW_FAILED_PRECONDITION, "the process offers no service");
    if (code == SW_OK && server->counter_missing)
        code = sw_fail(error, SW_RESOURCE_EXHAUSTED, "no memory for the server's counters");
    for (size_t i = 0; code == SW_OK && i < server->connection_count; i++)
        code = sw_connection_open(server->connections[i], error);
    for (size_t i = 0; code == SW_OK && i < server->publisher_count; i++)
        code = sw_publisher_open(server->publishers[i], error);
    if (code == SW_OK && server->registration.key != NULL)
        look_at_key(server);
    return code;
}

/* --- While it runs --- */

void sw_server_set_serving(sw_server *server, bool serving, const char *reason)
{
    server->serving = serving;
    snprintf(server->reason, sizeof(server->reason), "%s", reason == NULL ? "" : reason);
    sw_builtin_changed(server->builtin);
}

static bool is_same(const sw_worker_database *one, const sw_worker_database *other)
{
    return one->system == other->system && one->timeline == other->timeline &&
           one->standby == other->standby && one->writable == other->writable;
}

void sw_server_set_database(sw_server *server, const sw_worker_database *database)
{
    sw_registration *r = &server->registration;
    bool reserve = !server->serving || !database->writable;
    bool same = r->reserve == reserve && is_same(&r->database, database);
    r->reserve = reserve;
    r->database = *database;
    for (size_t i = 0; i < server->connection_count && !same && !r->draining; i++)
        if (server->connections[i]->up)
            sw_connection_command(server->connections[i], SW_MDP_WORKER_READY);
}

void sw_server_add_counter(sw_server *server, const char *name, const uint64_t *value)
{
    server->counter_missing |= !sw_builtin_add_counter(server->builtin, name, value);
}

void sw_server_publish(sw_server *server, sw_message *message)
{
    for (size_t i = 0; i < server->publisher_count; i++)
        sw_publisher_send(server->publishers[i], message);
    sw_message_close(message);
}

size_t sw_server_brokers(const sw_server *server)
{
    size_t count = 0;
    for (size_t i = 0; i < server->connection_count; i++)
        count += sw_connection_is_registered(server->connections[i]);
    return count;
}

void sw_server_set_drain(sw_server *server, int64_t drain_ms)
{
    server->drain_ms = drain_ms;
}

bool sw_server_is_draining(const sw_server *server)
{
    return server->registration.draining;
}

void sw_server_drain(sw_server *server, int64_t timeout_ms)
{
    int64_t until_ms = sw_now_ms() + (timeout_ms <= 0 ? server->drain_ms : timeout_ms);
    if (server->registration.draining) { /* asked again: the shorter time applies */
        if (until_ms < server->drain_until_ms)
            server->drain_until_ms = until_ms;
        return;
    }
    server->drain_until_ms = until_ms;
    server->registration.draining = true;
    for (size_t i = 0; i < server->connection_count; i++)
        sw_connection_drain(server->connections[i]);
    sw_builtin_end_watches(server->builtin);
    sw_timer_start(server->drain_timer, sw_now_ms());
}
