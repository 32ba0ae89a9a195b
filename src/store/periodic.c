/* Periodic statements, which a service runs by itself: to end deployments whose runner is lost, or
 * to publish events. The service's main registers them (store.h). */
#include "base/clock.h"
#include "base/error.h"
#include "store/engine.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    uint64_t runs, failures;
    int in_a_row; /* failures since the last success */
    bool failing;
    int64_t succeeded_us;
    char error[160];
} sw_periodic_run;

enum { FAILING = 2 }; /* failures in a row; one may be a restart of the database */

static void start(sw_periodic_run *run);

/* --- How it fares --- */

static void set_failing(sw_periodic_run *run, bool failing)
{
    run->failing = failing;
    run->store->report(run->store);
}

static void note_failure(sw_periodic_run *run, const PGresult *result)
{
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    run->failures++;
    run->in_a_row++;
    snprintf(run->error, sizeof(run->error), "%.*s", (int)(text ? strcspn(text, "\n") : 0), text ? text : "");
    if (run->in_a_row >= FAILING)
        set_failing(run, true);
}

static void note_success(sw_periodic_run *run)
{
    run->in_a_row = 0;
    run->succeeded_us = sw_wall_us();
    run->error[0] = '\0';
    if (run->failing)
        set_failing(run, false);
}

static void note_stall(sw_periodic_run *run)
{
    snprintf(run->error, sizeof(run->error), "it has not ended for %d s", SW_PERIODIC_STALL_MS / 1000);
    set_failing(run, true);
}

void sw_periodic_explain(const sw_periodic_run *run, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (; run && used < size; run = run->next)
        if (run->failing)
            used +=
                (size_t)snprintf(text + used, size - used, "%s%s: %s",
                                 used ? "; " : "background work fails: ", run->statement.name, run->error);
}

bool sw_store_each_work(const sw_store *store, const void **at, sw_work_view *view)
{
    const sw_periodic_run *run = *at ? ((const sw_periodic_run *)*at)->next : store->periodic;
    *at = run;
    if (run)
        *view = (sw_work_view){.name = run->statement.name,
                               .runs = run->runs,
                               .failures = run->failures,
                               .failing = run->failing,
                               .error = run->failing ? run->error : "",
                               .succeeded_us = run->succeeded_us};
    return run != NULL;
}

/* --- Running it --- */

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
    run->runs += result != NULL;
    if (fine)
        note_success(run);
    else if (result) /* without one, the connection was lost */
        note_failure(run, result);
    if (run->statement.on_result) {
        int64_t asked_ms = run->statement.on_result(run->statement.context, fine ? result : NULL);
        wait_ms = asked_ms < 0 ? wait_ms : asked_ms;
    }
    if (fine && (run->changed || run->notified || wait_ms == 0))
        start(run);
    else
        sw_timer_start(run->timer, sw_now_ms() + wait_ms);
}

static void on_timer(void *context)
{
    sw_periodic_run *run = context;
    if (run->running)
        note_stall(run);
    else
        start(run);
}

static void start(sw_periodic_run *run)
{
    sw_sql sql;
    sw_error error; /* out of memory: tried again later */
    sw_arena_reset(run->arena);
    sw_sql_init(&sql, run->arena);
    sw_sql_add(&sql, run->changed ? run->statement.sql_on_change : run->statement.sql);
    run->work = (sw_work){.done = done};
    run->running = run->store->serving && sw_pool_is_up(run->store->pool, SW_LANE_WRITE) &&
                   bind_argument(run, &sql) &&
                   sw_pool_submit(run->store->pool, &run->work, SW_LANE_CONTROL, &sql, &error) == SW_OK;
    if (!run->running) { /* the next run learns of the change or the NOTIFY */
        sw_timer_start(run->timer, sw_now_ms() + run->statement.every_ms);
        return;
    }
    run->changed = run->notified = false;
    sw_timer_start(run->timer, sw_now_ms() + SW_PERIODIC_STALL_MS);
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
    run->timer = sw_loop_timer(store->loop, on_timer, run);
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
