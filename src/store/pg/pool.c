/* The lanes of a store, and the work that waits for them (pool.h). */
#include "base/clock.h"
#include "base/error.h"
#include "store/pg/inquiry.h"
#include "store/pg/pool_private.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t tick_ms = 100;
static const int64_t slow_ms = 300; /* longer than a change waits for a lock (lane.c) */
static const char enter_text[] = "SELECT sitewire.enter($1, $2, $3, $4, $5, $6)";
static const Oid enter_types[SW_ENTER_COUNT] = {SW_OID_TEXT, SW_OID_TEXT, SW_OID_TEXT,
                                                SW_OID_TEXT, SW_OID_TEXT, SW_OID_TEXT};

/* The work of a kind that waits, one after the other: NULL comes before the first. */
static sw_work *after(const sw_pool *pool, sw_lane_kind kind, const sw_work *work)
{
    if (kind == SW_LANE_LIST)
        return sw_fair_after(&pool->lists, work);
    return work ? work->next : pool->queues[kind].first;
}

static void dequeue(sw_pool *pool, sw_work *work)
{
    if (work->kind == SW_LANE_LIST)
        sw_fair_remove(&pool->lists, work);
    else
        sw_queue_remove(&pool->queues[work->kind], work);
}

/* False when out of memory. */
static bool enqueue(sw_pool *pool, sw_work *work, bool first)
{
    if (work->kind == SW_LANE_LIST)
        return sw_fair_add(&pool->lists, work, first);
    (first ? sw_queue_add_first : sw_queue_add)(&pool->queues[work->kind], work);
    return true;
}

static void refuse(sw_pool *pool, sw_work *work, sw_refusal refusal)
{
    dequeue(pool, work);
    work->refusal = refusal;
    work->done(work, NULL);
}

static void start_ticking(sw_pool *pool)
{
    if (pool->ticking)
        return;
    pool->ticking = true;
    sw_timer_start(pool->timer, sw_now_ms() + tick_ms);
}

bool sw_pool_is_up(const sw_pool *pool, sw_lane_kind kind)
{
    if (pool->options.lanes[kind] == 0)
        return true;
    for (int i = 0; i < pool->options.lanes[kind]; i++)
        if (sw_lane_is_up(pool->lanes[kind][i]))
            return true;
    return false;
}

static bool submit(sw_pool *pool, sw_work *work)
{
    work->queued_ms = 0;
    work->sent = work->blocked = work->unconfirmed = false;
    work->refusal = SW_NOT_REFUSED;
    work->behind = NULL;
    if (!enqueue(pool, work, false))
        return false;
    if (!sw_pool_is_up(pool, work->kind))
        start_ticking(pool);
    return true;
}

/* --- How much a caller may list at once --- */

/* How many statements of a caller run on the lanes for lists. */
static int running(const void *context, uint64_t caller)
{
    const sw_pool *pool = context;
    int count = 0;
    for (int i = 0; i < pool->options.lanes[SW_LANE_LIST]; i++) {
        const sw_work *work = sw_lane_running(pool->lanes[SW_LANE_LIST][i]);
        count += work && work->caller == caller;
    }
    return count;
}

/* Makes room for one more. If too many wait in all, the caller with the most gives way. */
static sw_code make_room(sw_pool *pool, const sw_work *work, sw_error *error)
{
    int waiting = sw_fair_waiting(&pool->lists, work->caller);
    if (waiting + running(pool, work->caller) >= pool->options.lists_per_caller)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED,
                       "%d lists and searches of yours are under way here: wait until some have ended",
                       pool->options.lists_per_caller);
    if (pool->lists.waiting < pool->options.lists)
        return SW_OK;
    sw_work *last = sw_fair_most(&pool->lists, waiting + 1);
    if (!last)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED,
                       "%d lists and searches wait here already: try again later", pool->options.lists);
    refuse(pool, last, SW_REFUSED_CROWD);
    return SW_OK;
}

static sw_statement *find_statement(sw_statements *statements, const sw_sql *sql)
{
    if (sql->known && sw_statement_is_known(sql->known))
        return sw_statements_again(statements, sql->known);
    sw_statement *statement = sw_statements_get(statements, sql->text, sql->length, sql->types, sql->count);
    if (sql->known && statement)
        *sql->known = (sw_known_statement){statement, statement->generation};
    return statement;
}

static sw_code fail_memory(sw_error *error)
{
    return sw_fail(error, SW_RESOURCE_EXHAUSTED,
                   "too many different statements at once, or out of memory; try again");
}

sw_code sw_pool_submit(sw_pool *pool, sw_work *work, sw_lane_kind kind, const sw_sql *sql, sw_error *error)
{
    sw_code code = kind == SW_LANE_LIST ? make_room(pool, work, error) : SW_OK;
    if (code != SW_OK)
        return code;
    work->kind = kind;
    work->statement = sw_sql_is_whole(sql) ? find_statement(pool->statements, sql) : NULL;
    if (!work->statement)
        return fail_memory(error);
    work->values = sql->values;
    work->sizes = sql->sizes;
    work->formats = sql->formats;
    work->alone = false;
    work->again = 0;
    if (submit(pool, work))
        return SW_OK;
    sw_statement_release(work->statement);
    work->statement = NULL;
    return fail_memory(error);
}

/* --- Sending --- */

static sw_lane *least_loaded(sw_pool *pool, sw_lane_kind kind)
{
    sw_lane *best = NULL;
    for (int i = 0; i < pool->options.lanes[kind]; i++) {
        sw_lane *lane = pool->lanes[kind][i];
        if (!sw_lane_has_room(lane) || (best && sw_lane_load(lane) >= sw_lane_load(best)))
            continue;
        best = lane;
        if (sw_lane_load(best) == 0)
            break;
    }
    return best;
}

static sw_lane *changing(const sw_pool *pool, const sw_work *work)
{
    for (int i = 0; work->row && i < pool->options.lanes[work->kind]; i++)
        if (sw_lane_changes(pool->lanes[work->kind][i], work->row))
            return pool->lanes[work->kind][i];
    return NULL;
}

/* The lane for a piece of work, or NULL. *skip: it waits for its lane, later work may go first.
 *
 * Mutations that share a transaction keep their rows locked until its end, so none of them may wait
 * for a row of another one: that could end in a deadlock. Two changes of one row may not share a
 * transaction either, because the second would not notice whether it changes anything. So a change
 * follows the first change of its row on the same lane, or waits while that lane is full. On
 * another lane it would only wait for the lock, and the changes of one row could occupy all
 * lanes. */
static sw_lane *lane_for(sw_pool *pool, sw_work *work, bool *skip)
{
    *skip = work->behind && sw_lane_is_up(work->behind) && !sw_lane_has_room(work->behind);
    if (*skip) /* without looking for the row again */
        return NULL;
    work->behind = changing(pool, work);
    if (!work->behind)
        return least_loaded(pool, work->kind);
    work->alone = true;
    *skip = !sw_lane_has_room(work->behind);
    return *skip ? NULL : work->behind;
}

static void flush(sw_pool *pool, sw_lane_kind kind)
{
    for (int i = 0; i < pool->options.lanes[kind]; i++)
        sw_lane_flush(pool->lanes[kind][i]);
}

static void send_kind(sw_pool *pool, sw_lane_kind kind)
{
    sw_queue *queue = &pool->queues[kind];
    if (!queue->first)
        return; /* a lane that receives flushes by itself */
    sw_work *next;
    for (sw_work *work = queue->first; work; work = next) {
        bool skip;
        sw_lane *lane = lane_for(pool, work, &skip);
        next = work->next;
        if (skip)
            continue;
        if (!lane)
            break;
        sw_queue_remove(queue, work);
        if (!sw_lane_send(lane, work)) {
            sw_queue_add_first(queue, work);
            next = work;
        }
    }
    flush(pool, kind);
}

static int free_lanes(const sw_pool *pool, sw_lane_kind kind)
{
    int count = 0;
    for (int i = 0; i < pool->options.lanes[kind]; i++)
        count += sw_lane_has_room(pool->lanes[kind][i]);
    return count;
}

static void send_lists(sw_pool *pool)
{
    int lanes;
    sw_work *work;
    if (pool->lists.waiting == 0)
        return;
    while ((lanes = free_lanes(pool, SW_LANE_LIST)) > 0 &&
           (work = sw_fair_next(&pool->lists, lanes, running, pool))) {
        sw_lane *lane = least_loaded(pool, SW_LANE_LIST);
        sw_fair_remove(&pool->lists, work);
        if (!sw_lane_send(lane, work) && !sw_fair_add(&pool->lists, work, true))
            work->done(work, NULL);
    }
    flush(pool, SW_LANE_LIST);
}

/* Whether each lane for changes waits for a synchronous standby. */
static bool changes_wait(const sw_pool *pool)
{
    int up = 0, waiting = 0;
    for (int i = 0; i < pool->options.lanes[SW_LANE_WRITE]; i++) {
        const sw_lane *lane = pool->lanes[SW_LANE_WRITE][i];
        up += sw_lane_is_up(lane);
        waiting += sw_lane_is_up(lane) && sw_lane_is_waiting(lane);
    }
    return up > 0 && waiting == up;
}

/* For longer than work waits for a lane. */
static bool lacks_primary(const sw_pool *pool)
{
    return *pool->no_writes && !sw_pool_is_up(pool, SW_LANE_WRITE) &&
           sw_now_ms() - pool->no_writes_ms >= SW_PARK_MS;
}

static void send_changes(sw_pool *pool)
{
    sw_queue *queue = &pool->queues[SW_LANE_WRITE];
    if (!queue->first)
        return;
    sw_refusal refusal = changes_wait(pool)    ? SW_REFUSED_STANDBY
                         : lacks_primary(pool) ? SW_REFUSED_CHANGE
                                               : SW_NOT_REFUSED;
    while (refusal != SW_NOT_REFUSED && queue->first)
        refuse(pool, queue->first, refusal);
    send_kind(pool, SW_LANE_WRITE);
    start_ticking(pool); /* notices if they wait for a standby */
}

static void on_idle(void *context)
{
    sw_pool *pool = context;
    for (int kind = 0; kind < SW_LANE_KINDS; kind++)
        if (kind != SW_LANE_WRITE)
            send_kind(pool, (sw_lane_kind)kind);
    send_lists(pool);
    send_changes(pool);
}

/* --- Giving up and cancelling --- */

/* Ends work that has waited too long for a lane of its kind. True if some still waits. */
static bool give_up(sw_pool *pool, sw_lane_kind kind, int64_t now)
{
    if (sw_pool_is_up(pool, kind))
        return false;
    sw_work *next;
    for (sw_work *work = after(pool, kind, NULL); work; work = next) {
        next = after(pool, kind, work);
        if (!work->queued_ms)
            work->queued_ms = now;
        if (now - work->queued_ms >= SW_PARK_MS)
            refuse(pool, work,
                   kind == SW_LANE_WRITE && *pool->no_writes ? SW_REFUSED_CHANGE : SW_NOT_REFUSED);
    }
    return after(pool, kind, NULL) != NULL;
}

static void inquire(sw_pool *pool, sw_lane *lane, bool cancel)
{
    sw_work *inquiry = sw_inquiry_new(pool->statements, lane, cancel, &pool->inquiries);
    if (inquiry)
        submit(pool, inquiry);
}

/* Cancels statements that still run although nobody waits for them. A cancellation may hit the next
 * statement instead; that is sent again. Asks which changes wait for a synchronous standby. */
static void look_at_lanes(sw_pool *pool, sw_lane_kind kind, int64_t now)
{
    for (int i = 0; i < pool->options.lanes[kind]; i++) {
        sw_lane *lane = pool->lanes[kind][i];
        const sw_work *running = sw_lane_running(lane);
        bool drop = running && running->dropped;
        bool slow = kind == SW_LANE_WRITE && sw_lane_busy_ms(lane, now) >= slow_ms;
        if ((drop || slow) && !sw_lane_is_waiting(lane))
            inquire(pool, lane, drop);
    }
}

/* Whether lanes must be looked at again. */
static bool is_active(const sw_pool *pool, sw_lane_kind kind)
{
    bool active = false;
    for (int i = 0; i < pool->options.lanes[kind]; i++) {
        const sw_lane *lane = pool->lanes[kind][i];
        active |= sw_lane_has_dropped(lane) || (kind == SW_LANE_WRITE && sw_lane_running(lane));
    }
    return active;
}

static void on_tick(void *context)
{
    sw_pool *pool = context;
    bool active = false;
    int64_t now = sw_now_ms();
    bool ask = pool->inquiries == 0 && sw_pool_is_up(pool, SW_LANE_CANCEL);
    pool->ticking = false;
    for (int kind = 0; kind < SW_LANE_KINDS; kind++)
        active |= give_up(pool, (sw_lane_kind)kind, now);
    for (int kind = 0; kind < SW_LANE_CONTROL; kind++) {
        if (ask)
            look_at_lanes(pool, (sw_lane_kind)kind, now);
        active |= is_active(pool, (sw_lane_kind)kind);
    }
    if (active)
        start_ticking(pool);
}

bool sw_pool_drop(sw_pool *pool, sw_work *work)
{
    work->dropped = true;
    if (work->link) {
        dequeue(pool, work);
        return true;
    }
    start_ticking(pool);
    return false;
}

/* --- Lanes' events --- */

static void on_up(void *context, sw_lane *lane)
{
    sw_pool *pool = context;
    sw_server_state server = sw_lane_server(lane);
    bool writes = sw_lane_get_kind(lane) == SW_LANE_WRITE;
    if (pool->newest.system == 0 || writes)
        pool->newest = server;
    if (writes) {
        pool->no_writes[0] = '\0';
        sw_pool_follow(pool);
    }
    if (!server.standby) {
        pool->places.first = sw_lane_place(lane);
        sw_pool_hurry(pool);
    }
    pool->connects++;
    pool->options.on_change(pool->options.context);
}

static void on_down(void *context, sw_lane *lane, const char *reason)
{
    sw_pool *pool = context;
    (void)lane;
    snprintf(pool->reason, sizeof(pool->reason), "%s", reason);
    start_ticking(pool);
    pool->options.on_change(pool->options.context);
}

static void on_again(void *context, sw_work *work)
{
    sw_pool *pool = context;
    if (!enqueue(pool, work, !work->blocked))
        work->done(work, NULL);
}

/* All lanes connect to the same place. */
static void on_shared(void *context)
{
    sw_pool *pool = context;
    for (int kind = 0; kind < SW_LANE_KINDS; kind++)
        for (int i = 0; i < pool->options.lanes[kind]; i++)
            sw_lane_refuse(pool->lanes[kind][i]);
}

static void on_notify(void *context)
{
    sw_pool *pool = context;
    pool->options.on_notify(pool->options.context);
}

/* --- The pool --- */

sw_pool *sw_pool_new(sw_loop *loop, const sw_pool_options *options)
{
    sw_pool *pool = calloc(1, sizeof(*pool));
    if (!pool)
        return NULL;
    pool->loop = loop;
    pool->options = *options;
    pool->conninfo = strdup(options->conninfo ? options->conninfo : "");
    pool->statements = sw_statements_new();
    pool->timer = sw_loop_timer(loop, on_tick, pool);
    if (pool->statements)
        pool->enter = sw_statements_get(pool->statements, enter_text, sizeof(enter_text) - 1, enter_types,
                                        SW_ENTER_COUNT);
    pool->resolver = sw_resolver_new(loop);
    bool fine = pool->conninfo && sw_places_init(&pool->places, pool->conninfo) && pool->resolver &&
                pool->enter && pool->timer && sw_loop_idle(loop, on_idle, pool) == SW_OK;
    sw_lane_events events = {sw_pool_on_greeted, on_up, on_down, on_again, on_notify, on_shared, pool};
    int number = 0;
    sw_fair_init(&pool->lists);
    for (int kind = 0; kind < SW_LANE_KINDS; kind++) {
        sw_queue_init(&pool->queues[kind]);
        pool->lanes[kind] = calloc((size_t)options->lanes[kind] + 1, sizeof(sw_lane *));
        for (int i = 0; fine && pool->lanes[kind] && i < options->lanes[kind]; i++)
            fine = (pool->lanes[kind][i] = sw_lane_new(loop, (sw_lane_kind)kind, number++, pool->resolver,
                                                       &pool->places, pool->enter, &events)) != NULL;
        fine = fine && pool->lanes[kind];
    }
    if (!fine)
        sw_pool_destroy(&pool);
    return pool;
}

void sw_pool_close(sw_pool *pool, sw_lane_kind kind)
{
    for (int i = 0; pool->lanes[kind] && i < pool->options.lanes[kind]; i++)
        sw_lane_destroy(&pool->lanes[kind][i]);
    free(pool->lanes[kind]);
    pool->lanes[kind] = NULL;
    pool->options.lanes[kind] = 0;
}

void sw_pool_destroy(sw_pool **pool)
{
    sw_pool *p = *pool;
    if (!p)
        return;
    for (int kind = 0; kind < SW_LANE_KINDS; kind++)
        sw_pool_close(p, (sw_lane_kind)kind);
    for (int kind = 0; kind < SW_LANE_KINDS; kind++)
        for (sw_work *work; p->queues[kind].last && (work = after(p, (sw_lane_kind)kind, NULL));)
            refuse(p, work, SW_NOT_REFUSED);
    sw_loop_idle_remove(p->loop, on_idle, p);
    sw_timer_destroy(&p->timer);
    if (p->enter)
        sw_statement_release(p->enter);
    sw_statements_destroy(&p->statements);
    sw_resolver_destroy(&p->resolver);
    sw_places_clear(&p->places);
    free(p->conninfo);
    free(p);
    *pool = NULL;
}

void sw_pool_listen(sw_pool *pool, const char *channel)
{
    sw_lane_listen(pool->lanes[SW_LANE_CONTROL][0], channel);
}

void sw_pool_connect(sw_pool *pool)
{
    for (int kind = 0; kind < SW_LANE_KINDS; kind++)
        for (int i = 0; i < pool->options.lanes[kind]; i++)
            sw_lane_connect(pool->lanes[kind][i]);
}

const char *sw_pool_reason(const sw_pool *pool)
{
    return pool->reason;
}
