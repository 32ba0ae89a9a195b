/* Subscriptions, and who hears what (subscribers.h). */
#include "broker/auth/subscribers.h"

#include "listen/listener.h"
#include "net/keyfile.h"
#include <stdlib.h>
#include <string.h>

#define SWEEP_STEPS 2000 /* subscriptions removed in a round: well under a millisecond */

/* --- connections --- */

static sw_subscriber *subscriber_of(sw_waiter *waiter)
{
    return (sw_subscriber *)(void *)((char *)waiter - offsetof(sw_subscriber, waiter));
}

/* It keeps the rights with which it came in. */
static void settle(sw_subscriber *subscriber)
{
    subscriber->is_settled = true;
    subscriber->rights = subscriber->identity->rights;
}

/* sw_waiter.decide */
static void decide(sw_waiter *waiter, sw_admission admission)
{
    sw_subscriber *subscriber = subscriber_of(waiter);
    if (admission == SW_ADMISSION_GOOD)
        settle(subscriber);
    sw_listener_decide(subscriber->session, admission);
}

static void join_identity(sw_subscriber *subscriber, sw_identity *identity)
{
    subscriber->identity = identity;
    subscriber->same_next = identity->subscribers;
    if (identity->subscribers != NULL)
        identity->subscribers->same_previous = subscriber;
    identity->subscribers = subscriber;
}

static void leave_identity(sw_subscriber *subscriber)
{
    if (subscriber->identity == NULL)
        return;
    if (subscriber->same_next != NULL)
        subscriber->same_next->same_previous = subscriber->same_previous;
    *(subscriber->same_previous != NULL ? &subscriber->same_previous->same_next
                                        : &subscriber->identity->subscribers) = subscriber->same_next;
    subscriber->identity = NULL;
}

sw_admission sw_subscribers_admit(sw_subscribers *all, sw_inbound *session, int64_t now_us)
{
    char key[SW_KEY_SIZE] = "";
    sw_identity *identity;
    sw_subscriber *subscriber = calloc(1, sizeof(*subscriber));
    if (subscriber == NULL) { /* as in io/rounds.c */
        sw_inbound_end(session);
        return SW_ADMISSION_WAIT;
    }
    subscriber->session = session;
    subscriber->waiter.decide = decide;
    sw_inbound_set_user(session, subscriber);
    if (sw_inbound_key(session) != NULL)
        sw_key_to_text(sw_inbound_key(session), key);
    sw_admission admission = sw_auth_admit_subscriber(all->auth, &subscriber->waiter, sw_view_of(key),
                                                      sw_inbound_uid(session), &identity, now_us);
    if (identity != NULL) {
        sw_inbound_address(session, identity->address);
        join_identity(subscriber, identity);
    }
    if (admission == SW_ADMISSION_GOOD)
        settle(subscriber);
    return admission;
}

/* The user's bound is free at once; the memory goes little by little. */
void sw_subscribers_lost(sw_subscribers *all, sw_inbound *session)
{
    sw_subscriber *subscriber = sw_inbound_user(session);
    if (subscriber == NULL)
        return;
    sw_waiter_leave(&subscriber->waiter);
    leave_identity(subscriber);
    if (subscriber->quota != NULL) {
        subscriber->quota->subscriptions -= subscriber->topics.count;
        subscriber->quota->bytes -= subscriber->topics.bytes;
    }
    sw_quotas_leave(&all->quotas, &subscriber->quota);
    subscriber->session = NULL;
    sw_topics_leave(&all->topics, &subscriber->topics);
}

bool sw_subscribers_sweep(sw_subscribers *all)
{
    unsigned steps = SWEEP_STEPS;
    for (sw_topic_owner *owner; (owner = sw_topics_sweep(&all->topics, &steps)) != NULL;)
        free(owner); /* the first member of a subscriber */
    all->swept = SWEEP_STEPS - steps;
    return sw_topics_has_left(&all->topics);
}

static void cut(sw_subscribers *all, const sw_subscriber *subscriber)
{
    all->cut[sw_inbound_uid(subscriber->session) < 0]++;
    sw_inbound_end(subscriber->session);
}

void sw_subscribers_check(sw_subscribers *all, sw_identity *identity, int64_t now_us)
{
    bool good = sw_identity_verdict(identity, now_us) == SW_VERDICT_GOOD;
    for (const sw_subscriber *each = identity->subscribers; each != NULL; each = each->same_next)
        if (each->is_settled && sw_inbound_is_up(each->session) &&
            (!good || each->rights != identity->rights))
            cut(all, each);
}

/* --- subscriptions --- */

/* The size of PACKAGE/KIND/, the part before the project; 0 if there is none. */
static size_t head_size(sw_view topic)
{
    size_t slashes = 0;
    for (size_t i = 0; i < topic.size; i++)
        if (topic.data[i] == '/' && ++slashes == 2)
            return i + 1;
    return 0;
}

static bool begins(sw_view text, const char *with, size_t size)
{
    return text.size >= size && memcmp(text.data, with, size) == 0;
}

/* Whether a project that the user may read, with its slash, is a prefix of the text or begins with
 * it. Only for the log: events are judged one by one. */
static bool matches_any(const sw_identity *identity, sw_view text)
{
    for (size_t i = 0; i < identity->project_count; i++) {
        const char *name = identity->sorted[i];
        size_t size = strlen(name), least = text.size < size ? text.size : size;
        if (begins(text, name, least) && (text.size <= size || text.data[size] == '/'))
            return true;
    }
    return false;
}

static bool names_something(const sw_identity *identity, sw_view topic)
{
    size_t head = head_size(topic);
    return identity->admin ||
           (head > 0 && (identity->reads_everything ||
                         matches_any(identity, (sw_view){topic.data + head, topic.size - head})));
}

/* Whether one more subscription is within the bounds of the user and of all. */
static bool has_room(sw_subscribers *all, sw_subscriber *subscriber, size_t size)
{
    const sw_broker_options *options = all->options;
    size_t cost = size + SW_TOPIC_COST;
    if (subscriber->quota == NULL)
        subscriber->quota = sw_quotas_join(&all->quotas, sw_view_of(subscriber->identity->user));
    const sw_quota *quota = subscriber->quota;
    return quota != NULL && quota->subscriptions < options->user_subscriptions &&
           quota->bytes + cost <= (size_t)options->user_subscription_bytes &&
           all->topics.count < (uint64_t)options->subscriptions &&
           all->topics.bytes + cost <= (size_t)options->subscription_bytes;
}

static void count_in_quota(sw_subscriber *subscriber, uint32_t count, size_t bytes)
{
    if (subscriber->quota == NULL)
        return;
    subscriber->quota->subscriptions += subscriber->topics.count - count;
    subscriber->quota->bytes += subscriber->topics.bytes - bytes;
}

/* One subscription over the bounds ends the connection: to ignore it would lose events silently. */
static void subscribe(sw_subscribers *all, sw_subscriber *subscriber, sw_view topic)
{
    uint32_t count = subscriber->topics.count;
    size_t bytes = subscriber->topics.bytes;
    if (!has_room(all, subscriber, topic.size) || !sw_topics_add(&all->topics, &subscriber->topics, topic)) {
        sw_refusals_too_many(&all->auth->refusals, subscriber->identity);
        cut(all, subscriber);
        return;
    }
    count_in_quota(subscriber, count, bytes);
    if (!names_something(subscriber->identity, topic))
        sw_refusals_subscription(&all->auth->refusals, subscriber->identity, topic);
}

static void unsubscribe(sw_subscribers *all, sw_subscriber *subscriber, sw_view topic)
{
    uint32_t count = subscriber->topics.count;
    size_t bytes = subscriber->topics.bytes;
    sw_topics_remove(&all->topics, &subscriber->topics, topic);
    count_in_quota(subscriber, count, bytes);
}

static void take(sw_subscribers *all, sw_subscriber *subscriber, sw_arrival arrival, sw_view topic)
{
    if (topic.size > SW_TOPIC_MAX)
        return;
    if (arrival == SW_ARRIVAL_SUBSCRIBE)
        subscribe(all, subscriber, topic);
    else if (arrival == SW_ARRIVAL_CANCEL)
        unsubscribe(all, subscriber, topic);
}

void sw_subscribers_read(sw_subscribers *all, sw_inbound *session)
{
    sw_subscriber *subscriber = sw_inbound_user(session);
    sw_message message;
    for (sw_arrival arrival; (arrival = sw_inbound_next(session, &message)) != SW_ARRIVAL_NONE;) {
        take(all, subscriber, arrival, sw_message_view(&message, 0));
        sw_message_close(&message);
    }
}

/* --- events --- */

typedef struct {
    sw_subscribers *all;
    sw_message *event;
    size_t head; /* bytes of PACKAGE/KIND/; 0: the topic names no project */
    sw_view project;
    int64_t now_us;
} delivery;

/* Judged once for each identity, whatever the number of its subscribers. */
static bool may_hear(const delivery *d, sw_identity *identity)
{
    if (identity->heard_event != d->all->event) {
        identity->heard_event = d->all->event;
        identity->may_hear = sw_identity_may_subscribe(identity, d->now_us) &&
                             (identity->admin || (d->head > 0 && sw_identity_may_read(identity, d->project)));
    }
    return identity->may_hear;
}

static bool copy_event(sw_message *to, sw_message *from)
{
    to->count = 0;
    for (int i = 0; i < from->count; i++) {
        zmq_msg_init(&to->frames[to->count++]);
        if (zmq_msg_copy(&to->frames[i], &from->frames[i]) != 0)
            return false;
    }
    return true;
}

/* sw_topic_fn. A subscriber that does not read misses events, and sees that by their numbers. */
static void deliver(void *context, sw_topic_owner *owner, size_t size)
{
    const delivery *d = context;
    sw_subscriber *subscriber = (sw_subscriber *)owner;
    sw_message copy;
    /* Only an admin may subscribe without naming a package and a kind. */
    bool is_vague = !subscriber->identity->admin && size < d->head;
    if (is_vague || subscriber->heard_event == d->all->event)
        return;
    subscriber->heard_event = d->all->event;
    if (!may_hear(d, subscriber->identity))
        return;
    if (copy_event(&copy, d->event))
        sw_inbound_send(subscriber->session, &copy);
    sw_message_close(&copy);
}

void sw_subscribers_send(sw_subscribers *all, sw_message *event, int64_t now_us)
{
    sw_view topic = sw_message_view(event, 0);
    size_t head = head_size(topic);
    delivery d = {.all = all, .event = event, .now_us = now_us};
    if (head > 0 && topic.size > head && topic.data[topic.size - 1] == '/') {
        d.head = head;
        d.project = (sw_view){topic.data + head, topic.size - head - 1};
    }
    all->event++;
    sw_topics_match(&all->topics, topic, deliver, &d);
}

/* --- life --- */

void sw_subscribers_open(sw_subscribers *all, sw_auth *auth, const sw_broker_options *options,
                         uint64_t secret)
{
    *all = (sw_subscribers){.auth = auth, .options = options};
    sw_topics_init(&all->topics, secret);
    sw_quotas_init(&all->quotas, secret);
}

void sw_subscribers_close(sw_subscribers *all)
{
    while (all->auth != NULL && sw_subscribers_sweep(all))
        continue;
    sw_topics_clear(&all->topics);
    sw_quotas_clear(&all->quotas);
    *all = (sw_subscribers){0};
}
