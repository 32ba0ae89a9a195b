/* One connection to PostgreSQL in pipeline mode, on the loop, never blocking. Takes work, answers it in order,
 * reconnects by itself. Reads that are sent together share a sync; so do mutations that may. Before work on
 * somebody's behalf, sitewire.enter tells the session whose.
 * Used by pool.c, which has several and chooses. */
#ifndef SW_STORE_LANE_H
#define SW_STORE_LANE_H

#include "net/loop.h"
#include "store/pg/statement.h"

typedef enum { SW_LANE_READ, SW_LANE_WRITE, SW_LANE_CONTROL, SW_LANE_KINDS } sw_lane_kind;

typedef struct sw_lane sw_lane;
typedef struct sw_work sw_work;

/* The end of a piece of work. `result` is lent; it is NULL if no answer came: `work->sent` tells whether the
 * statement may have run. Of a mutation it comes once the transaction is committed or rolled back. */
typedef void sw_work_fn(sw_work *work, const PGresult *result);

/* On whose behalf: the arguments of sitewire.enter (sql/schema/03_rights.sql). */
enum {
    SW_ENTER_KEY,
    SW_ENTER_USER,
    SW_ENTER_REQUIRES,
    SW_ENTER_SESSION,
    SW_ENTER_CALL_ID = SW_ENTER_SESSION,
    SW_ENTER_REQUEST_ID,
    SW_ENTER_REASON,
    SW_ENTER_COUNT
};

#define SW_ENTER_TEXT 256 /* room for those that tell who somebody is: the first SW_ENTER_SESSION */

/* One statement to run. Its owner keeps it, and what its values point to, until `done`. */
struct sw_work {
    sw_work *next, **link; /* in a queue: the pointer that points here, NULL when in none */
    sw_work_fn *done;
    sw_lane_kind kind;
    sw_statement *statement;
    const char *const *values;
    const int *sizes, *formats;
    const char *const *enter; /* SW_ENTER_COUNT texts; NULL: the store's own work, on nobody's behalf */
    bool describe;            /* only describe the statement */
    bool rolls_back;          /* in a transaction that is rolled back, with deferred constraints checked */
    bool joins;   /* a mutation of one row that may share a transaction with others: `row` tells them apart */
    bool alone;   /* with a sync of its own: a neighbour failed before, or changes the same row */
    bool blocked; /* somebody else held a lock that it needs, for long */
    bool dropped; /* nobody waits for it any more: it is not sent again */
    bool sent;
    uint64_t row;      /* a hash of the row that it changes; 0: none, or many */
    sw_lane *behind;   /* of what waits: where that row is changed, and there was no room; or NULL */
    int again;         /* times it was sent again because of a neighbour */
    int64_t queued_ms; /* when it was first seen to wait without a lane, or 0 */
    int64_t sent_us;   /* for the first time */
    PGresult *held;    /* until the sync tells that it is committed */
};

typedef struct sw_lane_events {
    void (*on_up)(void *context, sw_lane *lane);
    void (*on_down)(void *context, sw_lane *lane, const char *reason);
    /* Not run because of a neighbour: to be sent again, before what waits; or because of a lock: after that. */
    void (*on_again)(void *context, sw_work *work);
    void (*on_notify)(void *context); /* NOTIFY on the channel that it listens to */
    void *context;
} sw_lane_events;

/* `conninfo` and `enter`, the statement that work on somebody's behalf begins with, live as long as the lane. */
sw_lane *sw_lane_new(sw_loop *loop, sw_lane_kind kind, const char *conninfo, const sw_statement *enter,
                     const sw_lane_events *events);
/* Work under way is done with no result. */
void sw_lane_destroy(sw_lane **lane);
void sw_lane_connect(sw_lane *lane);
/* Before it connects: LISTEN. `channel` is an identifier, and lives as long as the lane. */
void sw_lane_listen(sw_lane *lane, const char *channel);

/* Pieces of work under way, more for a lane that may be kept by a lock; and whether there is room for one more. */
int sw_lane_load(const sw_lane *lane);
bool sw_lane_has_room(const sw_lane *lane);
bool sw_lane_is_up(const sw_lane *lane);

/* Hands work over; false if the connection broke (the work is not sent, the lane goes down). */
bool sw_lane_send(sw_lane *lane, sw_work *work);
/* Ends the batch with a sync and writes what is buffered. */
void sw_lane_flush(sw_lane *lane);

/* What PostgreSQL is running now, or will next, and the process to cancel. NULL if idle. */
sw_work *sw_lane_running(const sw_lane *lane);
int sw_lane_process_id(const sw_lane *lane);
/* Whether work that nobody waits for is in flight. */
bool sw_lane_has_dropped(const sw_lane *lane);
/* Whether work that changes the row is in flight. */
bool sw_lane_changes(const sw_lane *lane, uint64_t row);

#endif
