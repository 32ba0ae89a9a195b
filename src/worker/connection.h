/* A worker's connection to one broker: socket, registration, heartbeats, and the messages that go over it.
 * Used by worker/server.c. connection.c has its life, exchange.c its messages. */
#ifndef SW_RPC_CONNECTION_H
#define SW_RPC_CONNECTION_H

#include "net/dealer.h"
#include "rpc/transport.h"
#include "wire/batch.h"

typedef struct sw_connection sw_connection;

/* What all connections of a server have in common. The server owns it. */
typedef struct sw_registration {
    sw_loop *loop;
    void *zmq;
    sw_dispatch *dispatch;
    const char *instance, *version;
    const sw_key_file *key; /* for tcp; NULL: it is not encrypted */
    uint32_t capacity;
    int64_t heartbeat_ms;
    bool draining; /* registered with a capacity of 0; nobody reconnects */
    uint64_t malformed_frames, brokers_lost, replies_kept;
    void (*on_event)(void *context, const char *event, const char *endpoint);
    void *context;
} sw_registration;

/* A message that the socket could not take yet. */
typedef struct sw_kept {
    struct sw_kept *next;
    size_t size;
    sw_message message;
} sw_kept;

struct sw_connection {
    sw_transport transport; /* first: dispatch knows the connection by it */
    sw_registration *registration;
    char *endpoint;
    sw_dealer *dealer;   /* NULL between two attempts */
    sw_timer *timer;     /* ticks while connected; else the time to give up, or to connect again */
    bool up;             /* connected, and READY is sent */
    bool heard, sent;    /* since the last tick */
    int silent_ticks;    /* without a message from the broker */
    int64_t backoff_ms;  /* wait before the next connection */
    bool overrun;        /* too much is kept: nothing is sent any more, the next tick ends the connection */
    bool complained;     /* about a malformed message of this connection */
    bool dismissed;      /* while draining: the broker has no calls of ours any more */
    unsigned heartbeats; /* since the drain began */
    int64_t grace_ms;    /* while draining: it does not go before this unless dismissed */
    sw_kept *kept_first, *kept_last;
    size_t kept_bytes;
    sw_batch batch; /* compact replies, sent at the end of the round */
};

/* Does not connect yet. The endpoint is copied. NULL when out of memory. */
sw_connection *sw_connection_new(sw_registration *registration, const char *endpoint);
/* Waits for nothing; what is sent leaves within the linger time of the socket. */
void sw_connection_destroy(sw_connection **connection);
/* INVALID_ARGUMENT for an endpoint that ZeroMQ does not take. */
sw_code sw_connection_open(sw_connection *connection, sw_error *error);
/* The broker is gone: calls are cancelled, and a new socket is opened after the backoff. */
void sw_connection_lost(sw_connection *connection);
/* Tells the broker that no new calls are taken. */
void sw_connection_drain(sw_connection *connection);
/* While draining: nothing is left to send, and no call can come any more. */
bool sw_connection_is_drained(const sw_connection *connection);
/* After a send, and whenever kept messages came or went: sees to it that we are told when the socket takes more. */
void sw_connection_watch(sw_connection *connection);
/* Ends the relation: DISCONNECT, and the socket closes once that is out. */
void sw_connection_leave(sw_connection *connection);

/* exchange.c: reads and serves what has arrived. */
void sw_connection_receive(sw_connection *connection);
/* READY with the hello, HEARTBEAT or DISCONNECT. */
void sw_connection_command(sw_connection *connection, uint8_t command);
/* Takes the message; keeps it if the socket is full. False if it is lost, with the connection. */
bool sw_connection_send(sw_connection *connection, sw_message *message);
/* Sends the replies of this round. */
void sw_connection_send_batch(sw_connection *connection);
/* Sends what was kept. */
void sw_connection_flush(sw_connection *connection);
void sw_connection_forget_kept(sw_connection *connection);
sw_transport_send sw_connection_reply;

#endif
