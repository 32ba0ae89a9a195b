/* What pool.c shares with pool_servers.c. */
#ifndef SW_STORE_POOL_PRIVATE_H
#define SW_STORE_POOL_PRIVATE_H

#include "store/pg/fair.h"
#include "store/pg/pool.h"

struct sw_pool {
    sw_loop *loop;
    sw_pool_options options;
    char *conninfo;
    sw_places places;
    sw_resolver *resolver;
    sw_server_state newest; /* the newest timeline that is known of the database; `standby` is unused */
    char no_writes[256];    /* why a lane for changes could not use its last server, or "" */
    int64_t no_writes_ms;   /* since when */
    uint64_t connects;
    sw_statements *statements;
    sw_statement *enter;
    sw_lane **lanes[SW_LANE_KINDS];
    sw_queue queues[SW_LANE_KINDS]; /* that of SW_LANE_LIST is always empty */
    sw_fair lists;
    sw_timer *timer;
    bool ticking;
    int inquiries; /* that have not been answered */
    char reason[256];
};

/* --- pool_servers.c --- */
/* Why a lane may not use the server that it has connected to; NULL if it may. */
const char *sw_pool_on_greeted(void *context, const sw_lane *lane, const sw_server_state *server);
/* Takes down the lanes on servers that another one has replaced. */
void sw_pool_follow(sw_pool *pool);
/* Lanes that wait before they connect again do so now. */
void sw_pool_hurry(sw_pool *pool);

#endif
