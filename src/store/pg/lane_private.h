/* What lane.c (the connection) and pipeline.c (what is in flight on it) share. Nobody else includes it. */
#ifndef SW_STORE_LANE_PRIVATE_H
#define SW_STORE_LANE_PRIVATE_H

#include "store/pg/lane.h"
#include <zmq.h>

#define LANE_SLOTS 1024 /* messages in flight that have an answer, a power of two */

#define SW_LANE_WHERE 3 /* host, hostaddr, port */

typedef enum { LANE_DOWN, LANE_CONNECTING, LANE_UP } lane_state;
typedef enum { SLOT_PLAIN, SLOT_PREPARE, SLOT_ENTER, SLOT_WORK, SLOT_SYNC } slot_kind;

/* One expected answer, in the order of sending. */
typedef struct sw_expected {
    slot_kind kind;
    sw_work *work; /* of WORK, and of PREPARE and ENTER the one that they are for */
    int statement; /* of PREPARE */
    uint32_t generation;
    bool entered; /* of SYNC: somebody entered in its batch */
} sw_expected;

/* Who has entered the session. */
typedef struct sw_entered {
    bool valid;
    int64_t at_ms;
    char texts[SW_ENTER_SESSION][SW_ENTER_TEXT];
} sw_entered;

/* The generation of a statement that the server has prepared; 0: none. */
typedef struct sw_prepared {
    uint32_t generation;
    bool stale; /* its plan fits the tables no more: to be prepared again */
} sw_prepared;

struct sw_lane {
    sw_loop *loop;
    sw_lane_kind kind;
    const char *conninfo;
    char listen[80]; /* the statement, or "" */
    char *where
        [SW_LANE_WHERE]; /* instead of the conninfo's hosts, once one of several did not answer; or NULL */
    sw_lane_events events;
    sw_timer *timer;
    PGconn *connection;
    lane_state state;
    bool broken;   /* found while sending or receiving: flush takes it down */
    bool answered; /* the first slot has had its result, its end is awaited */
    int watched;   /* descriptor, or -1 */
    short watched_events;
    int64_t backoff_ms;
    int load;  /* work in flight */
    int batch; /* messages since the last sync */
    int syncs; /* transactions in flight */
    const sw_statement *enter;
    /* In the batch that is being made; in the session, as committed. The latter counts only while no batch with another
     * is in flight: it may fail, and be undone. */
    sw_entered batch_entered, session_entered;
    bool batch_failed;   /* of the batch whose answers come in */
    int entering;        /* batches in flight in which somebody entered */
    sw_work *held;       /* mutations that await their sync */
    unsigned head, tail; /* of slots; their difference is the count */
    sw_expected slots[LANE_SLOTS];
    sw_prepared prepared[SW_STATEMENTS_MAX];
};

/* A statement without work, whose result does not matter; $1 is `value` unless NULL. */
bool sw_lane_plain(sw_lane *lane, const char *text, const char *value);
bool sw_lane_sync(sw_lane *lane);
/* Takes the answers that are there. */
void sw_lane_receive(sw_lane *lane);
/* Ends all work in flight without a result. */
void sw_lane_abandon(sw_lane *lane);
/* The connection has proved to work. */
void sw_lane_settle(sw_lane *lane);
void sw_lane_ignore_notice(void *context, const char *message);

#endif
