/* Publishers and subscribers (events.h). */
#include "broker/io/events.h"

#include "base/clock.h"
#include "base/error.h"
#include "net/keyfile.h"

#define REQUEST_MAX 1024 /* bytes of a subscription, as a message */

/* --- publishers --- */

/* On ipc, the file mode says who may publish; without encryption, anybody on tcp who reaches it. */
static sw_admission admit_publisher(void *context, sw_inbound *session)
{
    sw_events *events = context;
    char key[SW_KEY_SIZE], address[SW_ADDRESS_TEXT_SIZE];
    if (sw_inbound_key(session) == NULL)
        return SW_ADMISSION_GOOD;
    sw_key_to_text(sw_inbound_key(session), key);
    return sw_auth_admit_service(events->auth, key, sw_inbound_address(session, address));
}

static void read_publisher(void *context, sw_inbound *session)
{
    sw_events *events = context;
    sw_message message;
    int64_t now_us = sw_now_us();
    while (sw_inbound_next(session, &message) != SW_ARRIVAL_NONE) {
        if (!message.overflow)
            sw_subscribers_send(&events->subscribers, &message, now_us);
        events->forwarded++;
        sw_message_close(&message);
    }
}

static void lose_publisher(void *context, sw_inbound *session)
{
    (void)context;
    (void)session;
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
