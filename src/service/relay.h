/* The relay of events: what the outbox holds is numbered in the database and published to the brokers. Used by main.c for
 * the services that say so. */
#ifndef SW_SERVICE_RELAY_H
#define SW_SERVICE_RELAY_H

#include "store/store.h"
#include "worker/server.h"

/* Registers it with the store; before sw_store_start. Several services may: one of them relays at a time. */
sw_code sw_relay_start(sw_store *store, sw_server *server, sw_error *error);

#endif
