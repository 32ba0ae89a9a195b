/* What a service does by itself, for Stats. Used by main.c. */
#ifndef SW_SERVICE_BACKGROUND_H
#define SW_SERVICE_BACKGROUND_H

#include "sitewire/rpc/v1/rpc.pb-c.h"
#include "store/store.h"

/* Adds how each periodic statement of the store fares. Without memory, some are missing. */
void sw_background_add_stats(const sw_store *store, sw_arena *arena, Sw__GetStatsResponse *reply);

#endif
