/* All connections of a store. Work goes to the least loaded lane of its kind. It waits while none
 * is up, for a second at most. Work for SW_LANE_LIST goes in turn between callers. Used by the rest
 * of the store. */
#ifndef SW_STORE_POOL_H
#define SW_STORE_POOL_H

#include "store/pg/lane.h"
#include "store/pg/sql.h"

#define SW_PARK_MS 1000 /* how long work waits while no lane of its kind is up */

typedef struct sw_pool sw_pool;

typedef struct sw_pool_options {
    const char *conninfo;
    int lanes[SW_LANE_KINDS];
    int lists_per_caller;             /* SW_LANE_LIST: under way and waiting, on behalf of one caller */
    int lists;                        /* the same: waiting in all */
    void (*on_change)(void *context); /* a lane came up or went down */
    void (*on_notify)(void *context); /* see sw_pool_listen */
    void *context;
} sw_pool_options;

sw_pool *sw_pool_new(sw_loop *loop, const sw_pool_options *options);
void sw_pool_destroy(sw_pool **pool);
/* Does without the lanes of a kind. Call before sw_pool_connect. */
void sw_pool_close(sw_pool *pool, sw_lane_kind kind);
void sw_pool_connect(sw_pool *pool);
/* Call before sw_pool_connect: on_notify is called when a NOTIFY arrives on `channel`. */
void sw_pool_listen(sw_pool *pool, const char *channel);

/* Queues `work` with its statement; it is sent when the loop's round ends. The values of `sql` are
 * lent until the work is done. RESOURCE_EXHAUSTED, and nothing is queued, when out of memory or
 * statements, or if the caller has too many lists under way. */
sw_code sw_pool_submit(sw_pool *pool, sw_work *work, sw_lane_kind kind, const sw_sql *sql, sw_error *error);
/* Nobody waits for `work` any more. True if it was still queued: its `done` will not be called.
 * False if it has been sent: it is cancelled if it keeps running, and `done` will be called. */
bool sw_pool_drop(sw_pool *pool, sw_work *work);

/* Whether a lane of the kind is up, if there are any. */
bool sw_pool_is_up(const sw_pool *pool, sw_lane_kind kind);
/* Why the last lane went down, or "". */
const char *sw_pool_reason(const sw_pool *pool);
/* Why no lane may write, although the database can be read: it is a standby, or was replaced; NULL
 * if nothing is known against writing. */
const char *sw_pool_no_writes(const sw_pool *pool);
/* The server that changes go to or, without one, that reads go to; `system` is 0 if there is
 * none. */
sw_server_state sw_pool_server(const sw_pool *pool);
/* Somebody has seen this timeline of a database. Lanes on an older one of it write no more. */
void sw_pool_note_timeline(sw_pool *pool, uint64_t system, uint32_t timeline);
/* How often a lane has connected; lives as long as the pool. */
const uint64_t *sw_pool_connects(const sw_pool *pool);

#endif
