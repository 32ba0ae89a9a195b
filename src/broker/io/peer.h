/* The peers of a ROUTER socket by routing id and by connection, and the socket's monitor, which tells at once
 * when a connection ends. A ROUTER has one mechanism, so there is a side for ipc and one for tcp, of the frontend and
 * of the backend each. Used by frontend.c, backend.c, auth.c, send.c, listen.c and loop.c. */
#ifndef SW_BROKER_PEER_H
#define SW_BROKER_PEER_H

#include "broker/auth/identity.h"
#include "broker/io/unsent.h"
#include "net/keyfile.h"
#include "wire/batch.h"
#include <sitewire/status.h>
#include <zmq.h>

typedef struct sw_peer {
    sw_slot slot;
    struct sw_side *side;
    uint32_t number; /* the core's client or worker, or SW_NONE */
    uint32_t hash;
    int fd;          /* of its connection; -1 if not known */
    bool lost;       /* its connection has ended; what it sent before is still read */
    bool cut;        /* cut off: whatever it says is ignored until its connection ends */
    bool broken;     /* could not be sent to; dealt with after the batch */
    bool complained; /* a malformed message was logged */
    bool rpc, compact;
    bool waiting;      /* on the list of peers whose batch is to be sent */
    sw_batch batch;    /* compact messages to it, sent at the end of the round */
    sw_unsent *unsent; /* of a client */
    struct sw_peer *next_waiting;
    /* Who it is, as libzmq vouches: the uid of its process (-1 on tcp), its public key ("" without CURVE). */
    int64_t uid;
    char key[SW_KEY_SIZE];
    /* What auth.c makes of that. */
    bool met;
    int64_t met_us;
    sw_identity *identity;                     /* NULL: nobody in particular */
    struct sw_peer *same_next, *same_previous; /* others of that identity */
    uint8_t id_size;
    uint8_t id[255];
} sw_peer;

typedef struct sw_connection {
    uint32_t peer; /* SW_NONE if none has spoken yet */
    bool open;
} sw_connection;

typedef struct sw_side {
    const char *name; /* "frontend", "backend"; NULL: not in use */
    struct sw_broker *broker;
    bool is_frontend;
    bool is_network; /* tcp; otherwise ipc */
    bool is_curve;
    void *socket, *monitor;
    uint64_t handshakes_failed, handshakes_logged;
    int64_t log_us;      /* when failed handshakes may be logged again */
    const char *failure; /* why one of them failed, since they were logged */
    bool drained;        /* the last read found the socket's end */
    sw_slab peers;
    sw_hash_table ids;
    uint64_t secret;
    sw_connection *connections; /* by descriptor */
    int connection_room;
    uint32_t *lost; /* peers whose connection ended, until the socket is drained */
    size_t lost_count, lost_room;
} sw_side;

/* Makes the socket and its monitor. The caller sets options and binds. */
sw_code sw_side_open(sw_side *side, void *context, uint64_t secret, sw_error *error);
void sw_side_close(sw_side *side);

/* The peer that a message came from, made if it is new: `id` is the identity frame, `frame` any other. NULL
 * when out of memory. *displaced is a peer of the same identity whose connection ended, or NULL: the caller
 * forgets it and asks again. */
sw_peer *sw_side_peer(sw_side *side, zmq_msg_t *id, zmq_msg_t *frame, sw_peer **displaced);
/* The peer is that identity from now on, until it is forgotten. */
void sw_peer_attach(sw_peer *peer, sw_identity *identity);
void sw_side_forget(sw_side *side, sw_peer *peer);
/* Reads the monitor: connections that ended are put on the list of the lost. */
void sw_side_watch(sw_side *side);
/* One of the lost; NULL if there is none. The caller forgets it. */
sw_peer *sw_side_next_lost(sw_side *side);
/* Ends the connection of a peer that does not read. */
void sw_side_cut(sw_side *side, sw_peer *peer);

#endif
