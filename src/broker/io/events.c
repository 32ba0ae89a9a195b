/* Publishers and subscribers (events.h). */
#include "broker/io/events.h"

#include "base/clock.h"
#include "base/error.h"
#include "net/keyfile.h"
#include <stdlib.h>
#include <string.h>

#define REQUEST_MAX 1024 /* bytes of a subscription, as a message */

/* --- publishers --- */

/* What is known of a publisher. Events of one package follow each other, so the last judgement is
 * kept. */
typedef struct publisher {
    sw_caller caller;
    char *names; /* of services, in its certificate */
    char package[SW_NAME_MAX + 1];
    size_t package_size;
    bool may_publish;
} publisher;

static void free_publisher(publisher *p)
{
    if (p != NULL)
        free(p->names);
    free(p);
}

static publisher *new_publisher(sw_events *events, sw_inbound *session)
{
    char address[SW_ADDRESS_TEXT_SIZE];
    publisher *p = calloc(1, sizeof(*p));
    const uint8_t *key = sw_inbound_key(session);
    if (p == NULL)
        return NULL;
    p->caller.uid = sw_inbound_uid(session);
    p->caller.is_network = sw_inbound_address(session, address)[0] != '\0';
    p->caller.is_curve = key != NULL;
    if (key != NULL)
        sw_key_to_text(key, p->caller.key);
    p->names = sw_auth_names_of(events->auth, p->caller.key);
    if (p->names != NULL)
        return p;
    free_publisher(p);
    return NULL;
}

/* On ipc, the file mode says who may connect; without encryption, anybody on tcp who reaches it. */
static sw_admission admit_publisher(void *context, sw_inbound *session)
{
    sw_events *events = context;
    char address[SW_ADDRESS_TEXT_SIZE];
    publisher *p = new_publisher(events, session);
    if (p == NULL) { /* as in rounds.c */
        sw_inbound_end(session);
        return SW_ADMISSION_WAIT;
    }
    sw_inbound_set_user(session, p);
    return p->caller.is_curve
               ? sw_auth_admit_service(events->auth, p->caller.key, sw_inbound_address(session, address))
               : SW_ADMISSION_GOOD;
}

/* The package is the first part of the topic. */
static bool may_publish(sw_events *events, publisher *p, sw_view topic)
{
    const char *slash = memchr(topic.data, '/', topic.size);
    sw_view package = {topic.data, slash != NULL ? (size_t)(slash - topic.data) : 0};
    bool is_last = p->package_size > 0 && sw_view_equal(package, (sw_view){p->package, p->package_size});
    if (is_last && p->may_publish)
        return true;
    p->may_publish = sw_auth_may_publish(events->auth, &p->caller, p->names, package);
    p->package_size = package.size < sizeof(p->package) ? package.size : 0;
    memcpy(p->package, package.data, p->package_size);
    return p->may_publish;
}

static void read_publisher(void *context, sw_inbound *session)
{
    sw_events *events = context;
    publisher *p = sw_inbound_user(session);
    sw_message message;
    int64_t now_us = sw_now_us();
    while (sw_inbound_next(session, &message) != SW_ARRIVAL_NONE) {
        bool may = may_publish(events, p, sw_message_view(&message, 0));
        if (may && !message.overflow)
            sw_subscribers_send(&events->subscribers, &message, now_us);
        events->forwarded += may;
        events->refused += !may;
        sw_message_close(&message);
    }
}

static void lose_publisher(void *context, sw_inbound *session)
{
    (void)context;
    free_publisher(sw_inbound_user(session));
}

static void recheck_publisher(void *context, sw_inbound *session)
{
    sw_events *events = context;
    publisher *p = sw_inbound_user(session);
    char address[SW_ADDRESS_TEXT_SIZE], *names;
    if (!p->caller.is_curve)
        return;
    names = sw_auth_names_of(events->auth, p->caller.key);
    if (names == NULL || sw_auth_admit_service(events->auth, p->caller.key,
                                               sw_inbound_address(session, address)) != SW_ADMISSION_GOOD) {
        free(names);
        sw_inbound_end(session); /* it may come again */
        return;
    }
    free(p->names);
    p->names = names;
    p->package_size = 0;
}

void sw_events_recheck(sw_events *events)
{
    for (int i = 0; i < 2; i++)
        if (events->publishers[i] != NULL)
            sw_listener_each(events->publishers[i], recheck_publisher, events);
}

/* --- subscribers --- */

static sw_admission admit_subscriber(void *context, sw_inbound *session)
{
    return sw_subscribers_admit(&((sw_events *)context)->subscribers, session, sw_now_us());
}

static void read_subscriber(void *context, sw_inbound *session)
{
    sw_subscribers_read(&((sw_events *)context)->subscribers, session);
}

/* One round after the other removes a part, so that calls get their turn. */
static void sweep(void *context)
{
    sw_events *events = context;
    sw_timer_start(events->sweep, sw_subscribers_sweep(&events->subscribers) ? 0 : SW_NEVER);
}

static void lose_subscriber(void *context, sw_inbound *session)
{
    sw_events *events = context;
    sw_subscribers_lost(&events->subscribers, session);
    sw_timer_start(events->sweep, 0);
}

void sw_events_check(sw_events *events, sw_identity *identity, int64_t now_us)
{
    if (identity->subscribers != NULL)
        sw_subscribers_check(&events->subscribers, identity, now_us);
}

/* --- life --- */

sw_code sw_events_open(sw_events *events, sw_loop *loop, sw_listeners *listeners,
                       const sw_broker_options *options, sw_auth *auth, uint64_t secret, sw_error *error)
{
    *events = (sw_events){.loop = loop,
                          .listeners = listeners,
                          .options = options,
                          .auth = auth,
                          .sweep = sw_loop_timer(loop, sweep, events)};
    sw_subscribers_open(&events->subscribers, auth, options, secret);
    return events->sweep != NULL ? SW_OK : sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
}

sw_listener *sw_events_listener(sw_events *events, bool publishers, bool network)
{
    sw_listener **place = publishers ? &events->publishers[network] : &events->subscriber_listeners[network];
    const sw_listener_owner owners[] = {{events, admit_subscriber, read_subscriber, lose_subscriber, NULL},
                                        {events, admit_publisher, read_publisher, lose_publisher, NULL}};
    sw_share client = network ? SW_SHARE_NETWORK : SW_SHARE_LOCAL;
    const sw_listener_options options = {
        .type = publishers ? SW_SOCKET_XSUB : SW_SOCKET_XPUB,
        .secret_key = sw_auth_secret_key(events->auth, network),
        .allows_null = !network,
        .is_network = network,
        .share = publishers ? SW_SHARE_SERVICES : client,
        .message_max = publishers ? (size_t)events->options->message_max : REQUEST_MAX,
        .unsent_bytes = SIZE_MAX,
        .unsent_messages = (size_t)events->options->events_max,
        .counts_unsent = !publishers,
        .heartbeat_ms = SW_HEARTBEAT_MS,
        .silence_ms = SW_SILENCE_MS,
    };
    if (*place == NULL)
        *place = sw_listener_new(events->listeners, &options, &owners[publishers]);
    return *place;
}

void sw_events_close(sw_events *events)
{
    sw_timer_destroy(&events->sweep);
    sw_subscribers_close(&events->subscribers);
    *events = (sw_events){0};
}
