/* The peers of the broker: clients at its frontend, workers at its backend. Each is one connection.
 * The frontend and the backend each have a listener for ipc, where a peer may come with or without
 * CURVE, and one for tcp: four sides. Used by the files that read from peers and send to them. */
#ifndef SW_BROKER_PEER_H
#define SW_BROKER_PEER_H

#include "broker/auth/caller.h"
#include "listen/listener.h"
#include "wire/batch.h"

typedef struct sw_side {
    const char *name; /* "frontend", "backend"; NULL: not in use */
    void *owner;      /* the caller's; not used here */
    bool is_frontend;
    bool is_network; /* tcp; otherwise ipc */
    sw_listener *listener;
} sw_side;

typedef struct sw_peer {
    sw_side *side;
    sw_inbound *session;
    uint32_t number; /* the core's client or worker, or SW_NONE */
    bool cut;        /* cut off */
    bool broken;     /* sending to it failed; it is on the outbox's list */
    bool complained; /* a malformed message was logged */
    bool rpc, compact;
    bool waiting;   /* its batch is on the outbox's list */
    sw_batch batch; /* compact messages to it, sent at the end of the round */
    struct sw_peer *next_waiting, *next_broken;
    sw_caller caller;
} sw_peer;

/* The peer of a connection whose handshake is done, as its user. NULL when out of memory. */
sw_peer *sw_peer_new(sw_side *side, sw_inbound *session);
/* Nothing may refer to it. Accepts NULL. */
void sw_peer_destroy(sw_peer **peer);
/* Ends its connection. It stays until the listener reports the loss. */
void sw_peer_cut(sw_peer *peer);

#endif
