/* The relay: the database numbers the events of the outbox, and the service publishes them to the
 * brokers. Used by main.c for services with `relays`. */
#ifndef SW_SERVICE_RELAY_H
#define SW_SERVICE_RELAY_H

#include "store/store.h"
#include "worker/server.h"

/* Registers it with the store. Call before sw_store_start. If several instances relay, one does so
 * at a time. */
sw_code sw_relay_start(sw_store *store, sw_server *server, sw_error *error);

#endif
