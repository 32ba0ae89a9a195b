/* Publishes events to one broker over a PUB socket that connects again after any loss. Used by
 * worker/server.c. */
#ifndef SW_WORKER_PUBLISHER_H
#define SW_WORKER_PUBLISHER_H

#include "worker/connection.h"

typedef struct sw_publisher sw_publisher;

/* Does not connect yet. The endpoint is copied. NULL when out of memory. */
sw_publisher *sw_publisher_new(sw_registration *registration, const char *endpoint);
/* Connects again if the key was replaced; a watch reads what is missed meanwhile. */
void sw_publisher_renew(sw_publisher *publisher);
void sw_publisher_destroy(sw_publisher **publisher);
/* INVALID_ARGUMENT for an endpoint that ZeroMQ does not accept. */
sw_code sw_publisher_open(sw_publisher *publisher, sw_error *error);
/* Sends copies of the frames; large ones share their memory. The message is lost if the broker is
 * away, or 100 000 messages behind. */
void sw_publisher_send(sw_publisher *publisher, sw_message *message);

#endif
