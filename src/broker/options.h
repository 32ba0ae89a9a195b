/* The broker's options, as the command line gives them (main.c). Texts are borrowed. */
#ifndef SW_BROKER_OPTIONS_H
#define SW_BROKER_OPTIONS_H

#include "broker/core/core.h"

typedef struct sw_broker_options {
    sw_core_config core;
    const char *frontend, *backend; /* endpoints, comma-separated */
    const char *events, *publish;   /* the same; NULL or "": no events */
    const char *instance;           /* NULL or "": made from the process id */
    /* the caller of every unencrypted call; NULL or "": see auth/auth.h */
    const char *caller;
    /* UID=USER,...: the user of each process that connects over ipc */
    const char *local_users;
    /* UID=NAME,...: the services that a process may offer over ipc; NULL or "": none */
    const char *local_services;
    const char *curve;        /* "on" or "off": encryption of tcp; NULL: on */
    const char *key;          /* file with the broker's key */
    const char *service_keys; /* folder of certificates that may serve and publish */
    int64_t auth_cache_ms;    /* how long a verdict holds while the user service is away */
    int64_t handshake_ms;     /* time limit of a handshake */
    int64_t message_max;      /* bytes of a message */
    int64_t replies_max;      /* unsent messages to a client before it is cut off */
    int64_t replies_bytes;    /* unsent bytes to a client; the next message cuts it off */
    int64_t events_max;       /* unsent events to a subscriber before it misses some */
    int64_t connection_bytes; /* half read and unsent, of all connections of a key or uid */
    int64_t key_connections, address_connections;
    const char *trusted_addresses; /* ADDRESS[/BITS],...: without a bound of connections */
    /* Subscriptions, and bytes of memory for them: of all connections of a user; of all users */
    int64_t user_subscriptions, user_subscription_bytes;
    int64_t subscriptions, subscription_bytes;
    int64_t slow_ms;  /* calls that take as long are logged; 0: none are */
    int64_t drain_ms; /* time limit of a drain that names none */
} sw_broker_options;

#endif
