/* What the files of this folder share. Not for others. */
#ifndef SW_LISTEN_STATE_H
#define SW_LISTEN_STATE_H

#include "listen/curve.h"
#include "listen/frame_reader.h"
#include "listen/holding.h"
#include "listen/listener.h"
#include "listen/unsent.h"

#define SW_READ_SIZE   65536 /* bytes read at once, for all connections */
#define SW_WRITE_SIZE  32768 /* unsent bytes that are written before the end of the round */
#define SW_COMMAND_MAX 1024  /* bytes of a command, before and after the handshake */
#define SW_GREETING    64

#define SW_SERVICE_BYTES 65536 /* that a connection of a service may hold in any case */

typedef enum {
    SW_STEP_GREETING,
    SW_STEP_HELLO,    /* CURVE */
    SW_STEP_INITIATE, /* CURVE */
    SW_STEP_READY,    /* NULL */
    SW_STEP_ASKED,    /* waits for the owner */
    SW_STEP_UP,
    SW_STEP_LEAVING, /* it was refused; it closes after reading why */
    SW_STEP_ENDED
} sw_step;

/* Connections in the order in which a time of equal length runs out for them. */
typedef struct sw_due_queue {
    struct sw_inbound *first, *last;
    uint32_t count;
} sw_due_queue;

typedef struct sw_due_link {
    sw_due_queue *queue; /* NULL: it is in none */
    struct sw_inbound *next, *previous;
    int64_t due_ms;
} sw_due_link;

struct sw_inbound {
    sw_listener *listener;
    void *user;
    int fd;
    uint8_t step;      /* sw_step */
    uint8_t minor;     /* the peer's version is 3.minor */
    bool is_curve;     /* its mechanism; otherwise NULL */
    bool is_named;     /* our half of the greeting names the mechanism */
    bool reads_errors; /* it tries again after an ERROR */
    bool was_asked;    /* admit was called */
    bool is_dirty;     /* on the list of those to be written */
    bool is_blocked;   /* the socket accepts nothing now */
    bool was_heard;    /* since the last look at its silence */
    bool is_overfull;  /* the message has more frames than fit; the rest is dropped */
    uint8_t silent;    /* looks since it was heard */
    uint8_t greeted;   /* bytes of the greeting so far */
    union {
        uint8_t greeting[SW_GREETING];
        sw_curve curve; /* behind the greeting */
    };
    int64_t uid;
    struct sockaddr_storage *address; /* NULL on ipc */
    sw_holding *by_address, *by_name; /* name: key or uid */
    size_t counted;                   /* bytes in by_name */
    size_t message_max;
    sw_frame_reader reader;
    sw_message *partial; /* the frames of a message that has not come whole */
    size_t partial_bytes;
    sw_unsent unsent;
    sw_due_link link; /* in the queue of handshakes, then of those that are watched for silence */
    struct sw_inbound *next_dirty, *next_ended;
    struct sw_inbound *next, *previous; /* all of the listener */
};

typedef struct sw_endpoint_socket {
    struct sw_endpoint_socket *next;
    struct sw_listener *listener;
    int fd;
    char bound[SW_ENDPOINT_SIZE];
} sw_endpoint_socket;

struct sw_listener {
    sw_listeners *all;
    struct sw_listener *next;
    sw_listener_options options;
    sw_listener_owner owner;
    sw_listener_counters counters;
    sw_endpoint_socket *sockets;
    sw_inbound *connections;
    sw_due_queue watched; /* for silence */
};

struct sw_listeners {
    sw_loop *loop;
    sw_timer *timer;
    int spare;         /* a descriptor for hanging up when no other is left; -1: none */
    int64_t resume_ms; /* when to accept again; SW_NEVER: it accepts */
    sw_listeners_options options;
    sw_listener *listeners;
    sw_holdings holdings;
    sw_piece_pool pieces;
    uint32_t open[SW_SHARES]; /* connections that have not ended */
    uint32_t unfreed;         /* with those that have */
    sw_due_queue handshakes[SW_SHARES];
    sw_inbound *dirty, *ended;
    sw_inbound *reading; /* whose bytes are at `at` */
    uint8_t *at;
    size_t left;
    uint8_t bytes[SW_READ_SIZE];
};

#endif
