/* The core's state, shared by the files of this folder alone. They call downwards only: core; client, liveness;
 * worker; dispatch; service; call; queue, action. */
#ifndef SW_BROKER_STATE_H
#define SW_BROKER_STATE_H

#include "base/deadline.h"
#include "base/slab.h"
#include "broker/core/core.h"
#include "broker/core/wheel.h"

typedef enum {
    SW_CALL_NEW,       /* accepted, not placed yet */
    SW_CALL_QUEUED,    /* waits for a worker */
    SW_CALL_RUNNING,   /* handed to a worker */
    SW_CALL_ABANDONED, /* answered by the broker, or its client is gone; the worker still holds a place for it
                        */
    SW_CALL_DONE,
    SW_CALL_STATES
} sw_call_state;

typedef struct sw_core_call {
    sw_slot slot;
    uint64_t call_id;
    int64_t arrived_us, deadline_us;
    void *body; /* while NEW or QUEUED */
    sw_wheel_node timer;
    uint32_t client, worker, service, queue; /* SW_NONE where there is none */
    uint32_t next, previous;                 /* among the calls of its queue, or of its worker */
    uint32_t client_next, client_previous;   /* among the calls of its client */
    uint32_t bytes;
    uint16_t credit;       /* messages that the client still takes */
    uint16_t granted;      /* while QUEUED: credit that came after the call */
    uint16_t first_credit; /* in its header */
    uint8_t state, framing;
    bool cancelled; /* the worker was told */
} sw_core_call;

/* The calls of one client that wait for one service. It exists while there are some. */
typedef struct sw_core_queue {
    sw_slot slot;
    uint32_t client, service;
    uint32_t head, tail;                   /* calls */
    uint32_t ring_next, ring_previous;     /* queues of the service, a ring */
    uint32_t client_next, client_previous; /* queues of the client */
} sw_core_queue;

typedef struct sw_core_client {
    sw_slot slot;
    void *token;
    uint32_t calls, queues; /* first of each, or SW_NONE */
    uint32_t queued;
    uint64_t queued_bytes;
} sw_core_client;

typedef enum {
    SW_WORKER_NEW,
    SW_WORKER_READY,
    SW_WORKER_DRAINING,
    SW_WORKER_GONE,
    SW_WORKER_STATES
} sw_worker_state;

typedef struct sw_core_worker {
    sw_slot slot;
    void *token;
    uint32_t calls; /* first of those it runs, or SW_NONE */
    uint32_t capacity, in_flight;
    uint32_t cursor; /* service to look at first when there is room */
    int64_t seen_us, sent_us;
    uint64_t total;
    uint32_t services[SW_HELLO_SERVICES + 2]; /* `@instance` among them */
    uint32_t service_count;
    uint8_t state;
    bool rpc, compact, local;
    char instance[SW_INSTANCE_MAX + 1];
    char version[SW_VERSION_MAX + 1];
} sw_core_worker;

typedef struct sw_core_service {
    sw_slot slot;
    uint32_t hash;
    uint32_t *workers; /* those that serve it, draining ones too */
    uint32_t worker_count, worker_room, rpc_workers;
    uint32_t cursor; /* worker to look at first: ties go round */
    uint32_t ring;   /* queue whose turn it is, or SW_NONE */
    uint32_t queued, in_flight;
    uint64_t queued_bytes, total;
    bool known;    /* had a worker once */
    bool instance; /* `@name` */
    bool local;
    uint32_t name_size;
    char name[SW_NAME_MAX + 1];
} sw_core_service;

typedef struct sw_actions {
    sw_action *items;
    size_t first, count, room;
} sw_actions;

struct sw_core {
    sw_core_config config;
    uint64_t secret;
    int64_t start_us, tick_us, liveness_us; /* liveness_us: when to look at the workers again */
    bool in_grace, draining;
    uint32_t queued, in_flight, local_in_flight;
    uint64_t queued_bytes, epoch;
    sw_slab calls, queues, clients, workers, services;
    sw_hash_table call_ids, service_names;
    sw_wheel wheel;
    sw_actions to_clients, to_workers;
    sw_core_counters counters;
};

static inline sw_core_call *sw_core_call_at(const sw_core *core, uint32_t index)
{
    return sw_slab_at(&core->calls, index);
}
static inline sw_core_client *sw_core_client_at(const sw_core *core, uint32_t index)
{
    return sw_slab_at(&core->clients, index);
}
static inline sw_core_worker *sw_core_worker_at(const sw_core *core, uint32_t index)
{
    return sw_slab_at(&core->workers, index);
}
static inline sw_core_service *sw_core_service_at(const sw_core *core, uint32_t index)
{
    return sw_slab_at(&core->services, index);
}
static inline sw_core_queue *sw_core_queue_at(const sw_core *core, uint32_t index)
{
    return sw_slab_at(&core->queues, index);
}

static inline sw_view sw_core_service_view_of(const sw_core *core, uint32_t index)
{
    const sw_core_service *service = sw_core_service_at(core, index);
    return (sw_view){service->name, service->name_size};
}

/* --- call.c --- */

/* Moves a call between states, and everything that hangs on it: queue, worker, timer, counts. The only
 * function that changes a call's state. To RUNNING: `worker` says whose. After DONE the slot is free. */
void sw_core_call_move(sw_core *core, uint32_t index, sw_call_state to, uint32_t worker, int64_t now_us);
/* The number of a call's slot in its route and back; SW_NONE for a route that names no call (any more). */
uint64_t sw_core_route_of(const sw_core *core, uint32_t index);
uint32_t sw_core_call_of(const sw_core *core, uint64_t route);
/* SW_NONE if the client has no such call. */
uint32_t sw_core_call_find(const sw_core *core, uint32_t client, uint64_t call_id);
/* A NEW call of the request; SW_NONE when out of memory. */
uint32_t sw_core_call_new(sw_core *core, const sw_core_request *request, uint32_t service, int64_t now_us);
/* The broker's own reply to a call's client, if it still has one and can be told. The body is given up. */
void sw_core_call_answer(sw_core *core, uint32_t index, sw_answer answer, int64_t now_us);
/* Takes a call from its client, as if the client had never sent it: for ABANDONED and DONE. */
void sw_core_call_forget_client(sw_core *core, uint32_t index);
/* Cancels what runs: tells the worker, and abandons the call. */
void sw_core_call_abandon(sw_core *core, uint32_t index, int64_t now_us);

/* --- queue.c --- */

/* False if a bound is reached, which *answer tells then. */
bool sw_core_queue_admits(const sw_core *core, uint32_t client, uint32_t service, size_t bytes,
                          sw_answer *answer);
/* Only sw_core_call_move uses these two. The call's queue is ensured. */
void sw_core_queue_add(sw_core *core, uint32_t index);
void sw_core_queue_remove(sw_core *core, uint32_t index);
/* The call whose turn it is; SW_NONE if none waits. It stays in its queue; the turn passes to the next
 * client. */
uint32_t sw_core_queue_next(sw_core *core, sw_core_service *service);
/* A place for a call in its client's queue of the service: false when out of memory. */
bool sw_core_queue_ensure(sw_core *core, uint32_t index);

/* --- service.c --- */

uint32_t sw_core_service_find(const sw_core *core, sw_view name);
/* Finds or adds, for a worker or for a request; SW_NONE if there are too many: requests leave half of the room to workers. */
uint32_t sw_core_service_need(sw_core *core, sw_view name, bool worker);
bool sw_core_service_join(sw_core *core, uint32_t service, uint32_t worker);
void sw_core_service_leave(sw_core *core, uint32_t service, uint32_t worker);
/* The worker with the lowest share of its capacity in use, SW_NONE if all are full. */
uint32_t sw_core_service_pick(sw_core *core, sw_core_service *service);
/* Whether a worker is there that takes calls, full or not. */
bool sw_core_service_is_live(const sw_core *core, const sw_core_service *service);
/* Answers RPC calls that wait for services that never appeared. */
void sw_core_service_end_grace(sw_core *core, int64_t now_us);
/* Answers everything that waits for a service. */
void sw_core_service_flush(sw_core *core, uint32_t service, sw_answer answer, int64_t now_us);
/* Forgets what no worker registered and no call names (any more). */
void sw_core_service_sweep(sw_core *core);

/* --- dispatch.c --- */

/* Hands a call to a worker with room. */
void sw_core_hand(sw_core *core, uint32_t index, uint32_t worker, int64_t now_us);
/* Hands what waits for a service to workers with room. */
void sw_core_dispatch(sw_core *core, uint32_t service, int64_t now_us);
/* The same for all services of a worker that has room again. */
void sw_core_dispatch_worker(sw_core *core, uint32_t worker, int64_t now_us);

/* --- worker.c --- */

/* Disconnects a worker: the core's own decision. */
void sw_core_worker_dismiss(sw_core *core, uint32_t worker, int64_t now_us);

/* --- liveness.c --- */

/* Sends heartbeats, dismisses silent workers, and notes when to look again (core->liveness_us). */
void sw_core_liveness(sw_core *core, int64_t now_us);

/* --- action.c --- */

/* A new action, zeroed, at the end of its list. Out of memory ends the process: a lost action would break the
 * promise that every call is answered. */
sw_action *sw_core_act(sw_core *core, sw_action_kind kind);
/* The same for a worker, addressed and in its framing. */
sw_action *sw_core_act_worker(sw_core *core, sw_action_kind kind, sw_core_worker *worker, int64_t now_us);

#endif
