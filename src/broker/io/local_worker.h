/* The broker's own services: Health, Reflection, Stats, Drain and Trace. To the core they are a
 * worker like others, whose calls go to an rpc dispatch instead of a socket. Used by carry_out.c
 * and broker.c. */
#ifndef SW_BROKER_LOCAL_WORKER_H
#define SW_BROKER_LOCAL_WORKER_H

#include "broker/core/core.h"
#include "broker/io/body.h"
#include "rpc/builtin.h"
#include "rpc/transport.h"

typedef struct sw_local_worker {
    sw_transport transport; /* first: dispatch hands it back */
    sw_core *core;
    sw_body_pool *pool;
    sw_dispatch *dispatch;
    sw_builtin *builtin;
    uint32_t worker;     /* the core's number */
    int64_t now_us;      /* of the last event */
    uint64_t epoch;      /* of the core, when watchers of Health were last notified */
    int64_t drain_in_ms; /* the time that a call of Drain gave; -1: no such call */
    const char **names;  /* of the last answer to `services` */
    size_t name_room;
} sw_local_worker;

/* Registers with the core. INVALID_ARGUMENT if `instance` cannot be a name, RESOURCE_EXHAUSTED when
 * out of memory. */
sw_code sw_local_worker_open(sw_local_worker *local, sw_core *core, sw_body_pool *pool, const char *instance,
                             int64_t now_us, sw_error *error);
/* Adds a counter to Stats. Name and value must outlive the worker. False when out
 * of memory. */
bool sw_local_worker_add_counter(sw_local_worker *local, const char *name, const uint64_t *value);
/* Accepts a worker of zeros. */
void sw_local_worker_close(sw_local_worker *local);
/* REQUEST (with its handover), CANCEL or CREDIT for the broker itself. The body is borrowed. */
void sw_local_worker_carry_out(sw_local_worker *local, const sw_action *action, const sw_handover *handover,
                               int64_t now_us);
/* Once per round: notifies watchers of Health about changes, and ends calls whose time is over. */
void sw_local_worker_idle(sw_local_worker *local, int64_t now_us);
/* When sw_local_worker_idle has something to do at the latest. */
int64_t sw_local_worker_next_ms(const sw_local_worker *local);
/* True once after a call of Drain, when its reply is on its way; *time_ms is what the call gave,
 * 0: nothing. */
bool sw_local_worker_take_drain(sw_local_worker *local, int64_t *time_ms);

#endif
