/* Whether the store can serve: the schema fits, and a lane of each kind is up. It reports this to
 * the service (engine.h). */
#include "store/engine.h"
#include <stdio.h>
#include <string.h>

void sw_store_report(sw_store *store)
{
    bool up = true;
    for (int kind = 0; kind < SW_LANE_CONTROL; kind++)
        up &= sw_pool_is_up(store->pool, (sw_lane_kind)kind);
    bool serving = store->ready && up;
    char reason[sizeof(store->reason)] = "";
    if (!up && *sw_pool_reason(store->pool))
        snprintf(reason, sizeof(reason), "no connection to the database: %s", sw_pool_reason(store->pool));
    else if (!up)
        snprintf(reason, sizeof(reason), SW_STORE_CONNECTING);
    else if (!store->ready)
        snprintf(reason, sizeof(reason), "%s", *store->reason ? store->reason : SW_STORE_LOOKING);
    if (store->reported && serving == store->serving && strcmp(reason, store->last_reason) == 0)
        return;
    store->reported = true;
    store->serving = serving;
    memcpy(store->last_reason, reason, sizeof(reason));
    if (store->on_serving)
        store->on_serving(store->context, serving, reason);
}
