/* The broker as a running thing, for main.c: sockets around the core, on one loop. One thread. */
#ifndef SW_BROKER_BROKER_H
#define SW_BROKER_BROKER_H

#include "broker/options.h"
#include "net/keyfile.h"
#include "net/loop.h"

typedef struct sw_broker sw_broker;

/* Binds the sockets; the loop does the rest. Options and loop are borrowed and must outlive the
 * broker. *broker is NULL on failure. The error names the option at fault. */
sw_code sw_broker_new(sw_loop *loop, const sw_broker_options *options, sw_broker **broker, sw_error *error);
/* Answers the calls that are left, disconnects the workers and closes. */
void sw_broker_destroy(sw_broker **broker);
/* Accepts no new calls. The loop is stopped once no call is in flight or the time is over (0:
 * options->drain_ms). */
void sw_broker_drain(sw_broker *broker, int64_t time_ms);
/* A key that replaces the broker's own: handshakes from now on use it. Connections stay. */
void sw_broker_set_key(sw_broker *broker, const sw_key_file *key);
/* The broker's unique name, valid as long as the broker. */
const char *sw_broker_instance(const sw_broker *broker);

#endif
