/* Chores: statements that a service runs by itself again and again, such as ending what nobody is responsible for any more.
 * The service's main registers them (store.h). */
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
    const char *sql;
    int64_t every_ms;
} sw_chore;

static void done(sw_work *work, const PGresult *result)
{
    (void)result;
    sw_chore *chore = (sw_chore *)work;
    sw_statement_release(work->statement);
    if (!chore->store->closing)
        sw_timer_start(chore->timer, sw_now_ms() + chore->every_ms);
}

static void run(void *context)
{
    sw_chore *chore = context;
    sw_sql sql;
    sw_arena_reset(chore->arena);
    sw_sql_init(&sql, chore->arena);
    sw_sql_add(&sql, chore->sql);
    chore->work = (sw_work){.done = done};
    if (!chore->store->serving || !sw_store_submit(chore->store, &chore->work, SW_LANE_CONTROL, &sql))
        sw_timer_start(chore->timer, sw_now_ms() + chore->every_ms);
}

sw_code sw_store_repeat(sw_store *store, const char *sql, int64_t every_ms, sw_error *error)
{
    sw_chore *chore = calloc(1, sizeof(*chore));
    if (!chore)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    *chore = (sw_chore){.store = store, .next = store->chores, .sql = sql, .every_ms = every_ms};
    store->chores = chore;
    chore->arena = sw_arena_new(0);
    chore->timer = sw_loop_timer(store->loop, run, chore);
    if (!chore->arena || !chore->timer)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    sw_timer_start(chore->timer, sw_now_ms() + every_ms);
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
