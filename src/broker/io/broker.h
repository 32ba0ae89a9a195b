/* The broker as a running thing: sockets around the core. What main.c uses, and what frontend.c, backend.c,
 * auth.c, send.c, self.c, listen.c and loop.c share. One thread. */
#ifndef SW_BROKER_BROKER_H
#define SW_BROKER_BROKER_H

#include "broker/auth/auth.h"
#include "broker/core/core.h"
#include "broker/io/body.h"
#include "broker/io/events.h"
#include "broker/io/peer.h"
#include "broker/io/self.h"
#include "net/loop.h"

typedef struct sw_broker_options {
    sw_core_config core;
    const char *frontend, *backend; /* endpoints, comma-separated */
    const char *events, *publish;   /* the same; NULL or "": none */
    const char *instance;           /* NULL: made from the process id */
    const char
        *caller; /* whom services see as the caller of all that is not encrypted; NULL or "": see auth.c */
    const char *local_users;  /* UID=USER,...: who a process is that comes by ipc */
    const char *curve;        /* "on" or "off": encryption of tcp; NULL: on */
    const char *key;          /* file of the broker's key */
    const char *service_keys; /* file of the public keys that may serve */
    int64_t auth_cache_ms;    /* a verdict is good for so long while the user service is away */
    int64_t handshake_ms;     /* time of a handshake */
    int64_t message_max;      /* bytes of a message */
    int64_t replies_max;      /* messages unsent to a client before it is cut off */
    int64_t replies_bytes;    /* the same in bytes, beside the message that goes over it */
    int64_t events_max;       /* events unsent to a subscriber before it misses some */
    int64_t drain_ms;         /* default of Drain */
} sw_broker_options;

#define SW_SIDES 4 /* backend and frontend, each for ipc and for tcp */

typedef struct sw_broker {
    const sw_broker_options *options;
    sw_loop *loop;
    void *context;
    sw_core *core;
    sw_pool pool;
    uint64_t read; /* messages, those in batches each for itself */
    sw_side sides[SW_SIDES];
    sw_auth auth;
    sw_events events;
    sw_self self;
    sw_timer *tick, *drain_end;
    sw_peer **broken; /* found while sending; dealt with after the batch */
    size_t broken_count, broken_room;
    sw_peer *waiting; /* peers with a batch to be sent */
    struct {
        sw_live *first, *last;
        size_t count, bytes;
        int64_t late_ms; /* how long the one has waited that is being read now; 0: it has not */
    } held;              /* messages of peers that the user service is being asked about */
    uint64_t malformed_frames, clients_cut_off, handshakes_failed;
    int64_t now_us;      /* read once for a batch */
    int64_t deadline_us; /* of draining, or SW_NEVER */
    uint64_t secret;     /* of hashes */
    char instance[SW_INSTANCE_MAX + 1];
} sw_broker;

/* --- loop.c, for main.c --- */

sw_code sw_broker_open(sw_broker *broker, sw_loop *loop, const sw_broker_options *options, sw_error *error);
/* Takes no new calls; the loop is stopped once nothing is in flight or the time is over (0: the default). */
void sw_broker_drain(sw_broker *broker, int64_t timeout_ms);
/* Answers what is left, says good-bye and closes. Accepts what open left half-built. */
void sw_broker_close(sw_broker *broker);

/* --- between the files --- */

/* Counts a message that cannot be understood, and logs the first of a peer. */
void sw_broker_malformed(sw_broker *broker, sw_peer *peer, const char *why);

/* listen.c: makes the sockets and binds them. */
sw_code sw_broker_listen(sw_broker *broker, sw_error *error);
void sw_broker_unlisten(sw_broker *broker);

/* loop.c: a side's socket, or its monitor, has something to say. The context is the side. */
void sw_broker_read_side(void *context, short ready);
void sw_broker_read_monitor(void *context, short ready);

/* frontend.c, backend.c: read a batch. True if there may be more. */
bool sw_frontend_read(sw_broker *broker, sw_side *side);
/* Reads what waited for a verdict that is there now; whether there was any. */
bool sw_frontend_release(sw_broker *broker);
/* Forgets what waits from that peer; NULL: from all. */
void sw_frontend_drop(sw_broker *broker, const sw_peer *peer);
bool sw_backend_read(sw_broker *broker, sw_side *side);
/* A client or worker whose connection ended or that is cut off. */
void sw_frontend_lost(sw_broker *broker, sw_peer *peer);
void sw_backend_lost(sw_broker *broker, sw_peer *peer);

/* send.c: carries out all actions, those that follow from them too. */
void sw_broker_flush(sw_broker *broker);
/* DISCONNECT to a peer that is no worker. */
void sw_send_disconnect(sw_broker *broker, sw_peer *peer);
/* The answer of a management service of RFC 8. */
void sw_send_management(sw_broker *broker, sw_peer *peer, sw_view service, const char *code,
                        const char *more);

/* The sum of a message's frames after the identity. */
size_t sw_broker_message_size(const sw_message *message);

#endif
