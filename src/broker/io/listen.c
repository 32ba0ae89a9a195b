/* Endpoints, listeners and their options (listen.h). */
#include "broker/io/listen.h"

#include "base/error.h"
#include "base/log.h"
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define GOODBYE_MS 1000 /* for unsent messages when the broker ends */

/* --- limits --- */

static void log_limits(const sw_listen_limits *limits, unsigned long long descriptors)
{
    char texts[5][24];
    const unsigned long long values[] = {descriptors, limits->shares[SW_SHARE_NETWORK],
                                         limits->shares[SW_SHARE_LOCAL], limits->shares[SW_SHARE_SERVICES],
                                         limits->handshakes};
    for (int i = 0; i < 5; i++)
        snprintf(texts[i], sizeof(texts[i]), "%llu", values[i]);
    sw_log(SW_LOG_INFO, "limits of connections", "descriptors", texts[0], "tcp", texts[1], "ipc", texts[2],
           "services", texts[3], "handshakes", texts[4], NULL);
}

static void derive_limits(const sw_broker_options *options, sw_listen_limits *limits)
{
    struct rlimit limit = {.rlim_cur = 1024};
    getrlimit(RLIMIT_NOFILE, &limit);
    sw_listen_limits_derive(limits, limit.rlim_cur, (uint32_t)options->key_connections,
                            (uint32_t)options->address_connections);
    log_limits(limits, (unsigned long long)limit.rlim_cur);
}

static sw_code open_listeners(sw_broker *broker, sw_error *error)
{
    const sw_broker_options *options = broker->options;
    sw_listeners_options o = {.handshake_ms = options->handshake_ms,
                              .connection_bytes = (size_t)options->connection_bytes,
                              .secret = broker->secret};
    sw_code code = sw_networks_parse(&o.trusted, options->trusted_addresses, error);
    if (code != SW_OK)
        return sw_fail(error, code, "--trusted-addresses: %s", error->message);
    derive_limits(options, &o.limits);
    broker->listeners = sw_listeners_new(broker->loop, &o);
    return broker->listeners != NULL ? SW_OK : sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
}

/* --- endpoints --- */

static bool is_for_services(const char *option)
{
    return strcmp(option, "backend") == 0 || strcmp(option, "publish") == 0;
}

/* For services on ipc, only the file mode keeps others out. So whatever the umask, the file is not
 * open to everybody. */
static sw_code bind_one(sw_listener *listener, const char *option, const char *endpoint, sw_error *error)
{
    char bound[SW_ENDPOINT_SIZE];
    sw_error why = {0};
    if (is_for_services(option) && strncmp(endpoint, "ipc://@", 7) == 0)
        return sw_fail(error, SW_INVALID_ARGUMENT,
                       "--%s: %s has no file mode, so any process here could pose as a service: name a file",
                       option, endpoint);
    sw_code code = sw_listener_bind(listener, endpoint, is_for_services(option), bound, &why);
    if (code != SW_OK)
        return sw_fail(error, code, "--%s: %s", option, why.message);
    sw_log(SW_LOG_INFO, "listening", "side", option, "endpoint", bound, NULL);
    return SW_OK;
}

/* What a listener is made with. */
typedef struct listener_maker {
    sw_broker *broker;
    const sw_listener_owner *owner;
} listener_maker;

typedef sw_listener *listener_fn(const listener_maker *maker, const char *option, bool network);

/* Binds each endpoint of the list to the listener for its transport, which is made for the first
 * one. */
static sw_code bind_all(const listener_maker *maker, const char *option, const char *endpoints,
                        listener_fn *listener_for, sw_error *error)
{
    for (const char *at = endpoints == NULL ? "" : endpoints; *at != '\0';) {
        size_t size = strcspn(at, ",");
        char endpoint[SW_ENDPOINT_SIZE];
        if (size >= sizeof(endpoint))
            return sw_fail(error, SW_INVALID_ARGUMENT, "--%s: an endpoint is longer than %d bytes", option,
                           SW_ENDPOINT_SIZE - 1);
        memcpy(endpoint, at, size);
        endpoint[size] = '\0';
        at += size + (at[size] == ',');
        if (size == 0)
            continue;
        sw_listener *listener = listener_for(maker, option, sw_endpoint_is_network(endpoint));
        sw_code code = listener == NULL ? sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory")
                                        : bind_one(listener, option, endpoint, error);
        if (code != SW_OK)
            return code;
    }
    return SW_OK;
}

/* --- the sides --- */

static sw_listener_options options_of(const sw_broker *broker, const sw_side *side)
{
    const sw_broker_options *options = broker->options;
    bool is_frontend = side->is_frontend;
    sw_share client = side->is_network ? SW_SHARE_NETWORK : SW_SHARE_LOCAL;
    bool is_encrypted = side->is_network && broker->auth.is_curve;
    /* At most a worker's capacity is unsent, each call with a CREDIT and a CANCEL. Pings are for
     * peers that surely have libzmq, which answers in a thread of its own; a peer with its own ZMTP
     * may be busy for longer. */
    return (sw_listener_options){
        .type = SW_SOCKET_ROUTER,
        .secret_key = sw_auth_secret_key(&broker->auth, side->is_network),
        .allows_null = !side->is_network,
        .is_network = side->is_network,
        .share = is_frontend ? client : SW_SHARE_SERVICES,
        .message_max = (size_t)options->message_max,
        .unsent_bytes = is_frontend ? (size_t)options->replies_bytes : SIZE_MAX,
        .unsent_messages = is_frontend ? (size_t)options->replies_max : 4 * (size_t)SW_CAPACITY_MAX,
        .counts_unsent = is_frontend,
        .heartbeat_ms = is_encrypted ? SW_HEARTBEAT_MS : 0,
        .silence_ms = SW_SILENCE_MS,
    };
}

/* The listener for an option and a transport, made for its first endpoint. */
static sw_listener *side_for(const listener_maker *maker, const char *option, bool network)
{
    sw_broker *broker = maker->broker;
    bool is_frontend = strcmp(option, "frontend") == 0;
    sw_side *side = &broker->sides[2 * is_frontend + network];
    if (side->listener != NULL)
        return side->listener;
    *side = (sw_side){.name = option, .owner = broker, .is_frontend = is_frontend, .is_network = network};
    const sw_listener_options options = options_of(broker, side);
    sw_listener_owner owner = *maker->owner;
    owner.context = side;
    return side->listener = sw_listener_new(broker->listeners, &options, &owner);
}

static sw_listener *events_for(const listener_maker *maker, const char *option, bool network)
{
    return sw_events_listener(&maker->broker->events, strcmp(option, "publish") == 0, network);
}

sw_code sw_listen_open(sw_broker *broker, const sw_listener_owner *owner, sw_error *error)
{
    const listener_maker maker = {broker, owner};
    const sw_broker_options *options = broker->options;
    bool events = options->events != NULL && options->events[0] != '\0';
    sw_code code = open_listeners(broker, error);
    if (code == SW_OK)
        code = bind_all(&maker, "backend", options->backend, side_for, error);
    if (code == SW_OK && events)
        code = sw_events_open(&broker->events, broker->loop, broker->listeners, options, &broker->auth,
                              broker->secret, error);
    if (code == SW_OK && events)
        code = bind_all(&maker, "events", options->events, events_for, error);
    if (code == SW_OK && events)
        code = bind_all(&maker, "publish", options->publish, events_for, error);
    return code == SW_OK ? bind_all(&maker, "frontend", options->frontend, side_for, error) : code;
}

void sw_listen_shut(sw_broker *broker)
{
    sw_listeners_destroy(&broker->listeners, GOODBYE_MS);
    sw_events_close(&broker->events);
}
