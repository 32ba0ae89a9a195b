/* Which server of the database the lanes of a store may use (pool.h): changes go to the primary of
 * the newest timeline alone, and other lanes prefer it. */
#include "base/clock.h"
#include "store/pg/pool_private.h"
#include <stdio.h>

static const char *name_of(const sw_pool *pool, const sw_lane *lane)
{
    const sw_place *place = &pool->places.items[sw_lane_place(lane)];
    return place->host ? place->host : place->hostaddr ? place->hostaddr : "the database";
}

/* Lanes for changes are up on the primary of the newest timeline alone. */
static bool has_primary(const sw_pool *pool)
{
    for (int i = 0; i < pool->options.lanes[SW_LANE_WRITE]; i++)
        if (sw_lane_is_up(pool->lanes[SW_LANE_WRITE][i]))
            return true;
    return false;
}

static bool is_replaced(const sw_pool *pool, const sw_server_state *server)
{
    return server->system == pool->newest.system && server->timeline < pool->newest.timeline;
}

static bool is_inferior(const sw_pool *pool, const sw_server_state *server)
{
    return server->standby || server->system != pool->newest.system || is_replaced(pool, server);
}

/* Lanes for changes and the store's own statements need the primary; others only if reads are not
 * meant for a standby. */
static bool needs_primary(const sw_pool *pool, sw_lane_kind kind)
{
    return kind >= SW_LANE_WRITE || !pool->places.wants_standby;
}

static const char *explain(sw_pool *pool, const sw_lane *lane, const sw_server_state *server)
{
    if (!*pool->no_writes)
        pool->no_writes_ms = sw_now_ms();
    if (server->standby)
        snprintf(pool->no_writes, sizeof(pool->no_writes), "%.128s is a standby, which takes no changes",
                 name_of(pool, lane));
    else
        snprintf(pool->no_writes, sizeof(pool->no_writes),
                 "%.128s is on timeline %u, but %u is known: another server was promoted, stop this one",
                 name_of(pool, lane), server->timeline, pool->newest.timeline);
    return pool->no_writes;
}

const char *sw_pool_on_greeted(void *context, const sw_lane *lane, const sw_server_state *server)
{
    sw_pool *pool = context;
    sw_lane_kind kind = sw_lane_get_kind(lane);
    if (kind == SW_LANE_WRITE && (server->standby || is_replaced(pool, server)))
        return explain(pool, lane, server);
    return has_primary(pool) && is_inferior(pool, server) && needs_primary(pool, kind)
               ? "another server has newer changes"
               : NULL;
}

/* Takes down the lanes on a server that another one has replaced. */
static void leave_old(sw_pool *pool, sw_lane_kind kind)
{
    for (int i = 0; i < pool->options.lanes[kind]; i++) {
        sw_lane *lane = pool->lanes[kind][i];
        sw_server_state server = sw_lane_server(lane);
        if (server.system == 0 || !is_inferior(pool, &server) || !needs_primary(pool, kind))
            continue;
        sw_lane_leave(lane, kind == SW_LANE_WRITE ? explain(pool, lane, &server)
                                                  : "another server has newer changes");
    }
}

void sw_pool_follow(sw_pool *pool)
{
    for (int kind = 0; kind < SW_LANE_KINDS; kind++)
        leave_old(pool, (sw_lane_kind)kind);
}

void sw_pool_hurry(sw_pool *pool)
{
    for (int kind = 0; kind < SW_LANE_KINDS; kind++)
        for (int i = 0; i < pool->options.lanes[kind]; i++)
            sw_lane_hurry(pool->lanes[kind][i]);
}

void sw_pool_note_timeline(sw_pool *pool, uint64_t system, uint32_t timeline)
{
    if (system != pool->newest.system || timeline <= pool->newest.timeline)
        return;
    pool->newest.timeline = timeline;
    leave_old(pool, SW_LANE_WRITE);
}

const char *sw_pool_no_writes(const sw_pool *pool)
{
    return *pool->no_writes ? pool->no_writes : NULL;
}

sw_server_state sw_pool_server(const sw_pool *pool)
{
    static const sw_lane_kind order[] = {SW_LANE_WRITE, SW_LANE_CONTROL, SW_LANE_READ, SW_LANE_LIST};
    sw_server_state server = {0};
    for (size_t k = 0; k < sizeof(order) / sizeof(*order) && server.system == 0; k++)
        for (int i = 0; i < pool->options.lanes[order[k]] && server.system == 0; i++)
            server = sw_lane_server(pool->lanes[order[k]][i]);
    return server;
}

const uint64_t *sw_pool_connects(const sw_pool *pool)
{
    return &pool->connects;
}
