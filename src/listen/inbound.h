/* One connection that a listener accepted, as its owner sees it (listener.h). */
#ifndef SW_LISTEN_INBOUND_H
#define SW_LISTEN_INBOUND_H

#include "listen/bind.h"
#include "listen/limits.h"
#include "listen/metadata.h"
#include "listen/network.h"
#include "wire/frame.h"

typedef struct sw_listener sw_listener;
typedef struct sw_inbound sw_inbound;

typedef enum {
    SW_ADMISSION_WAIT, /* the owner calls sw_listener_decide, or has ended the session */
    SW_ADMISSION_GOOD,
    SW_ADMISSION_REFUSED, /* ERROR 400 */
    SW_ADMISSION_LATER    /* ERROR 300, or a hang-up */
} sw_admission;

/* Whoever owns the connections of a listener. `context` is passed to all functions. */
typedef struct sw_listener_owner {
    void *context;
    /* A handshake has shown who the peer is: sw_inbound_key and the functions beside it. */
    sw_admission (*admit)(void *context, sw_inbound *session);
    /* There may be something for sw_inbound_next. It is called until that returns NONE. */
    void (*read)(void *context, sw_inbound *session);
    /* A connection that admit was asked about has ended; it is freed afterwards. */
    void (*lost)(void *context, sw_inbound *session);
    /* Whether a service answers calls that were given to it, so that its messages may go beyond
     * connection_bytes. NULL: never. */
    bool (*answers)(void *context, sw_inbound *session);
} sw_listener_owner;

typedef struct sw_listener_options {
    sw_socket_type type;
    const uint8_t *secret_key; /* of CURVE, 32 bytes; NULL: the mechanism is NULL */
    bool allows_null;          /* beside CURVE: each peer chooses */
    bool is_network;
    sw_share share;
    size_t message_max;     /* bytes of a message, all its frames together */
    size_t unsent_bytes;    /* that may wait for a peer that does not read; the next message fails */
    size_t unsent_messages; /* the same for their number */
    bool counts_unsent;     /* unsent bytes count for sw_listeners_options.connection_bytes, too */
    int64_t heartbeat_ms;   /* between pings to a silent peer; 0: none */
    int64_t silence_ms;     /* a peer that is silent for so long is lost */
} sw_listener_options;

/* Why a connection did not come in, and whose it was. */
typedef struct sw_listener_failure {
    const char *why;
    bool is_limit; /* a bound of connections was reached */
    bool gave_up;  /* it hung up, or was too slow */
    bool has_key;  /* it had proved its key */
    uint8_t key[32];
    char address[SW_ADDRESS_TEXT_SIZE]; /* with the port; "" on ipc */
} sw_listener_failure;

/* For Stats and the log. */
typedef struct sw_listener_counters {
    uint64_t handshakes_failed;
    uint64_t refused;            /* by the owner */
    uint64_t turned_away;        /* over a bound of connections */
    sw_listener_failure failure; /* the last one; `why` is NULL since sw_listener_take_failure */
} sw_listener_counters;

const sw_listener_counters *sw_listener_get_counters(const sw_listener *listener);
/* The last failure since the last call; false: there was none. */
bool sw_listener_take_failure(sw_listener *listener, sw_listener_failure *failure);

typedef enum {
    SW_ARRIVAL_NONE,
    SW_ARRIVAL_MESSAGE,
    SW_ARRIVAL_SUBSCRIBE, /* the topic is the message's only frame */
    SW_ARRIVAL_CANCEL
} sw_arrival;

/* The next message. On any result but NONE the caller closes it. */
sw_arrival sw_inbound_next(sw_inbound *session, sw_message *message);
/* 0, and the frames are consumed; otherwise an errno: EAGAIN if too much is unsent, EPIPE if the
 * connection has ended. */
int sw_inbound_send(sw_inbound *session, sw_message *message);
/* Ends the connection; what is unsent is dropped. The owner hears of it at the next reap. Does
 * nothing if it has ended. */
void sw_inbound_end(sw_inbound *session);
bool sw_inbound_is_up(const sw_inbound *session);
/* Whether the peer does not read: the system takes nothing more for it now. */
bool sw_inbound_is_blocked(const sw_inbound *session);

/* What the owner keeps with it, at first NULL. */
void sw_inbound_set_user(sw_inbound *session, void *user);
void *sw_inbound_user(const sw_inbound *session);
/* The bound of a message, if it is to differ from the listener's. */
void sw_inbound_set_message_max(sw_inbound *session, size_t bytes);

/* The peer's public key, 32 bytes; NULL if it came without CURVE. */
const uint8_t *sw_inbound_key(const sw_inbound *session);
/* The uid of its process; -1 on tcp. */
int64_t sw_inbound_uid(const sw_inbound *session);
/* Its address and port; "" on ipc. */
const char *sw_inbound_address(const sw_inbound *session, char text[64]);

#endif
