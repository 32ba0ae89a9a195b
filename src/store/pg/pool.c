/* The lanes of a store, and the work that waits for them (pool.h). */
#include "store/pg/pool.h"
#include "base/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t tick_ms = 100;
static const char enter_text[] = "SELECT sitewire.enter($1, $2, $3, $4, $5, $6)";
static const Oid enter_types[SW_ENTER_COUNT] = {SW_OID_TEXT, SW_OID_TEXT, SW_OID_TEXT,
                                                SW_OID_TEXT, SW_OID_TEXT, SW_OID_TEXT};

typedef struct sw_queue {
    sw_work *first, **last;
} sw_queue;

struct sw_pool {
    sw_loop *loop;
    sw_pool_options options;
    char *conninfo;
    sw_statements *statements;
    sw_statement *enter;
    sw_lane **lanes[SW_LANE_KINDS];
    sw_queue queues[SW_LANE_KINDS];
    sw_timer *timer;
    bool ticking;
    int dropped; /* dropped work that is in flight */
    char reason[256];
};

/* A request to cancel the statement that another lane runs. */
typedef struct sw_cancel {
    sw_work work;
    const char *value;
    int size, format;
    char text[16];
} sw_cancel;

static void enqueue(sw_queue *queue, sw_work *work)
{
    work->next = NULL;
    work->link = queue->last;
    *queue->last = work;
    queue->last = &work->next;
}

static void enqueue_first(sw_queue *queue, sw_work *work)
{
    work->next = queue->first;
    work->link = &queue->first;
    if (work->next)
        work->next->link = &work->next;
    else
        queue->last = &work->next;
    queue->first = work;
}

static void dequeue(sw_queue *queue, sw_work *work)
{
    *work->link = work->next;
    if (work->next)
        work->next->link = work->link;
    else
        queue->last = work->link;
    work->link = NULL;
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
    for (int i = 0; i < pool->options.lanes[kind]; i++)
        if (sw_lane_is_up(pool->lanes[kind][i]))
            return true;
    return false;
}

static void submit(sw_pool *pool, sw_work *work)
{
    work->queued_ms = 0;
    work->sent = work->blocked = false;
    work->behind = NULL;
    enqueue(&pool->queues[work->kind], work);
    if (!sw_pool_is_up(pool, work->kind))
        start_ticking(pool);
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

bool sw_pool_submit(sw_pool *pool, sw_work *work, sw_lane_kind kind, const sw_sql *sql)
{
    work->kind = kind;
    work->statement = sw_sql_is_whole(sql) ? find_statement(pool->statements, sql) : NULL;
    if (!work->statement)
        return false;
    work->values = sql->values;
    work->sizes = sql->sizes;
    work->formats = sql->formats;
    work->alone = false;
    work->again = 0;
    submit(pool, work);
    return true;
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
        dequeue(queue, work);
        if (!sw_lane_send(lane, work)) {
            enqueue_first(queue, work);
            next = work;
        }
    }
    for (int i = 0; i < pool->options.lanes[kind]; i++)
        sw_lane_flush(pool->lanes[kind][i]);
}

static void on_idle(void *context)
{
    for (int kind = 0; kind < SW_LANE_KINDS; kind++)
        send_kind(context, (sw_lane_kind)kind);
}

/* --- Giving up and cancelling --- */

/* Ends work that has waited too long for a lane of its kind. True if some still waits. */
static bool give_up(sw_pool *pool, sw_lane_kind kind, int64_t now)
{
    sw_queue *queue = &pool->queues[kind];
    if (sw_pool_is_up(pool, kind))
        return false;
    sw_work *next;
    for (sw_work *work = queue->first; work; work = next) {
        next = work->next;
        if (!work->queued_ms)
            work->queued_ms = now;
        if (now - work->queued_ms < SW_PARK_MS)
            continue;
        dequeue(queue, work);
        work->done(work, NULL);
    }
    return queue->first != NULL;
}

static void cancel_done(sw_work *work, const PGresult *result)
{
    (void)result;
    sw_statement_release(work->statement);
    free((sw_cancel *)work);
}

static void cancel_lane(sw_pool *pool, const sw_lane *lane)
{
    static const Oid type = SW_OID_INT4;
    static const char text[] = "SELECT pg_cancel_backend($1)";
    sw_cancel *cancel = calloc(1, sizeof(*cancel));
    sw_statement *statement =
        cancel ? sw_statements_get(pool->statements, text, sizeof(text) - 1, &type, 1) : NULL;
    if (!statement) {
        free(cancel);
        return;
    }
    cancel->size = snprintf(cancel->text, sizeof(cancel->text), "%d", sw_lane_process_id(lane));
    cancel->value = cancel->text;
    cancel->work = (sw_work){.done = cancel_done,
                             .kind = SW_LANE_CONTROL,
                             .statement = statement,
                             .values = &cancel->value,
                             .sizes = &cancel->size,
                             .formats = &cancel->format};
    submit(pool, &cancel->work);
}

/* Cancels statements that still run although nobody waits for them. A cancellation may hit the next
 * statement instead; that is sent again. */
static void cancel_dropped(sw_pool *pool)
{
    for (int kind = 0; kind < SW_LANE_CONTROL; kind++)
        for (int i = 0; i < pool->options.lanes[kind]; i++) {
            const sw_work *running = sw_lane_running(pool->lanes[kind][i]);
            if (running && running->dropped && sw_pool_is_up(pool, SW_LANE_CONTROL))
                cancel_lane(pool, pool->lanes[kind][i]);
        }
}

static void on_tick(void *context)
{
    sw_pool *pool = context;
    bool waiting = false, dropped = false;
    int64_t now = sw_now_ms();
    pool->ticking = false;
    for (int kind = 0; kind < SW_LANE_KINDS; kind++)
        waiting |= give_up(pool, (sw_lane_kind)kind, now);
    cancel_dropped(pool);
    for (int kind = 0; kind < SW_LANE_CONTROL; kind++)
        for (int i = 0; i < pool->options.lanes[kind]; i++)
            dropped |= sw_lane_has_dropped(pool->lanes[kind][i]);
    if (waiting || dropped)
        start_ticking(pool);
}

bool sw_pool_drop(sw_pool *pool, sw_work *work)
{
    work->dropped = true;
    if (work->link) {
        dequeue(&pool->queues[work->kind], work);
        return true;
    }
    start_ticking(pool);
    return false;
}

/* --- Lanes' events --- */

static void on_up(void *context, sw_lane *lane)
{
    sw_pool *pool = context;
    (void)lane;
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
    if (work->blocked)
        enqueue(&pool->queues[work->kind], work);
    else
        enqueue_first(&pool->queues[work->kind], work);
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
    bool fine = pool->conninfo && pool->enter && pool->timer && sw_loop_idle(loop, on_idle, pool) == SW_OK;
    sw_lane_events events = {on_up, on_down, on_again, on_notify, pool};
    for (int kind = 0; kind < SW_LANE_KINDS; kind++) {
        pool->queues[kind].last = &pool->queues[kind].first;
        pool->lanes[kind] = calloc((size_t)options->lanes[kind], sizeof(sw_lane *));
        for (int i = 0; fine && pool->lanes[kind] && i < options->lanes[kind]; i++)
            fine = (pool->lanes[kind][i] =
                        sw_lane_new(loop, (sw_lane_kind)kind, pool->conninfo, pool->enter, &events)) != NULL;
        fine = fine && pool->lanes[kind];
    }
    if (!fine)
        sw_pool_destroy(&pool);
    return pool;
}

void sw_pool_destroy(sw_pool **pool)
{
    sw_pool *p = *pool;
    if (!p)
        return;
    for (int kind = 0; kind < SW_LANE_KINDS; kind++) {
        for (int i = 0; p->lanes[kind] && i < p->options.lanes[kind]; i++)
            sw_lane_destroy(&p->lanes[kind][i]);
        free(p->lanes[kind]);
        p->lanes[kind] = NULL;
        p->options.lanes[kind] = 0;
    }
    for (int kind = 0; kind < SW_LANE_KINDS; kind++)
        for (sw_work *work; (work = p->queues[kind].first);) {
            dequeue(&p->queues[kind], work);
            work->done(work, NULL);
        }
    sw_loop_idle_remove(p->loop, on_idle, p);
    sw_timer_destroy(&p->timer);
    if (p->enter)
        sw_statement_release(p->enter);
    sw_statements_destroy(&p->statements);
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
