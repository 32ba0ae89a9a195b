/* Whether the store can serve: the schema fits, and a lane of each kind for reads is up. It reports
 * this to the service (engine.h), and what it cannot do although it serves: changes without a
 * primary, and background work that fails. */
#include "base/clock.h"
#include "base/error.h"
#include "store/engine.h"
#include <stdio.h>
#include <string.h>

static bool can_read(const sw_store *store)
{
    bool up = true;
    for (int kind = 0; kind < SW_LANE_WRITE; kind++)
        up &= sw_pool_is_up(store->pool, (sw_lane_kind)kind);
    return up;
}

static bool can_write(const sw_store *store)
{
    return sw_pool_is_up(store->pool, SW_LANE_WRITE);
}

/* Why it does not serve. */
static void fill_reason(const sw_store *store, bool up, char *reason, size_t size)
{
    if (!up && *sw_pool_reason(store->pool))
        snprintf(reason, size, "no connection to the database: %s", sw_pool_reason(store->pool));
    else if (!up)
        snprintf(reason, size, SW_STORE_CONNECTING);
    else
        snprintf(reason, size, "%s", *store->reason ? store->reason : SW_STORE_LOOKING);
}

/* What it cannot do although it serves. */
static void fill_limits(const sw_store *store, bool writes, char *reason, size_t size)
{
    if (!writes)
        snprintf(reason, size, "changes are refused: %s", sw_pool_no_writes(store->pool));
    else
        sw_periodic_explain(store->periodic, reason, size);
}

sw_database sw_store_database(const sw_store *store)
{
    sw_server_state server = sw_pool_server(store->pool);
    return (sw_database){.system = server.system,
                         .timeline = server.timeline,
                         .standby = server.standby,
                         .writable = can_write(store)};
}

static bool is_same(const sw_database *one, const sw_database *other)
{
    return one->system == other->system && one->timeline == other->timeline &&
           one->standby == other->standby && one->writable == other->writable;
}

void sw_store_report(sw_store *store)
{
    bool writes = can_write(store);
    bool up = can_read(store) && (writes || sw_pool_no_writes(store->pool));
    bool serving = store->ready && up;
    char reason[sizeof(store->reason)] = "";
    if (!serving)
        fill_reason(store, up, reason, sizeof(reason));
    else
        fill_limits(store, writes, reason, sizeof(reason));
    sw_database database = sw_store_database(store);
    if (store->reported && serving == store->serving && strcmp(reason, store->last_reason) == 0 &&
        is_same(&database, &store->database))
        return;
    store->database = database;
    store->reported = true;
    store->serving = serving;
    memcpy(store->last_reason, reason, sizeof(reason));
    if (store->on_serving)
        store->on_serving(store->context, serving, reason);
}

void sw_store_note_timeline(sw_store *store, uint64_t system, uint32_t timeline)
{
    sw_pool_note_timeline(store->pool, system, timeline);
}

const uint64_t *sw_store_connects(const sw_store *store)
{
    return sw_pool_connects(store->pool);
}
