/* Health of a process and of its services: Check, and Watch with its watchers. Used by
 * rpc/builtin.c. */
#ifndef SW_RPC_HEALTH_H
#define SW_RPC_HEALTH_H

#include "rpc/builtin.h"

typedef struct sw_health sw_health;

/* `options` must outlive it. */
sw_code sw_health_new(sw_dispatch *dispatch, const sw_builtin_options *options, sw_health **health,
                      sw_error *error);
void sw_health_destroy(sw_health **health);
/* Sends the health to each watcher whose service has changed. */
void sw_health_changed(sw_health *health);
/* Ends every watch with UNAVAILABLE: the process drains. */
void sw_health_end_watches(sw_health *health);

#endif
