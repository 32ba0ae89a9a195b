/* The connection of a watch to the events of one broker of a list: a new SUB socket for each
 * attempt, observed by a monitor. When it ends, the next endpoint of the list is tried. Used by
 * watch.c. Not thread-safe. */
#ifndef SW_CLIENT_SUBSCRIPTION_H
#define SW_CLIENT_SUBSCRIPTION_H

#include "c/client_key.h"
#include "c/endpoints.h"
#include "c/random.h"
#include <zmq.h>

typedef struct sw_subscription_options {
    const char *endpoints;    /* NULL: $SITEWIRE_EVENTS */
    void *context;            /* of libzmq */
    const sw_client_key *key; /* shown on tcp, may be none; each connection reads its file again */
    sw_random *random;
    uint64_t spread;    /* as in sw_link_options */
    int64_t connect_ms; /* before an endpoint that does not answer is left */
} sw_subscription_options;

typedef struct sw_subscription {
    sw_subscription_options options; /* what it points to outlives the subscription */
    sw_endpoints endpoints;
    char **topics;
    size_t topic_count;
    void *socket, *monitor; /* NULL between attempts */
    sw_server_choice server;
    int socket_fd, monitor_fd;
    int epoll; /* the set that watches both, or -1 */
    bool up;
    int64_t due_us;    /* when to try again, or to give up an attempt */
    uint32_t failures; /* attempts in a row that failed */
    char reason[240];  /* why the last connection ended; "" at first */
} sw_subscription;

/* Starts nothing yet: the first sw_subscription_work connects. INVALID_ARGUMENT names the
 * endpoint that is malformed. Close it also after a failure. */
sw_code sw_subscription_open(sw_subscription *subscription, const sw_subscription_options *options,
                             sw_error *error);
void sw_subscription_close(sw_subscription *subscription);
/* Adds a topic, before the first work. False when out of memory. */
bool sw_subscription_add(sw_subscription *subscription, const char *topic);

/* Handles what happened to the connection. True if it has just come up: what was published
 * before is missed. */
bool sw_subscription_work(sw_subscription *subscription, int64_t now_us);
/* The body of the next event, which the caller closes. False if there is none; *body is then
 * untouched. */
bool sw_subscription_read(sw_subscription *subscription, zmq_msg_t *body);
/* Leaves the connection for another endpoint of the list; does nothing if it is there. */
void sw_subscription_go_to(sw_subscription *subscription, size_t endpoint, int64_t now_us);
/* Lets an epoll set watch the sockets, now and after they were replaced. */
void sw_subscription_watch(sw_subscription *subscription, int epoll);
/* The endpoint in use, or tried now. */
const char *sw_subscription_endpoint(const sw_subscription *subscription);

#endif
