/* One connection to PostgreSQL in pipeline mode, on the loop, never blocking. It takes work,
 * answers it in order, and reconnects by itself. Reads that are sent together share a sync; so do
 * mutations that may. Work on behalf of a caller begins with sitewire.enter, which sets the caller
 * of the session. So a lane needs a session of its own: it puts a random token into the session,
 * and each transaction fails where that token is missing, as behind a pooler that shares sessions.
 * Used by pool.c, which has several lanes and chooses one. */
#ifndef SW_STORE_LANE_H
#define SW_STORE_LANE_H

#include "net/resolver.h"
#include "store/pg/places.h"
#include "store/pg/statement.h"

typedef enum {
    SW_LANE_AUTHENTICATE, /* who callers are, for the brokers */
    SW_LANE_READ,         /* reads of a row by its key */
    SW_LANE_LIST,         /* all other reads: one at a time on each lane, in turn between callers */
    SW_LANE_CANCEL,       /* cancels what other lanes run */
    SW_LANE_WRITE,        /* from here on, the session may write */
    SW_LANE_CONTROL,      /* statements of the store itself */
    SW_LANE_KINDS
} sw_lane_kind;

typedef struct sw_lane sw_lane;
typedef struct sw_work sw_work;

/* The server that a lane is connected to, as of then. A promotion begins a new timeline, with a
 * higher number. */
typedef struct sw_server_state {
    uint64_t system; /* of the database cluster, the same for its standbys; 0: not known */
    uint32_t timeline;
    bool standby;
} sw_server_state;

/* Called when work has ended. `result` is lent. It is NULL if there was no answer, or if the commit
 * was not confirmed; then `work->sent` says whether the statement may have run. For a mutation it
 * is called after the commit or rollback. */
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

#define SW_ENTER_TEXT 256 /* room for each text that identifies the caller: the first SW_ENTER_SESSION */

typedef enum {
    SW_NOT_REFUSED,
    SW_REFUSED_STANDBY, /* each lane for changes waits for a synchronous standby */
    SW_REFUSED_CROWD,   /* too many lists wait, and this caller has the most */
    SW_REFUSED_CHANGE   /* no server takes changes (sw_pool_no_writes) */
} sw_refusal;

/* One statement to run. Its owner keeps it, and what its values point to, until `done`. */
struct sw_work {
    sw_work *next, **link; /* in a queue: the pointer that points here, NULL when in none */
    sw_work_fn *done;
    sw_lane_kind kind;
    sw_statement *statement;
    const char *const *values;
    const int *sizes, *formats;
    const char *const *enter; /* SW_ENTER_COUNT texts; NULL: work of the store itself */
    bool describe;            /* only describe the statement */
    bool rolls_back;          /* its transaction is rolled back; deferred constraints are checked first */
    bool joins;               /* a mutation of one row (`row`) that may share a transaction with others */
    bool alone;         /* gets a sync of its own: its batch failed before, or others change the same row */
    bool blocked;       /* another session held a lock that it needs for too long */
    bool dropped;       /* nobody waits for it any more, so it is not sent again */
    sw_refusal refusal; /* why it was not sent */
    bool unconfirmed;   /* committed here, but somebody ended the wait for the standby */
    bool sent;
    uint64_t caller;   /* a hash of on whose behalf, for SW_LANE_LIST */
    uint64_t row;      /* a hash of the row that it changes; 0: none, or many */
    sw_lane *behind;   /* while it waits: the full lane on which its row is being changed; or NULL */
    int again;         /* how often it was sent again because its batch failed */
    int64_t queued_ms; /* since when it waits while no lane is up, or 0 */
    int64_t sent_us;   /* for the first time */
    PGresult *held;    /* its result, until the sync confirms the commit */
};

typedef struct sw_lane_events {
    /* Before a lane comes up: why it must not use this server, such as a standby for changes; NULL
     * if it may. */
    const char *(*on_greeted)(void *context, const sw_lane *lane, const sw_server_state *server);
    void (*on_up)(void *context, sw_lane *lane);
    void (*on_down)(void *context, sw_lane *lane, const char *reason);
    /* The work did not run. Send it again: before waiting work or, if it is blocked, after it. */
    void (*on_again)(void *context, sw_work *work);
    void (*on_notify)(void *context); /* NOTIFY arrived on its channel */
    void (*on_shared)(void *context); /* before on_down: the session is not the lane's own */
    void *context;
} sw_lane_events;

#define SW_LANE_SHARED_MS 10000 /* a lane whose session was not its own stays down as long */

/* `enter` is the statement that calls sitewire.enter. It, `places` and the resolver live as long as
 * the lane. Lanes with different numbers begin with different servers after a loss. */
sw_lane *sw_lane_new(sw_loop *loop, sw_lane_kind kind, int number, sw_resolver *resolver,
                     const sw_places *places, const sw_statement *enter, const sw_lane_events *events);
/* Ends work in flight without a result. */
void sw_lane_destroy(sw_lane **lane);
void sw_lane_connect(sw_lane *lane);
/* Another lane has just connected to places->first: this one connects there at once, instead of
 * waiting or trying elsewhere. Ignored if it is connected or about to be. */
void sw_lane_hurry(sw_lane *lane);
/* Ends the connection, for this reason, and connects again. */
void sw_lane_leave(sw_lane *lane, const char *reason);
sw_lane_kind sw_lane_get_kind(const sw_lane *lane);
/* Of places->items: where it is connected. */
int sw_lane_place(const sw_lane *lane);
/* The server; `system` is 0 unless the lane is up. */
sw_server_state sw_lane_server(const sw_lane *lane);
/* Call before sw_lane_connect. `channel` is an identifier; LISTEN runs on each connection. */
void sw_lane_listen(sw_lane *lane, const char *channel);

/* How many pieces of work are in flight (counted as many more if a lock may delay them), and
 * whether there is room for another one. */
int sw_lane_load(const sw_lane *lane);
bool sw_lane_has_room(const sw_lane *lane);
bool sw_lane_is_up(const sw_lane *lane);

/* Sends work. False if the connection broke: then the work is not sent, and the lane goes down. */
bool sw_lane_send(sw_lane *lane, sw_work *work);
/* Ends the batch with a sync and writes the buffer. */
void sw_lane_flush(sw_lane *lane);

/* Takes a lane down for SW_LANE_SHARED_MS, because another one's session was not its own. */
void sw_lane_refuse(sw_lane *lane);

/* The work that PostgreSQL runs now or next (NULL if idle), and since when. */
sw_work *sw_lane_running(const sw_lane *lane);
int64_t sw_lane_busy_ms(const sw_lane *lane, int64_t now_ms);

/* The session in the server, which a pooler may hide from libpq. */
typedef struct sw_session {
    char process_id[4], started_at[8]; /* int4 and timestamptz in binary format */
    uint32_t transactions;             /* ended so far */
} sw_session;
/* False while it is not known. */
bool sw_lane_session(const sw_lane *lane, sw_session *session);
/* The session was seen waiting for a synchronous standby, in the transaction that follows
 * `session->transactions`. The lane gets no work until that transaction ends. */
void sw_lane_set_waiting(sw_lane *lane, const sw_session *session);
bool sw_lane_is_waiting(const sw_lane *lane);
/* Whether work that nobody waits for is in flight. */
bool sw_lane_has_dropped(const sw_lane *lane);
/* Whether work that changes the row is in flight. */
bool sw_lane_changes(const sw_lane *lane, uint64_t row);

#endif
