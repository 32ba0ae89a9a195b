/* Chores: statements that a service runs by itself again and again, such as ending what nobody is responsible for any more,
 * or handing on what calls have left. The service's main registers them (store.h). */
#include "base/clock.h"
#include "base/error.h"
#include "store/engine.h"
#include <stdlib.h>

typedef struct sw_chore {
    sw_work work; /* first, so that `done` finds the chore */
    sw_store *store;
    struct sw_chore *next;
    sw_arena *arena;
    sw_timer *timer;
    sw_repeat repeat;
    bool running;
    bool woken, told; /* since it last began: by a call of ours, by a NOTIFY */
} sw_chore;

static void run(void *context);

static void done(sw_work *work, const PGresult *result)
{
    sw_chore *chore = (sw_chore *)work;
    sw_statement_release(work->statement);
    chore->running = false;
    if (chore->store->closing)
        return;
    int64_t wait_ms = chore->repeat.every_ms;
    bool fine = PQresultStatus(result) == PGRES_TUPLES_OK;
    if (chore->repeat.take) {
        int64_t asked_ms = chore->repeat.take(chore->repeat.context, fine ? result : NULL);
        wait_ms = asked_ms < 0 ? wait_ms : asked_ms;
    }
    if (fine && (chore->woken || chore->told || wait_ms == 0))
        run(chore);
    else
        sw_timer_start(chore->timer, sw_now_ms() + wait_ms);
}

static void run(void *context)
{
    sw_chore *chore = context;
    sw_sql sql;
    sw_arena_reset(chore->arena);
    sw_sql_init(&sql, chore->arena);
    sw_sql_add(&sql, chore->woken ? chore->repeat.woken : chore->repeat.sql);
    chore->work = (sw_work){.done = done};
    chore->woken = chore->told = false;
    chore->running =
        chore->store->serving && sw_pool_submit(chore->store->pool, &chore->work, SW_LANE_CONTROL, &sql);
    if (chore->running)
        sw_timer_stop(chore->timer);
    else
        sw_timer_start(chore->timer, sw_now_ms() + chore->repeat.every_ms);
}

void sw_chores_wake(sw_chore *chore, bool by_us)
{
    for (; chore; chore = chore->next) {
        if (by_us ? !chore->repeat.woken : !chore->repeat.channel)
            continue;
        *(by_us ? &chore->woken : &chore->told) = true;
        if (!chore->running)
            run(chore);
    }
}

sw_code sw_store_repeat(sw_store *store, const sw_repeat *repeat, sw_error *error)
{
    sw_chore *chore = calloc(1, sizeof(*chore));
    if (!chore)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    *chore = (sw_chore){.store = store, .next = store->chores, .repeat = *repeat};
    store->chores = chore;
    chore->arena = sw_arena_new(0);
    chore->timer = sw_loop_timer(store->loop, run, chore);
    if (!chore->arena || !chore->timer)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    if (repeat->channel)
        sw_pool_listen(store->pool, repeat->channel);
    sw_timer_start(chore->timer, sw_now_ms() + repeat->every_ms);
    return SW_OK;
}

void sw_chores_destroy(sw_chore **chores)
{
    for (sw_chore *chore; (chore = *chores);) {
        *chores = chore->next;
        sw_timer_destroy(&chore->timer);
        sw_arena_destroy(&chore->arena);
        free(chore);
    }
}
