/* Stats.GetStats: counts since the start of the process. Used by rpc/builtin.c. */
#ifndef SW_RPC_STATS_H
#define SW_RPC_STATS_H

#include "rpc/builtin.h"

typedef struct sw_stats sw_stats;

/* `options` must outlive it. */
sw_code sw_stats_new(sw_dispatch *dispatch, const sw_builtin_options *options, sw_stats **stats,
                     sw_error *error);
void sw_stats_destroy(sw_stats **stats);
bool sw_stats_add_counter(sw_stats *stats, const char *name, const uint64_t *value);

#endif
