/* The subscribers of events and what they subscribe to: the connections of an XPUB socket in
 * manual mode, so that a subscription becomes the topics that its user may read (rights.h).
 * libzmq allows changes to these only while it hands over a message of the connection. So a
 * connection whose user's rights have changed is ended, and gets its new rights when it comes
 * again. Used by io/events.c. */
#ifndef SW_BROKER_SUBSCRIBERS_H
#define SW_BROKER_SUBSCRIBERS_H

#include "broker/auth/identity.h"
#include "broker/auth/refusals.h"
#include "wire/frame.h"

/* A connection that has subscribed to something. */
typedef struct sw_subscriber {
    struct sw_subscriber *same_next, *same_previous; /* the other ones of its identity */
    sw_identity *identity;
    int fd;
    bool cut;
    uint32_t rights;      /* the identity's, when it connected */
    uint64_t grants;      /* topics granted and withdrawn: the work it has caused */
    char **subscriptions; /* as it sent them */
    size_t count, room;
} sw_subscriber;

typedef struct sw_subscriber_connection {
    sw_subscriber *subscriber; /* NULL: it has not subscribed */
    bool open;                 /* accepted, and not ended */
} sw_subscriber_connection;

typedef struct sw_subscribers {
    sw_identities *identities;
    sw_refusals *refusals;
    void *socket, *monitor; /* of an XPUB; NULL: not in use */
    bool is_curve;
    sw_subscriber_connection *connections; /* by descriptor */
    int top;                               /* above every descriptor that was ever used */
    uint64_t cut;                          /* connections ended, for Stats */
} sw_subscribers;

/* Opens the monitor and sets manual mode. The caller has filled in identities, refusals, socket
 * and is_curve; the socket is not bound yet. `context` is ZeroMQ's. */
sw_code sw_subscribers_open(sw_subscribers *all, void *context, sw_error *error);
/* Before the socket is closed. */
void sw_subscribers_close(sw_subscribers *all);
/* Reads the monitor: which connections came and went. */
void sw_subscribers_watch(sw_subscribers *all);
/* Handles the message that the XPUB returned last. */
void sw_subscribers_take(sw_subscribers *all, sw_message *message, int64_t now_us);
/* Ends the connections of an identity whose rights have changed since they came. */
void sw_subscribers_check(sw_subscribers *all, sw_identity *identity, int64_t now_us);

#endif
