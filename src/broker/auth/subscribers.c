/* Connections of subscribers by descriptor (subscribers.h). As in io/peer.c, the monitor is read
 * up to now whenever an unknown connection speaks: it reported the connection before the first
 * message could be read. */
#include "broker/auth/subscribers.h"

#include "base/error.h"
#include "broker/auth/rights.h"
#include "net/monitor.h"
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define CONNECTIONS_MAX   (1 << 20) /* as in io/peer.c: no event is lost for want of memory */
#define SUBSCRIPTIONS_MAX 8192      /* of a connection */
/* of a connection: beyond that it is ended and must start again */
#define GRANTS_MAX 2000000

/* --- connections --- */

/* NULL for an impossible descriptor. */
static sw_subscriber_connection *connection_of(const sw_subscribers *all, int fd)
{
    return fd < 0 || fd >= CONNECTIONS_MAX ? NULL : &all->connections[fd];
}

static void forget(sw_subscriber_connection *connection)
{
    sw_subscriber *gone = connection->subscriber;
    connection->subscriber = NULL;
    if (gone == NULL)
        return;
    if (gone->same_next != NULL)
        gone->same_next->same_previous = gone->same_previous;
    *(gone->same_previous != NULL ? &gone->same_previous->same_next : &gone->identity->subscribers) =
        gone->same_next;
    for (size_t i = 0; i < gone->count; i++)
        free(gone->subscriptions[i]);
    free(gone->subscriptions);
    free(gone);
}

void sw_subscribers_watch(sw_subscribers *all)
{
    int32_t fd;
    for (int event; all->monitor != NULL && (event = sw_monitor_next(all->monitor, &fd)) != 0;) {
        sw_subscriber_connection *connection = connection_of(all, fd);
        if (connection == NULL)
            continue;
        forget(connection);
        connection->open = event == ZMQ_EVENT_ACCEPTED;
        all->top = fd >= all->top ? fd + 1 : all->top;
    }
}

static void cut(sw_subscribers *all, int fd)
{
    if (!all->connections[fd].open)
        return;
    all->cut++;
    /* ZeroMQ has no call for this; its I/O thread will see that the connection has ended. */
    shutdown(fd, SHUT_RDWR);
}

void sw_subscribers_check(sw_subscribers *all, sw_identity *identity, int64_t now_us)
{
    bool good = sw_identity_verdict(identity, now_us) == SW_VERDICT_GOOD;
    sw_subscribers_watch(all);
    for (sw_subscriber *each = identity->subscribers; each != NULL; each = each->same_next) {
        bool ours = all->connections[each->fd].subscriber == each;
        if (!ours || each->cut || (good && each->rights == identity->rights))
            continue;
        each->cut = true;
        cut(all, each->fd);
    }
}

/* --- subscriptions --- */

/* The identity that the ZAP handler accepted, if it still may subscribe. */
static sw_identity *identity_of(const sw_subscribers *all, zmq_msg_t *frame, int64_t now_us)
{
    sw_identity *identity =
        sw_identities_find(all->identities, sw_view_of(zmq_msg_gets(frame, "User-Id")), !all->is_curve);
    return identity != NULL && sw_identity_may_subscribe(identity, now_us) ? identity : NULL;
}

static sw_subscriber *add(sw_subscribers *all, int fd, sw_identity *identity)
{
    sw_subscriber *added = calloc(1, sizeof(*added));
    if (added == NULL)
        return NULL;
    added->fd = fd;
    added->identity = identity;
    added->rights = identity->rights;
    added->same_next = identity->subscribers;
    if (identity->subscribers != NULL)
        identity->subscribers->same_previous = added;
    identity->subscribers = added;
    return all->connections[fd].subscriber = added;
}

/* The subscriber that sent a message. NULL: its connection has ended, or is ended now because
 * its rights are not those it came with. */
static sw_subscriber *subscriber_of(sw_subscribers *all, zmq_msg_t *frame, int64_t now_us)
{
    int fd = zmq_msg_get(frame, ZMQ_SRCFD);
    const sw_subscriber_connection *connection = connection_of(all, fd);
    if (connection == NULL)
        return NULL;
    if (connection->subscriber == NULL)
        sw_subscribers_watch(all);
    if (!connection->open)
        return NULL;
    sw_subscriber *known = connection->subscriber;
    sw_identity *identity = identity_of(all, frame, now_us);
    if (identity != NULL && known == NULL)
        known = add(all, fd, identity);
    if (identity == NULL || known == NULL || known->identity != identity ||
        known->rights != identity->rights) {
        cut(all, fd);
        return NULL;
    }
    return known->cut ? NULL : known;
}

static void subscribe(void *context, sw_view topic)
{
    const sw_subscribers *all = context;
    zmq_setsockopt(all->socket, ZMQ_SUBSCRIBE, topic.size == 0 ? "" : topic.data, topic.size);
}

static void unsubscribe(void *context, sw_view topic)
{
    const sw_subscribers *all = context;
    zmq_setsockopt(all->socket, ZMQ_UNSUBSCRIBE, topic.size == 0 ? "" : topic.data, topic.size);
}

static bool remember(sw_subscriber *subscriber, sw_view topic)
{
    if (subscriber->count == subscriber->room) {
        size_t room = subscriber->room == 0 ? 8 : subscriber->room * 2;
        char **grown = realloc(subscriber->subscriptions, room * sizeof(char *));
        if (grown == NULL)
            return false;
        subscriber->subscriptions = grown;
        subscriber->room = room;
    }
    char *text = strndup(topic.size == 0 ? "" : topic.data, topic.size);
    subscriber->subscriptions[subscriber->count] = text;
    subscriber->count += text != NULL;
    return text != NULL;
}

static void add_subscription(sw_subscribers *all, sw_subscriber *subscriber, sw_view topic, int64_t now_us)
{
    size_t granted = sw_rights_grant(subscriber->identity, topic, subscribe, all);
    subscriber->grants += granted;
    if (granted == 0)
        sw_refusals_subscription(all->refusals, subscriber->identity,
                                 subscriber->subscriptions[subscriber->count - 1], now_us);
}

static bool overlap(sw_view a, sw_view b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    return size == 0 || memcmp(a.data, b.data, size) == 0;
}

/* Other subscriptions that overlap with this one keep the topics that they share. */
static void remove_subscription(sw_subscribers *all, sw_subscriber *subscriber, sw_view topic)
{
    size_t place = 0;
    while (place < subscriber->count && !sw_view_equal(sw_view_of(subscriber->subscriptions[place]), topic))
        place++;
    if (place == subscriber->count)
        return;
    subscriber->grants += sw_rights_grant(subscriber->identity, topic, unsubscribe, all);
    free(subscriber->subscriptions[place]);
    subscriber->subscriptions[place] = subscriber->subscriptions[--subscriber->count];
    for (size_t i = 0; i < subscriber->count; i++) {
        sw_view other = sw_view_of(subscriber->subscriptions[i]);
        if (overlap(other, topic))
            subscriber->grants += sw_rights_grant(subscriber->identity, other, subscribe, all);
    }
}

void sw_subscribers_take(sw_subscribers *all, sw_message *message, int64_t now_us)
{
    zmq_msg_t *frame = &message->frames[0];
    const char *bytes = zmq_msg_data(frame);
    sw_view topic = {bytes + 1, zmq_msg_size(frame) - 1};
    if (message->count != 1 || zmq_msg_size(frame) == 0 || bytes[0] < 0 || bytes[0] > 1 ||
        zmq_msg_gets(frame, "User-Id") == NULL) /* the end of a connection, or not a subscription */
        return;
    sw_subscriber *subscriber = subscriber_of(all, frame, now_us);
    if (subscriber == NULL)
        return;
    if (topic.size > SW_TOPIC_MAX || (topic.size > 0 && memchr(topic.data, '\0', topic.size) != NULL))
        return;
    if (bytes[0] == 0)
        remove_subscription(all, subscriber, topic);
    else if (subscriber->count < SUBSCRIPTIONS_MAX && remember(subscriber, topic))
        add_subscription(all, subscriber, topic, now_us);
    else
        subscriber->grants = GRANTS_MAX;
    if (subscriber->grants >= GRANTS_MAX && !subscriber->cut) {
        subscriber->cut = true;
        cut(all, subscriber->fd);
    }
}

/* --- life --- */

sw_code sw_subscribers_open(sw_subscribers *all, void *context, sw_error *error)
{
    const int manual = 1;
    all->connections = calloc(CONNECTIONS_MAX, sizeof(*all->connections));
    if (all->connections == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    all->monitor = sw_monitor_open(context, all->socket, ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED);
    if (all->monitor == NULL || zmq_setsockopt(all->socket, ZMQ_XPUB_MANUAL, &manual, sizeof(manual)) != 0)
        return sw_fail(error, SW_INTERNAL, "cannot make the socket of events: %s", zmq_strerror(zmq_errno()));
    return SW_OK;
}

void sw_subscribers_close(sw_subscribers *all)
{
    for (int i = 0; i < all->top; i++) /* beyond it, pages are untouched */
        forget(&all->connections[i]);
    sw_monitor_close(all->socket, &all->monitor);
    free(all->connections);
}
