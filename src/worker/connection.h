/* A worker's connection to one broker: socket, registration, heartbeats and messages. connection.c
 * connects, registers and notices a loss; exchange.c reads and sends messages. Used by
 * worker/server.c. */
#ifndef SW_WORKER_CONNECTION_H
#define SW_WORKER_CONNECTION_H

#include "net/dealer.h"
#include "rpc/transport.h"
#include "wire/batch.h"
#include "worker/broker_name.h"
#include "worker/database.h"

typedef struct sw_connection sw_connection;

/* Shared by all connections of a server, which owns it. */
typedef struct sw_registration {
    sw_loop *loop;
    sw_resolver *resolver;
    void *zmq;
    sw_dispatch *dispatch;
    const char *instance, *version;
    sw_key_file *key;     /* NULL: nothing is encrypted */
    const char *key_file; /* where it is from: each connection reads it again */
    uint64_t key_version; /* counts the key pairs that were read */
    uint32_t capacity;
    int64_t heartbeat_ms;
    bool reserve; /* gets calls only while a service has no other worker */
    sw_worker_database database;
    bool draining; /* registered with a capacity of 0; lost connections stay closed */
    uint64_t malformed_frames, brokers_lost, replies_kept;
    void (*on_event)(void *context, const char *event, const char *endpoint, const char *reason);
    void (*on_timeline)(void *context, uint64_t database, uint32_t timeline); /* or NULL */
    void *context;
} sw_registration;

/* A message that the socket could not accept yet. */
typedef struct sw_kept {
    struct sw_kept *next;
    size_t size; /* bytes, counted towards the bound */
    sw_message message;
} sw_kept;

struct sw_connection {
    sw_transport transport; /* first: dispatch knows the connection by it */
    sw_registration *registration;
    char *endpoint;
    sw_broker_name name; /* while it is looked up */
    sw_dealer *dealer;   /* NULL between two attempts */
    sw_timer *timer;     /* ticks while connected; otherwise for the next attempt or its end */
    bool up;             /* connected, and READY is sent */
    bool ready_due;      /* there was no memory for READY: the next tick sends it */
    bool heard, sent;    /* since the last tick */
    int silent_ticks;    /* without a message from the broker */
    int64_t backoff_ms;  /* wait before the next attempt */
    bool is_late;        /* the attempt has lasted for a second */
    bool hung_up;        /* it was reported that the broker hangs up */
    bool refused;        /* the broker refuses the registration */
    sw_server_choice server;
    uint64_t key_version;  /* of the key that it uses */
    sw_connection *before; /* finishes calls with the key before; NULL: none */
    bool is_retired;       /* it is the `before` of another one */
    bool overrun;          /* a reply was lost: the next tick ends the connection */
    bool complained;       /* a malformed message of this connection was reported */
    bool dismissed;        /* while draining: the broker has no more calls for us */
    unsigned heartbeats;   /* since the drain began */
    int64_t grace_ms;      /* while draining: stays connected until then, unless dismissed */
    sw_kept *kept_first, *kept_last;
    size_t kept_bytes;
    sw_batch batch; /* compact replies, sent at the end of the round */
};

/* Does not connect yet. The endpoint is copied. NULL when out of memory. */
sw_connection *sw_connection_new(sw_registration *registration, const char *endpoint);
/* Does not wait for unsent messages. */
void sw_connection_destroy(sw_connection **connection);
/* INVALID_ARGUMENT for an endpoint that ZeroMQ does not accept. */
sw_code sw_connection_open(sw_connection *connection, sw_error *error);
/* Once a second: if the key was replaced, puts a connection with the new key in the place of this
 * one, which goes on until the new one is registered, and finishes its calls. */
void sw_connection_renew(sw_connection **connection);
/* Whether it, or the one before it, is connected and registered. */
bool sw_connection_is_registered(const sw_connection *connection);
/* Reads the key file again. */
void sw_registration_refresh(sw_registration *registration);
/* The broker is gone: cancels its calls, and opens a new socket after the backoff. */
void sw_connection_lost(sw_connection *connection);
/* Reports why the broker refuses the registration. */
void sw_connection_refused(sw_connection *connection, sw_view reason);
/* Asks the broker for no new calls. */
void sw_connection_drain(sw_connection *connection);
/* While draining: nothing is left to send, and no call can come any more. */
bool sw_connection_is_drained(const sw_connection *connection);
/* To be called after a send and when messages were kept or sent: watches for the socket to accept
 * more. */
void sw_connection_watch(sw_connection *connection);
/* Sends DISCONNECT and closes the socket once that is out. */
void sw_connection_leave(sw_connection *connection);

/* --- exchange.c --- */
/* Reads and serves the messages that have arrived. */
void sw_connection_receive(sw_connection *connection);
/* READY with the hello, HEARTBEAT or DISCONNECT. Without memory, the next tick sends READY or
 * HEARTBEAT again; instead of DISCONNECT, the broker sees the connection end. */
void sw_connection_command(sw_connection *connection, uint8_t command);
/* Consumes the message; keeps it if the socket is full. False if it is lost, and then the
 * connection ends. */
bool sw_connection_send(sw_connection *connection, sw_message *message);
/* Sends the replies of this round. */
void sw_connection_send_batch(sw_connection *connection);
/* Sends the messages that were kept, or drops them. */
void sw_connection_flush(sw_connection *connection);
void sw_connection_forget_kept(sw_connection *connection);
sw_transport_send sw_connection_reply;

#endif
