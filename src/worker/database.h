/* The database that a process uses, as it tells brokers and Stats (Database in rpc.proto). Used by
 * server.c and exchange.c. */
#ifndef SW_WORKER_DATABASE_H
#define SW_WORKER_DATABASE_H

#include "sitewire/rpc/v1/rpc.pb-c.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct sw_worker_database {
    uint64_t system; /* 0: not connected */
    uint32_t timeline;
    bool standby, writable;
} sw_worker_database;

static inline void sw_worker_database_fill(const sw_worker_database *from, Sw__Database *to)
{
    sw__database__init(to);
    to->has_system = to->has_timeline = to->has_standby = to->has_writable = true;
    to->system = from->system;
    to->timeline = from->timeline;
    to->standby = from->standby;
    to->writable = from->writable;
}

#endif
