/* The subscribers of events: what each subscribed to, and which events it gets. A subscriber gets
 * an event if one of its subscriptions is a prefix of the topic, and its user may read the project.
 *
 * A topic is PACKAGE/KIND/PROJECT/. A subscription must name a package and a kind; the user gets
 * those of its projects that match the rest as a prefix. An admin gets any subscription unchanged.
 * A connection whose user's rights have changed is ended; it comes again with the new ones. Used by
 * io/events.c. */
#ifndef SW_BROKER_SUBSCRIBERS_H
#define SW_BROKER_SUBSCRIBERS_H

#include "broker/auth/auth.h"
#include "broker/auth/quota.h"
#include "broker/auth/topics.h"

/* A connection that is admitted, or waits for that. */
typedef struct sw_subscriber {
    sw_topic_owner topics; /* first: the topics know it by this */
    sw_waiter waiter;
    sw_inbound *session;                             /* NULL: it has left */
    struct sw_subscriber *same_next, *same_previous; /* the other ones of its identity */
    sw_identity *identity;
    sw_quota *quota;
    bool is_settled;      /* `rights` is set: it was admitted */
    uint32_t rights;      /* the identity's, when it was admitted */
    uint64_t heard_event; /* the last event that it got */
} sw_subscriber;

typedef struct sw_subscribers {
    sw_auth *auth;
    const sw_broker_options *options;
    sw_topics topics;
    sw_quotas quotas;
    uint64_t event;  /* number of the event that is being sent */
    uint64_t cut[2]; /* connections ended, on ipc and on tcp, for Stats */
    unsigned swept;  /* subscriptions removed in the last sweep */
} sw_subscribers;

/* Everything is borrowed. `secret` seeds hashes. */
void sw_subscribers_open(sw_subscribers *all, sw_auth *auth, const sw_broker_options *options,
                         uint64_t secret);
/* After their connections were closed. Accepts all zeros. */
void sw_subscribers_close(sw_subscribers *all);

/* The functions of a sw_listener_owner: a connection asks to come in, subscribes, and ends. */
sw_admission sw_subscribers_admit(sw_subscribers *all, sw_inbound *session, int64_t now_us);
void sw_subscribers_read(sw_subscribers *all, sw_inbound *session);
void sw_subscribers_lost(sw_subscribers *all, sw_inbound *session);

/* Sends an event to whoever may hear it: topic and body. Does not consume it. */
void sw_subscribers_send(sw_subscribers *all, sw_message *event, int64_t now_us);
/* Ends the connections of an identity whose rights have changed since they came. */
void sw_subscribers_check(sw_subscribers *all, sw_identity *identity, int64_t now_us);
/* Removes a bounded number of subscriptions of connections that have ended. True if there are
 * more. */
bool sw_subscribers_sweep(sw_subscribers *all);

#endif
