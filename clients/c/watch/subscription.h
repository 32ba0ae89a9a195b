/* The connection of a watch to the events of one broker of its list: one SUB socket for each attempt, watched by a monitor, and
 * the walk along the list when it ends. Used by watch.c. */
#ifndef SW_CLIENT_SUBSCRIPTION_H
#define SW_CLIENT_SUBSCRIPTION_H

#include "c/core.h"

typedef struct sw_subscription {
    sw_client *client; /* whose ZeroMQ context and key are used */
    char **endpoints, **topics;
    size_t endpoint_count, topic_count, current;
    void *socket, *monitor;
    int socket_fd, monitor_fd, epoll; /* epoll: -1, or a set that watches both */
    bool up;
    int64_t due_us;    /* when to try again, or to give up trying */
    uint32_t failures; /* attempts in a row that did not get up */
    char reason[160];  /* why the last connection ended */
} sw_subscription;

/* INVALID_ARGUMENT names the endpoint that is none. */
sw_code sw_subscription_open(sw_subscription *subscription, sw_client *client, const char *endpoints,
                             sw_error *error);
/* Before the first work: further topics. False when out of memory. */
bool sw_subscription_add(sw_subscription *subscription, const char *topic);
void sw_subscription_close(sw_subscription *subscription);

/* Handles what has happened to the connection. True if it has just got up: what was published before is missed. */
bool sw_subscription_work(sw_subscription *subscription, int64_t now_us);
/* The next event's body. False if there is none; *body is then left alone. */
bool sw_subscription_read(sw_subscription *subscription, zmq_msg_t *body);
/* Adds the sockets to an epoll set, now and whenever there are new ones. */
void sw_subscription_watch(sw_subscription *subscription, int epoll);
const char *sw_subscription_endpoint(const sw_subscription *subscription);

#endif
