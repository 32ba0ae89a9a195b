/* A publisher's connection to one broker: a PUB socket that comes back whatever ended it. Used by worker/server.c. */
#ifndef SW_RPC_PUBLISHER_H
#define SW_RPC_PUBLISHER_H

#include "worker/connection.h"

typedef struct sw_publisher sw_publisher;

/* Does not connect yet. The endpoint is copied. NULL when out of memory. */
sw_publisher *sw_publisher_new(sw_registration *registration, const char *endpoint);
void sw_publisher_destroy(sw_publisher **publisher);
/* INVALID_ARGUMENT for an endpoint that ZeroMQ does not take. */
sw_code sw_publisher_open(sw_publisher *publisher, sw_error *error);
/* Sends copies of the frames, which share what is large. Not if the broker is away, or HIGH_WATER messages behind. */
void sw_publisher_send(sw_publisher *publisher, sw_message *message);

#endif
