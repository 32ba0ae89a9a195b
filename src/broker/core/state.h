/* The core's state, shared by the files of this folder alone. They call downwards only, in this
 * order: core; client, liveness; worker; dispatch; service; call; queue, action. Items are named
 * by their number in a slab. */
#ifndef SW_BROKER_STATE_H
#define SW_BROKER_STATE_H

#include "base/deadline.h"
#include "base/slab.h"
#include "broker/core/core.h"
#include "broker/core/wheel.h"

typedef enum {
    SW_CALL_NEW,     /* accepted, neither queued nor handed over yet */
    SW_CALL_QUEUED,  /* waits for a worker */
    SW_CALL_RUNNING, /* handed to a worker */
    /* answered by the broker, or its client is gone; it still occupies the worker */
    SW_CALL_ABANDONED,
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
    uint16_t credit;       /* messages that the client still accepts */
    uint16_t granted;      /* while QUEUED: credit that arrived after the call */
    uint16_t first_credit; /* in its header */
    uint8_t state, framing;
    bool cancelled; /* the worker has been notified */
    bool elsewhere; /* the client can go to another broker */
} sw_core_call;

/* The calls of one client that wait for one service. It exists only while there are any. */
typedef struct sw_core_queue {
    sw_slot slot;
    uint32_t client, service;
    uint32_t head, tail;                   /* calls, in order of arrival */
    uint32_t ring_next, ring_previous;     /* the ring of the service's queues */
    uint32_t client_next, client_previous; /* the list of the client's queues */
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
    uint32_t calls; /* first of the calls that it runs, or SW_NONE */
    uint32_t capacity, in_flight;
    uint32_t cursor; /* index of the service to look at first when it has room */
    /* when it last sent something, and when something was last sent to it */
    int64_t seen_us, sent_us;
    uint64_t total;                           /* calls handed to it */
    uint32_t services[SW_HELLO_SERVICES + 2]; /* including `@instance` */
    uint32_t service_count;
    uint8_t state;
    bool rpc, compact, local;
    bool reserve;      /* said so in its hello */
    bool behind;       /* uses an older timeline of its database than another worker has */
    uint32_t timeline; /* of `database` */
    uint64_t database; /* or 0 */
    char instance[SW_INSTANCE_MAX + 1];
    char version[SW_VERSION_MAX + 1];
} sw_core_worker;

typedef struct sw_core_service {
    sw_slot slot;
    uint32_t hash;
    uint32_t *workers; /* that serve it, including draining ones */
    uint32_t worker_count, worker_room, rpc_workers;
    uint32_t cursor; /* index of the worker to look at first, so that ties go round */
    uint32_t ring;   /* the queue whose turn it is, or SW_NONE */
    uint32_t queued, in_flight;
    uint64_t queued_bytes, total;
    bool known;    /* has had a worker */
    bool instance; /* `@name` */
    bool local;
    uint32_t name_size;
    char name[SW_NAME_MAX + 1];
} sw_core_service;

#define SW_CORE_DATABASES 16 /* remembered; the one that was new first goes first */

/* The newest timeline of a database that a worker has named. It is remembered when that worker is
 * gone: the server that it replaced must not be written to even then. */
typedef struct sw_core_database {
    uint64_t database;
    uint32_t timeline;
} sw_core_database;

typedef struct sw_actions {
    sw_action *items;
    size_t first, count, room;
} sw_actions;

struct sw_core {
    sw_core_config config;
    uint64_t secret;
    int64_t start_us, tick_us, liveness_us; /* liveness_us: when to check the workers again */
    bool in_grace, draining;
    uint32_t queued, in_flight, local_in_flight;
    uint64_t queued_bytes, epoch;
    sw_slab calls, queues, clients, workers, services;
    sw_hash_table call_ids, service_names;
    sw_core_database databases[SW_CORE_DATABASES];
    uint32_t database_next; /* to be replaced next */
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
static inline bool sw_core_worker_is_reserve(const sw_core_worker *worker)
{
    return worker->reserve || worker->behind;
}
static inline sw_core_service *sw_core_service_at(const sw_core *core, uint32_t index)
{
    return sw_slab_at(&core->services, index);
}
static inline sw_core_queue *sw_core_queue_at(const sw_core *core, uint32_t index)
{
    return sw_slab_at(&core->queues, index);
}

static inline sw_view sw_core_service_name(const sw_core *core, uint32_t index)
{
    const sw_core_service *service = sw_core_service_at(core, index);
    return (sw_view){service->name, service->name_size};
}

/* --- call.c --- */

/* Moves a call between states, with everything that depends on its state: queue, worker, timer,
 * counts. Only this function changes a call's state. `worker` counts for RUNNING. After DONE the
 * slot is free. */
void sw_core_call_move(sw_core *core, uint32_t index, sw_call_state to, uint32_t worker, int64_t now_us);
/* A call's route, and the call of a route: SW_NONE if there is none or it has ended. */
uint64_t sw_core_call_route(const sw_core *core, uint32_t index);
uint32_t sw_core_call_by_route(const sw_core *core, uint64_t route);
/* SW_NONE if the client has no such call. */
uint32_t sw_core_call_find(const sw_core *core, uint32_t client, uint64_t call_id);
/* Makes a NEW call from a request; SW_NONE when out of memory. */
uint32_t sw_core_call_new(sw_core *core, const sw_core_request *request, uint32_t service, int64_t now_us);
/* Sends the broker's own answer to a call's client, if it still has one that understands it.
 * Frees the body. */
void sw_core_call_answer(sw_core *core, uint32_t index, sw_answer answer, int64_t now_us);
/* Detaches a call from its client, which may use its call_id again: for ABANDONED and DONE. */
void sw_core_call_forget_client(sw_core *core, uint32_t index);
/* Sends CANCEL to the worker and abandons the call. */
void sw_core_call_abandon(sw_core *core, uint32_t index, int64_t now_us);

/* --- queue.c --- */

/* False if a bound is reached; *answer says which. */
bool sw_core_queue_admits(const sw_core *core, uint32_t client, uint32_t service, size_t bytes,
                          sw_answer *answer);
/* Only sw_core_call_move uses these two. The call has a queue. */
void sw_core_queue_add(sw_core *core, uint32_t index);
void sw_core_queue_remove(sw_core *core, uint32_t index);
/* The call whose turn it is; SW_NONE if none waits. It stays in its queue; the next client has
 * its turn. */
uint32_t sw_core_queue_next(sw_core *core, sw_core_service *service);
/* Gives a call its client's queue for the service, made if needed: false when out of memory. */
bool sw_core_queue_find_or_add(sw_core *core, uint32_t index);

/* --- service.c --- */

uint32_t sw_core_service_find(const sw_core *core, sw_view name);
/* For a worker or for a request; SW_NONE if there are too many. Requests leave half of the room
 * to workers. */
uint32_t sw_core_service_find_or_add(sw_core *core, sw_view name, bool worker);
bool sw_core_service_join(sw_core *core, uint32_t service, uint32_t worker);
void sw_core_service_leave(sw_core *core, uint32_t service, uint32_t worker);
/* The worker that uses the lowest share of its capacity; SW_NONE if all are full. One in reserve
 * counts only if no other takes calls. */
uint32_t sw_core_service_pick(sw_core *core, sw_core_service *service);
/* Whether this worker has to leave calls to others, which are not in reserve. */
bool sw_core_service_spares(const sw_core *core, const sw_core_service *service,
                            const sw_core_worker *worker);
/* Whether it has a worker that takes calls, even if that is full now. */
bool sw_core_service_is_live(const sw_core *core, const sw_core_service *service);
/* The answer for a service that no worker has offered since the start. Our own services exist, so
 * they are only away. */
sw_answer sw_core_answer_unknown(sw_view name);
/* Answers the RPC calls that wait for services that did not appear. */
void sw_core_service_end_grace(sw_core *core, int64_t now_us);
/* If the service has no live worker, answers the calls whose clients can go to another broker. */
void sw_core_service_send_elsewhere(sw_core *core, uint32_t service, int64_t now_us);
/* Answers all calls that wait for a service. */
void sw_core_service_flush(sw_core *core, uint32_t service, sw_answer answer, int64_t now_us);
/* Forgets services that have neither workers nor calls. Some of them stay: see service.c. */
void sw_core_service_sweep(sw_core *core);

/* --- dispatch.c --- */

/* Hands a call to a worker with room. */
void sw_core_call_hand_over(sw_core *core, uint32_t index, uint32_t worker, int64_t now_us);
/* Hands calls that wait for a service to workers with room. */
void sw_core_service_dispatch(sw_core *core, uint32_t service, int64_t now_us);
/* The same for all services of a worker that has room again. */
void sw_core_worker_dispatch(sw_core *core, uint32_t worker, int64_t now_us);

/* --- database.c --- */

/* Notes which database a worker uses, and which workers are behind. */
void sw_core_database_note(sw_core *core, sw_core_worker *worker, uint64_t database, uint32_t timeline);
/* The newest timeline of a worker's database. */
uint32_t sw_core_database_newest(const sw_core *core, const sw_core_worker *worker);

/* --- worker.c --- */

/* Disconnects a worker by the core's own decision. */
void sw_core_worker_dismiss(sw_core *core, uint32_t worker, int64_t now_us);

/* --- liveness.c --- */

/* Sends heartbeats, dismisses silent workers, and notes when to look again (core->liveness_us). */
void sw_core_check_liveness(sw_core *core, int64_t now_us);

/* --- action.c --- */

/* A new action, zeroed, at the end of its list. Out of memory ends the process: a lost action
 * would break the promise that every call is answered. */
sw_action *sw_core_action_add(sw_core *core, sw_action_kind kind);
/* The same, addressed to a worker and in its framing. */
sw_action *sw_core_action_add_for(sw_core *core, sw_action_kind kind, sw_core_worker *worker, int64_t now_us);

#endif
