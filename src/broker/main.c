/* sitewire-broker: stands between clients and services. Its options, and what signals mean to
 * it. */
#include "base/error.h"
#include "base/log.h"
#include "broker/auth/local_users.h"
#include "broker/auth/offers.h"
#include "broker/io/broker.h"
#include "cert/cert_store.h"
#include "listen/network.h"
#include "net/keyfile.h"
#include "program/program.h"
#include <string.h>
#include <sys/resource.h>
#include <zmq.h>

typedef struct {
    int64_t service_calls, client_calls, calls, service_bytes, client_bytes, bytes;
} bounds;

static sw_broker_options broker_options;
static bounds set;

#define CORE broker_options.core
static const sw_option options[] = {
    {"frontend", 'f', SW_OPTION_STRING, &broker_options.frontend, "ipc:///run/sitewire/frontend", 0, 0,
     "ENDPOINTS", "where clients connect, comma-separated", SW_RESTART},
    {"backend", 'b', SW_OPTION_STRING, &broker_options.backend, "ipc:///run/sitewire/backend", 0, 0,
     "ENDPOINTS", "where workers connect", SW_RESTART},
    {"events", 'e', SW_OPTION_STRING, &broker_options.events, NULL, 0, 0, "ENDPOINTS",
     "where subscribers connect; without it events are not passed on", SW_RESTART},
    {"publish", 'p', SW_OPTION_STRING, &broker_options.publish, NULL, 0, 0, "ENDPOINTS",
     "where publishers of events connect", SW_RESTART},
    {"instance", 'i', SW_OPTION_STRING, &broker_options.instance, NULL, 0, 0, "NAME",
     "unique name of this broker; without it one is made from the process id", SW_RESTART},
    {"curve", 0, SW_OPTION_CHOICE, &broker_options.curve, "on", 0, 0, "on|off",
     "encryption of tcp, where a caller's key says who calls; on ipc each peer chooses", SW_RESTART},
    {"key", 'k', SW_OPTION_STRING, &broker_options.key, NULL, 0, 0, "FILE",
     "this broker's key, for tcp and for peers on ipc that use theirs; `sitewire key new FILE` makes one",
     SW_RESTART},
    {"service-keys", 0, SW_OPTION_STRING, &broker_options.service_keys, NULL, 0, 0, "FOLDER",
     "certificates of the keys that may serve and publish, each with the names of its services", SW_RESTART},
    {"local-users", 0, SW_OPTION_STRING, &broker_options.local_users, NULL, 0, 0, "UID=USER,...",
     "the user that a process on ipc calls as, by its uid or user name; * is any other", SW_RESTART},
    {"local-services", 0, SW_OPTION_STRING, &broker_options.local_services, NULL, 0, 0, "UID=NAME,...",
     "the services that a process on ipc may offer without a key, by its uid or user name: names, prefix.*, "
     "or * for all but sitewire.*",
     SW_RESTART},
    {"caller", 0, SW_OPTION_STRING, &broker_options.caller, NULL, 0, 0, "USER",
     "the user that everybody without encryption calls as; for tests", SW_RESTART},
    {"auth-cache-ms", 0, SW_OPTION_NUMBER, &broker_options.auth_cache_ms, "60000", 0, 86400000, "ms",
     "how long a checked key stays good while the user service is away", SW_RESTART},
    {"handshake-ms", 0, SW_OPTION_NUMBER, &broker_options.handshake_ms, "5000", 10, 60000, "ms",
     "time for the handshake of a connection; then it is closed", SW_RESTART},
    {"heartbeat-ms", 0, SW_OPTION_NUMBER, &CORE.heartbeat_ms, "500", 10, 60000, "ms",
     "between heartbeats; a worker silent for four is lost", SW_RESTART},
    {"plain-silence-ms", 0, SW_OPTION_NUMBER, &CORE.plain_silence_ms, "10000", 100, 3600000, "ms",
     "an idle plain MDP worker silent for so long is lost", SW_RESTART},
    {"startup-grace-ms", 0, SW_OPTION_NUMBER, &CORE.grace_ms, "5000", 0, 600000, "ms",
     "after the start, calls wait so long for services not yet known", SW_RESTART},
    {"call-timeout-ms", 0, SW_OPTION_NUMBER, &CORE.time_default_ms, "30000", 1, 86400000, "ms",
     "time of a call that sets none", SW_RESTART},
    {"log-slow-ms", 0, SW_OPTION_NUMBER, &broker_options.slow_ms, "1000", 0, 86400000, "ms",
     "calls that take as long are logged, with the time at each hop; 0: none are", SW_LIVE},
    {"drain-ms", 0, SW_OPTION_NUMBER, &broker_options.drain_ms, "30000", 1, 86400000, "ms",
     "time for calls in flight when the program is stopped", SW_LIVE},
    {"service-queue", 0, SW_OPTION_NUMBER, &set.service_calls, "20000", 1, 10000000, "calls",
     "waiting for one service", SW_RESTART},
    {"service-queue-bytes", 0, SW_OPTION_NUMBER, &set.service_bytes, "268435456", 1024, INT64_MAX, "bytes",
     "waiting for one service", SW_RESTART},
    {"client-queue", 0, SW_OPTION_NUMBER, &set.client_calls, "16000", 1, 10000000, "calls",
     "waiting of one client", SW_RESTART},
    {"client-queue-bytes", 0, SW_OPTION_NUMBER, &set.client_bytes, "67108864", 1024, INT64_MAX, "bytes",
     "waiting of one client", SW_RESTART},
    {"queue", 0, SW_OPTION_NUMBER, &set.calls, "100000", 1, 100000000, "calls", "waiting in the broker",
     SW_RESTART},
    {"queue-bytes", 0, SW_OPTION_NUMBER, &set.bytes, "536870912", 1024, INT64_MAX, "bytes",
     "waiting in the broker", SW_RESTART},
    {"message-bytes", 0, SW_OPTION_NUMBER, &broker_options.message_max, "67108864", 1024, 1 << 30, "bytes",
     "of a message; a larger one ends its connection", SW_RESTART},
    {"unsent-replies", 0, SW_OPTION_NUMBER, &broker_options.replies_max, "10000", 1, 10000000, "messages",
     "to a client before it is cut off", SW_RESTART},
    {"unsent-replies-bytes", 0, SW_OPTION_NUMBER, &broker_options.replies_bytes, "67108864", 1024, INT64_MAX,
     "bytes", "to a client before it is cut off", SW_RESTART},
    {"unsent-events", 0, SW_OPTION_NUMBER, &broker_options.events_max, "20000", 1, 10000000, "events",
     "to a subscriber before it misses some", SW_RESTART},
    {"connection-bytes", 0, SW_OPTION_NUMBER, &broker_options.connection_bytes, "67108864", 65536, INT64_MAX,
     "bytes", "half read and unsent, of all connections of a key or uid; then they are closed", SW_RESTART},
    {"key-connections", 0, SW_OPTION_NUMBER, &broker_options.key_connections, "256", 1, 1000000,
     "connections", "of one key", SW_RESTART},
    {"address-connections", 0, SW_OPTION_NUMBER, &broker_options.address_connections, "1024", 1, 1000000,
     "connections", "from one address, and at most half of what tcp gets", SW_RESTART},
    {"trusted-addresses", 0, SW_OPTION_STRING, &broker_options.trusted_addresses, NULL, 0, 0, "NETWORKS",
     "balancers and gateways, as ADDRESS or ADDRESS/BITS: no bound of connections per address", SW_RESTART},
    {"user-subscriptions", 0, SW_OPTION_NUMBER, &broker_options.user_subscriptions, "4096", 1, 10000000,
     "subscriptions", "of all connections of a user; one more closes its connection", SW_RESTART},
    {"user-subscription-bytes", 0, SW_OPTION_NUMBER, &broker_options.user_subscription_bytes, "655360", 512,
     INT64_MAX, "bytes", "of memory for these", SW_RESTART},
    {"subscriptions", 0, SW_OPTION_NUMBER, &broker_options.subscriptions, "400000", 1, 100000000,
     "subscriptions", "of all users", SW_RESTART},
    {"subscription-bytes", 0, SW_OPTION_NUMBER, &broker_options.subscription_bytes, "67108864", 512,
     INT64_MAX, "bytes", "of memory for these", SW_RESTART},
    {0},
};
#undef CORE

typedef struct {
    sw_loop *loop;
    sw_broker *broker;
    sw_key_file key; /* in use */
} state;

/* --- settings --- */

/* Bounds that the core holds in types of its own. */
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

static bool is_empty(const char *text)
{
    return text == NULL || *text == '\0';
}

static bool has_tcp(const char *endpoints)
{
    return endpoints != NULL && strstr(endpoints, "tcp://") != NULL;
}

static bool is_encrypted(void)
{
    return strcmp(broker_options.curve, "on") == 0;
}

static bool services_use_tcp(void)
{
    return has_tcp(broker_options.backend) || has_tcp(broker_options.publish);
}

static bool uses_tcp(void)
{
    return services_use_tcp() || has_tcp(broker_options.frontend) || has_tcp(broker_options.events);
}

static sw_code validate(void *context, sw_error *error)
{
    (void)context;
    take_bounds();
    if (uses_tcp() && is_encrypted() && is_empty(broker_options.key))
        return sw_fail_field(error, SW_FAILED_PRECONDITION, "key",
                             "tcp needs this broker's key: give --key FILE (`sitewire key new FILE` makes "
                             "one), or --curve off");
    if (services_use_tcp() && is_encrypted() && is_empty(broker_options.service_keys))
        return sw_fail_field(
            error, SW_FAILED_PRECONDITION, "service-keys",
            "a backend on tcp needs --service-keys FOLDER with the certificates of services");
    return SW_OK;
}

static sw_code read_key(sw_key_file *key, sw_error *error)
{
    memset(key, 0, sizeof(*key));
    return is_empty(broker_options.key) ? SW_OK : sw_key_file_read(broker_options.key, key, error);
}

static sw_code check_service_keys(sw_error *error)
{
    sw_cert_store *store = NULL;
    if (is_empty(broker_options.key) || is_empty(broker_options.service_keys))
        return SW_OK;
    sw_code code = sw_cert_store_new(broker_options.service_keys, &store, error);
    sw_cert_store_destroy(&store);
    return code;
}

static void check(void *context, sw_check *check)
{
    (void)context;
    sw_error error;
    sw_key_file key;
    sw_local_users users = {0};
    sw_offers offers = {0};
    sw_networks trusted;
    sw_check_endpoints(check, "frontend", broker_options.frontend, true);
    sw_check_endpoints(check, "backend", broker_options.backend, true);
    sw_check_endpoints(check, "events", broker_options.events, true);
    sw_check_endpoints(check, "publish", broker_options.publish, true);
    if (read_key(&key, &error) != SW_OK)
        sw_check_report(check, "key", &error);
    sw_key_file_wipe(&key);
    if (check_service_keys(&error) != SW_OK)
        sw_check_report(check, "service-keys", &error);
    if (sw_local_users_read(&users, broker_options.caller, broker_options.local_users, &error) != SW_OK)
        sw_check_report(check, strstr(error.message, "--caller") != NULL ? "caller" : "local-users", &error);
    if (sw_offers_read(&offers, broker_options.local_services, &error) != SW_OK)
        sw_check_report(check, "local-services", &error);
    sw_offers_clear(&offers);
    if (sw_networks_parse(&trusted, broker_options.trusted_addresses, &error) != SW_OK)
        sw_check_report(check, "trusted-addresses", &error);
}

/* --- while it runs --- */

static void on_stop(void *context, const char *name, int count)
{
    (void)name;
    state *s = context;
    if (count > 1)
        sw_loop_stop(s->loop);
    else
        sw_broker_drain(s->broker, 0);
}

/* The folder of service keys is read at each handshake anyway; here its mistakes are reported. */
static sw_code reload(void *context, sw_error *error)
{
    state *s = context;
    sw_key_file key;
    sw_code code = read_key(&key, error);
    if (code == SW_OK)
        code = check_service_keys(error);
    if (code == SW_OK && strcmp(key.secret_key, s->key.secret_key) != 0) {
        sw_broker_set_key(s->broker, &key);
        s->key = key;
        sw_log(SW_LOG_INFO, "key changed", "file", broker_options.key, "key", key.public_key, NULL);
    }
    sw_key_file_wipe(&key);
    return code;
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static sw_code start(void *context, sw_error *error)
{
    state *s = context;
    s->loop = sw_loop_new();
    if (s->loop == NULL ||
        sw_loop_fd(s->loop, sw_program_fd(), ZMQ_POLLIN, sw_program_process, NULL) != SW_OK)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    raise_descriptor_limit();
    sw_code code = read_key(&s->key, error);
    if (code == SW_OK)
        code = sw_broker_new(s->loop, &broker_options, &s->broker, error);
    if (code != SW_OK)
        return code;
    sw_program_ready();
    sw_log(SW_LOG_INFO, "ready", "instance", sw_broker_instance(s->broker), "version", SW_VERSION, NULL);
    return SW_OK;
}

static sw_code run(void *context, sw_error *error)
{
    return sw_loop_run(((state *)context)->loop, error);
}

static void stop(void *context)
{
    state *s = context;
    sw_broker_destroy(&s->broker);
    sw_loop_destroy(&s->loop);
    sw_key_file_wipe(&s->key);
}

static const sw_program program = {
    .name = "sitewire-broker",
    .about =
        "Stands between clients and services: clients call at the frontend, services register at the "
        "backend,\n"
        "and each call goes to the least busy worker of its service.\n"
        "\n"
        "    sitewire-broker --frontend ipc:///run/sitewire/frontend --backend ipc:///run/sitewire/backend\n"
        "    sitewire-broker --frontend tcp://*:7601,ipc:///run/sitewire/frontend --backend tcp://*:7602",
    .notes = "SIGTERM or SIGINT drains: the broker takes no new calls, finishes those in flight, and ends. A "
             "second one\nends it at once.",
    .options = options,
    .serves = true,
    .validate = validate,
    .check = check,
    .start = start,
    .run = run,
    .stop = stop,
    .on_stop = on_stop,
    .reload = reload,
};

int main(int argc, char **argv)
{
    static state s;
    broker_options.core = sw_core_defaults;
    return sw_program_main(&program, &s, argc, argv);
}
