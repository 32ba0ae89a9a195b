/* The peers of a ROUTER socket, by routing id and by connection. The socket's monitor reports at
 * once when a connection ends. A ROUTER has one mechanism, so the frontend and the backend each
 * have one socket for ipc and one for tcp: four sides. Used by the files that read from peers
 * and send to them. */
#ifndef SW_BROKER_PEER_H
#define SW_BROKER_PEER_H

#include "broker/auth/caller.h"
#include "broker/io/unsent.h"
#include "wire/batch.h"
#include <sitewire/status.h>
#include <zmq.h>

typedef struct sw_peer {
    sw_slot slot;
    struct sw_side *side;
    uint32_t number; /* the core's client or worker, or SW_NONE */
    uint32_t hash;
    int fd;          /* of its connection; -1 if unknown */
    bool lost;       /* its connection has ended; what it sent before is still read */
    bool cut;        /* cut off: whatever it sends is ignored until its connection ends */
    bool broken;     /* sending to it failed; it is on the outbox's list */
    bool complained; /* a malformed message was logged */
    bool rpc, compact;
    bool waiting;      /* its batch is on the outbox's list */
    sw_batch batch;    /* compact messages to it, sent at the end of the round */
    sw_unsent *unsent; /* of a client */
    struct sw_peer *next_waiting, *next_broken;
    struct sw_peer *next_lost, *previous_lost; /* while `lost` */
    sw_caller caller;
    uint8_t id_size;
    uint8_t id[255];
} sw_peer;

typedef struct sw_peer_connection {
    sw_peer *peer; /* NULL: none has spoken yet */
    bool open;
} sw_peer_connection;

typedef struct sw_side {
    const char *name; /* "frontend", "backend"; NULL: not in use */
    void *owner;      /* the caller's; not used here */
    bool is_frontend;
    bool is_network; /* tcp; otherwise ipc */
    bool is_curve;
    bool drained; /* the last read reached the socket's end */
    void *socket, *monitor;
    uint64_t handshakes_failed, handshakes_logged;
    int64_t log_us;      /* when failed handshakes may be logged again */
    const char *failure; /* why one of them failed, since the last log line */
    sw_slab peers;
    sw_hash_table ids;
    uint64_t secret;
    sw_peer_connection *connections; /* by descriptor */
    sw_peer *lost;                   /* whose connections ended, until the socket is drained */
} sw_side;

/* Makes the socket and its monitor. The caller has filled in the first members, sets options and
 * binds. `context` is ZeroMQ's, `secret` seeds hashes. */
sw_code sw_side_open(sw_side *side, void *context, uint64_t secret, sw_error *error);
void sw_side_close(sw_side *side);

/* The peer that sent a message, added if it is new: `id` is the identity frame, `frame` any
 * other. NULL when out of memory; its connection then ends. If *displaced is not NULL, that peer
 * had the same identity and its connection has ended: the caller forgets it and asks again. */
sw_peer *sw_side_peer(sw_side *side, zmq_msg_t *id, zmq_msg_t *frame, sw_peer **displaced);
/* The peer's memory may be reused afterwards. */
void sw_side_forget(sw_side *side, sw_peer *peer);
/* Reads the monitor: peers whose connections ended are put on the list of the lost. */
void sw_side_watch(sw_side *side);
/* One of the lost; NULL if there is none. The caller forgets it. */
sw_peer *sw_side_next_lost(const sw_side *side);
/* Ends the connection of a peer. */
void sw_side_cut(sw_side *side, sw_peer *peer);

#endif
