/* Shared by lane.c (the connection) and pipeline.c (the statements in flight on it) alone. */
#ifndef SW_STORE_LANE_PRIVATE_H
#define SW_STORE_LANE_PRIVATE_H

#include "store/pg/lane.h"
#include <zmq.h>

#define LANE_SLOTS 1024 /* messages in flight that have an answer, a power of two */

#define SW_LANE_REASON 512 /* why no server of the last round was usable */
#define SW_LANE_TOKEN  33  /* 16 bytes in hexadecimal, and a NUL */

typedef enum {
    LANE_DOWN,
    LANE_RESOLVING,  /* the name of the server */
    LANE_CONNECTING, /* libpq is */
    LANE_GREETING,   /* the session begins, and the server says what it is */
    LANE_UP
} lane_state;
typedef enum {
    SLOT_PLAIN,
    SLOT_SETTINGS, /* the first statement of a session */
    SLOT_CHECK,    /* whether the session is the lane's own */
    SLOT_PREPARE,
    SLOT_ENTER,
    SLOT_WORK,
    SLOT_SYNC
} slot_kind;

/* One expected answer, in the order of sending. */
typedef struct sw_expected {
    slot_kind kind;
    sw_work *work; /* for WORK; for PREPARE and ENTER, the work that needs them */
    int statement; /* for PREPARE */
    uint32_t generation;
    bool entered; /* for SYNC: its batch calls sitewire.enter */
} sw_expected;

/* The caller for whom sitewire.enter has run. */
typedef struct sw_entered {
    bool valid;
    int64_t at_ms;
    char texts[SW_ENTER_SESSION][SW_ENTER_TEXT];
} sw_entered;

/* The generation of a statement that the server has prepared, or 0. */
typedef struct sw_prepared {
    uint32_t generation;
    bool stale; /* its plan no longer fits the tables: prepare it again */
} sw_prepared;

struct sw_lane {
    sw_loop *loop;
    sw_lane_kind kind;
    int number;
    sw_resolver *resolver;
    const sw_places *places;
    int place;   /* that it uses, or tries */
    int left;    /* places that this round has not tried */
    bool astray; /* the next round begins with the place of its number */
    sw_name_lookup *lookup;
    sw_addresses addresses; /* of the place's name; none: the place has no name */
    int address;
    int64_t patience_ms; /* for the server's machine to answer; a session may take longer */
    int64_t limit_ms;    /* what the timer was set to */
    bool reached;        /* the server's machine has answered */
    char reason[SW_LANE_REASON];
    char listen[80]; /* the statement, or "" */
    sw_lane_events events;
    sw_timer *timer;
    PGconn *connection;
    lane_state state;
    bool broken;               /* noticed while sending or receiving; flush takes the lane down */
    bool answered;             /* the first slot has its result, but the end of the results has not come */
    bool shared;               /* the session was not its own */
    char token[SW_LANE_TOKEN]; /* of this connection, in the session's setting sitewire.lane */
    bool is_known;             /* `session` is */
    sw_session session;
    sw_server_state server;
    bool waiting;       /* for a synchronous standby */
    bool unconfirmed;   /* the wait for it was ended, in the transaction that ends next */
    int64_t busy_since; /* when the transaction that runs now was sent, or could begin */
    int watched;        /* descriptor, or -1 */
    short watched_events;
    int64_t backoff_ms;
    int load;  /* work in flight */
    int batch; /* messages since the last sync */
    int syncs; /* transactions in flight */
    const sw_statement *enter;
    /* The callers in the batch that is being built, and in the session as committed. The latter
     * counts only while no batch that sets a caller is in flight, because that batch may be rolled
     * back. */
    sw_entered batch_entered, session_entered;
    bool batch_failed;   /* of the batch whose results are coming in */
    int entering;        /* batches in flight that call sitewire.enter */
    sw_work *held;       /* mutations that wait for their sync */
    unsigned head, tail; /* of slots; tail - head is their number */
    sw_expected slots[LANE_SLOTS];
    sw_prepared prepared[SW_STATEMENTS_MAX];
};

static inline bool sw_lane_reads(const sw_lane *lane)
{
    return lane->kind < SW_LANE_WRITE;
}

/* Sends a statement that belongs to no work and whose result is ignored. $1 is `value` unless
 * NULL. */
bool sw_lane_plain(sw_lane *lane, const char *text, const char *value);
/* Begins the session: prepares the check of each transaction, and sends the settings. */
bool sw_lane_begin(sw_lane *lane);
bool sw_lane_sync(sw_lane *lane);
/* Processes the results that have arrived. */
void sw_lane_receive(sw_lane *lane);
/* Ends all work in flight without a result. */
void sw_lane_abandon(sw_lane *lane);
/* The connection works: the next delay before reconnecting is the shortest. */
void sw_lane_settle(sw_lane *lane);
void sw_lane_take_notice(void *context, const PGresult *notice);

#endif
