/* Who subscribes to events, and to what: the connections of the XPUB sockets, which are in manual mode, so that a subscription
 * becomes the topics that its user may read. libzmq lets these be changed only while a message of the connection is read;
 * so a connection whose user's rights have changed is ended, and gets its new rights when it comes again. Used by events.c and
 * auth.c. */
#ifndef SW_BROKER_SUBSCRIBERS_H
#define SW_BROKER_SUBSCRIBERS_H

#include "broker/auth/identity.h"
#include "wire/frame.h"

struct sw_broker;

/* A connection that has subscribed to something. */
typedef struct sw_subscriber {
    struct sw_subscriber *same_next, *same_previous; /* others of its identity */
    sw_identity *identity;
    int fd;
    bool cut;
    uint32_t rights;      /* of the identity when it came */
    uint64_t grants;      /* topics given and taken, a measure of the work that it makes */
    char **subscriptions; /* as it asked for them */
    size_t count, room;
} sw_subscriber;

typedef struct sw_subscribers {
    struct sw_broker *broker;
    void *socket, *monitor; /* an XPUB; NULL: not in use */
    bool is_curve;
    sw_subscriber **by_fd; /* NULL: none, or it has not subscribed */
    bool *open;            /* accepted, and not ended */
    int room;
    uint64_t cut; /* connections ended, for Stats */
} sw_subscribers;

/* After the socket was made, before it is bound. */
sw_code sw_subscribers_open(sw_subscribers *all, sw_error *error);
/* Before the socket is closed. */
void sw_subscribers_close(sw_subscribers *all);
/* Reads the monitor: connections that came and went. */
void sw_subscribers_watch(sw_subscribers *all);
/* A message of a subscriber, as the XPUB gave it last. */
void sw_subscribers_take(sw_subscribers *all, sw_message *message);
/* Ends the connections of an identity that may not read any more what they have subscribed to, or may read more. */
void sw_subscribers_check(sw_subscribers *all, sw_identity *identity);

#endif
