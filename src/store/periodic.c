/* Periodic statements, which a service runs by itself: to end deployments whose runner is lost, or
 * to publish events. The service's main registers them (store.h). */
#include "base/clock.h"
#include "base/error.h"
#include "store/engine.h"
#include <stdlib.h>

typedef struct sw_periodic_run {
    sw_work work; /* first, so that `done` finds the run */
    sw_store *store;
    struct sw_periodic_run *next;
    sw_arena *arena;
    sw_timer *timer;
    sw_periodic statement;
    bool running;
    bool changed;  /* a call of this store has changed something since it last began */
    bool notified; /* a NOTIFY has arrived since then */
} sw_periodic_run;

static void start(void *context);

/* False if there is nothing to do this time. */
static bool bind_argument(const sw_periodic_run *run, sw_sql *sql)
{
    if (!run->statement.argument)
        return true;
    sw_value value = sw_value_text(run->statement.argument(run->statement.context));
    if (value.data)
        sw_sql_bind(sql, &value);
    return value.data != NULL;
}

static void done(sw_work *work, const PGresult *result)
{
    sw_periodic_run *run = (sw_periodic_run *)work;
    sw_statement_release(work->statement);
    run->running = false;
    if (run->store->closing)
        return;
    int64_t wait_ms = run->statement.every_ms;
    bool fine = PQresultStatus(result) == PGRES_TUPLES_OK;
    if (run->statement.on_result) {
        int64_t asked_ms = run->statement.on_result(run->statement.context, fine ? result : NULL);
        wait_ms = asked_ms < 0 ? wait_ms : asked_ms;
    }
    if (fine && (run->changed || run->notified || wait_ms == 0))
        start(run);
    else
        sw_timer_start(run->timer, sw_now_ms() + wait_ms);
}

static void start(void *context)
{
    sw_periodic_run *run = context;
    sw_sql sql;
    sw_error error; /* out of memory: tried again later */
    sw_arena_reset(run->arena);
    sw_sql_init(&sql, run->arena);
    sw_sql_add(&sql, run->changed ? run->statement.sql_on_change : run->statement.sql);
    run->work = (sw_work){.done = done};
    run->running = run->store->serving && bind_argument(run, &sql) &&
                   sw_pool_submit(run->store->pool, &run->work, SW_LANE_CONTROL, &sql, &error) == SW_OK;
    if (!run->running) { /* the next run learns of the change or the NOTIFY */
        sw_timer_start(run->timer, sw_now_ms() + run->statement.every_ms);
        return;
    }
    run->changed = run->notified = false;
    sw_timer_stop(run->timer);
}

void sw_periodic_wake_all(sw_periodic_run *run, bool by_us)
{
    for (; run; run = run->next) {
        if (by_us ? !run->statement.sql_on_change : !run->statement.channel)
            continue;
        *(by_us ? &run->changed : &run->notified) = true;
        if (!run->running)
            start(run);
    }
}

sw_code sw_store_add_periodic(sw_store *store, const sw_periodic *periodic, sw_error *error)
{
    sw_periodic_run *run = calloc(1, sizeof(*run));
    if (!run)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    *run = (sw_periodic_run){.store = store, .next = store->periodic, .statement = *periodic};
    store->periodic = run;
    run->arena = sw_arena_new(0);
    run->timer = sw_loop_timer(store->loop, start, run);
    if (!run->arena || !run->timer)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    if (periodic->channel)
        sw_pool_listen(store->pool, periodic->channel);
    sw_timer_start(run->timer, sw_now_ms() + periodic->every_ms);
    return SW_OK;
}

void sw_periodic_destroy_all(sw_periodic_run **all)
{
    for (sw_periodic_run *run; (run = *all);) {
        *all = run->next;
        sw_timer_destroy(&run->timer);
        sw_arena_destroy(&run->arena);
        free(run);
    }
}
