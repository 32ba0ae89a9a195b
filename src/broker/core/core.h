/* The broker's core: who is connected, which calls wait and run, and what follows from an event at a time. It
 * is pure: events go in, actions come out, and it touches no socket, clock or log, so that unit tests
 * simulate whole clusters. Bodies of messages are opaque tokens that pass through it. Used by loop.c. One
 * thread.
 *
 * Every event may add actions; the caller carries them out (sw_core_next_action) before it frees what a
 * peer's token points to. docs/protocol.md has the rules that the core keeps. */
#ifndef SW_BROKER_CORE_H
#define SW_BROKER_CORE_H

#include "base/hash_table.h"
#include "wire/header.h"

typedef struct sw_core sw_core;

#define SW_INSTANCE_MAX   128   /* bytes of an instance's name */
#define SW_VERSION_MAX    32    /* bytes of a worker's version */
#define SW_NAME_MAX       255   /* bytes of a service's name */
#define SW_HELLO_SERVICES 64    /* services of one worker */
#define SW_CREDIT_MAX     65535 /* messages of a stream outstanding */
#define SW_CAPACITY_MAX   65535 /* calls that a worker takes at once */

typedef struct sw_core_config {
    int64_t heartbeat_ms; /* between heartbeats to workers; an RPC worker silent for four of them is lost */
    int64_t plain_silence_ms; /* an idle plain MDP worker silent for so long is lost */
    int64_t grace_ms;         /* after the start, in which unknown services may still appear */
    int64_t time_default_ms;  /* time of a call that gives none */
    int64_t time_max_ms;      /* longest time of a call */
    int64_t late_ms;          /* a worker's reply may come so long after the deadline */
    int64_t abandoned_ms;     /* a worker keeps the place of a call that was answered for it so long */
    int64_t plain_wait_ms;    /* a plain MDP request waits so long for a worker */
    uint32_t service_calls, client_calls, calls; /* bounds of queues: of a service, of a client, of all */
    uint64_t service_bytes, client_bytes, bytes;
    uint32_t services, clients, workers; /* how many are known at once */
} sw_core_config;

extern const sw_core_config sw_core_defaults;

/* How a peer writes a call or a reply. */
typedef enum {
    SW_FRAMING_PLAIN, /* MDP with a body that is nobody's business */
    SW_FRAMING_MDP,   /* MDP with the two frames of an RPC body */
    SW_FRAMING_COMPACT
} sw_framing;

/* What the broker says by itself; answer.c has the code and text of each. */
typedef enum {
    SW_ANSWER_BAD_HEADER,
    SW_ANSWER_BAD_CALL_ID,
    SW_ANSWER_BAD_METHOD,
    SW_ANSWER_NOT_RPC,
    SW_ANSWER_TOO_LARGE,
    SW_ANSWER_CALL_EXISTS,
    SW_ANSWER_UNKNOWN_SERVICE,
    SW_ANSWER_NO_INSTANCE,
    SW_ANSWER_NO_WORKER,
    SW_ANSWER_SERVICE_FULL,
    SW_ANSWER_CLIENT_FULL,
    SW_ANSWER_BROKER_FULL,
    SW_ANSWER_EXPIRED_QUEUED,
    SW_ANSWER_EXPIRED_RUNNING,
    SW_ANSWER_WORKER_LOST,
    SW_ANSWER_CANCELLED_QUEUED,
    SW_ANSWER_CANCELLED_RUNNING,
    SW_ANSWER_DRAINING,
    SW_ANSWER_CREDIT,
    SW_ANSWER_BAD_REPLY,
    SW_ANSWER_REFUSED,
    SW_ANSWER_UNCHECKED,
    SW_ANSWER_NOT_ADMIN,
    SW_ANSWER_NO_PROFILE,
    SW_ANSWER_COUNT,
    SW_ANSWER_NONE = SW_ANSWER_COUNT
} sw_answer;

typedef enum {
    SW_ACTION_DISCARD,    /* only give up `body` */
    SW_ACTION_REPLY,      /* to a client: pass on a worker's message */
    SW_ACTION_ANSWER,     /* to a client: the broker's own status; also give up `body` */
    SW_ACTION_REQUEST,    /* to a worker: hand over a call */
    SW_ACTION_CANCEL,     /* to a worker */
    SW_ACTION_CREDIT,     /* to a worker */
    SW_ACTION_HEARTBEAT,  /* to a worker */
    SW_ACTION_DISCONNECT, /* to a worker, which the core has forgotten */
} sw_action_kind;

typedef struct sw_action {
    uint8_t kind;    /* sw_action_kind */
    uint8_t framing; /* of the peer that it is for; a worker's is never PLAIN for an RPC worker */
    bool rpc;        /* REQUEST, CANCEL, CREDIT: the worker is an RPC worker */
    bool final;      /* REPLY */
    uint8_t answer;  /* sw_answer */
    uint32_t credit; /* CREDIT */
    uint32_t queue_us, time_left_ms; /* REQUEST; ANSWER has queue_us */
    void *peer;                      /* token of the client or worker */
    void *body;                      /* belongs to who carries the action out */
    void *caller;                    /* REQUEST: token of the client */
    uint64_t call_id;
    uint64_t route;  /* names the call to a worker */
    sw_view service; /* name that the client asked for; valid until the next sw_core_tick, or in `body` */
} sw_action;

/* A request as it came. */
typedef struct sw_core_request {
    uint32_t client;
    sw_framing framing;
    uint64_t call_id; /* 0 for a plain one */
    uint32_t time_left_ms, credit;
    sw_view service; /* service or `@instance` */
    void *body;
    size_t bytes;
} sw_core_request;

/* What a worker says of itself with READY. */
typedef struct sw_core_hello {
    bool rpc; /* false: a plain MDP worker, of which only services[0] counts */
    bool compact;
    bool local; /* the broker itself, for its own services */
    sw_view instance, version;
    uint32_t capacity; /* 0: takes no new calls */
    size_t service_count;
    sw_view services[SW_HELLO_SERVICES + 1];
} sw_core_hello;

/* NULL when out of memory. `secret` seeds hashes. Times are microseconds of the monotonic clock. */
sw_core *sw_core_new(const sw_core_config *config, uint64_t secret, int64_t now_us);
/* After sw_core_stop and its actions: bodies still held are lost otherwise. */
void sw_core_destroy(sw_core **core);

/* The next action, those for clients first; false if there is none. */
bool sw_core_next_action(sw_core *core, sw_action *action);
bool sw_core_has_actions(const sw_core *core);

/* --- clients --- */

/* A client's number; SW_NONE if there are too many. */
uint32_t sw_core_client_open(sw_core *core, void *token);
/* Its connection ended: queued calls are dropped, running ones cancelled. */
void sw_core_client_lost(sw_core *core, uint32_t client, int64_t now_us);
/* The client's call. Takes over the body. Returns the route of a call that waits, so that its body can be
 * packed (sw_core_hold), or 0 if it was handed over or answered. */
uint64_t sw_core_request_in(sw_core *core, const sw_core_request *request, int64_t now_us);
/* Replaces the body of a call that waits. */
void sw_core_hold(sw_core *core, uint64_t route, void *body);
/* Answers a request that the core never saw, and gives up its body. */
void sw_core_refuse(sw_core *core, const sw_core_request *request, sw_answer answer);
void sw_core_cancel(sw_core *core, uint32_t client, uint64_t call_id, int64_t now_us);
void sw_core_credit(sw_core *core, uint32_t client, uint64_t call_id, uint32_t credit, int64_t now_us);

/* --- workers --- */

/* READY. *worker is SW_NONE the first time, and the worker's number afterwards. False if it cannot be: a
 * reserved or malformed name, too many; the caller disconnects it (a worker known before is forgotten then).
 */
bool sw_core_ready(sw_core *core, uint32_t *worker, const sw_core_hello *hello, void *token, int64_t now_us);
void sw_core_worker_seen(sw_core *core, uint32_t worker, int64_t now_us);
/* A worker's PARTIAL or FINAL. Takes over the body. False if it answers no call of this worker. */
bool sw_core_reply(sw_core *core, uint32_t worker, uint64_t route, bool final, void *body, int64_t now_us);
/* Its connection ended, or it sent DISCONNECT. */
void sw_core_worker_lost(sw_core *core, uint32_t worker, int64_t now_us);
/* A REQUEST could not be sent: the call waits again, with this body. worker_lost follows. */
void sw_core_undelivered(sw_core *core, uint64_t route, void *body, int64_t now_us);

/* --- time and life --- */

/* Deadlines, heartbeats, liveness. Returns when to call it again; sw_core_next_us says it between events. */
int64_t sw_core_tick(sw_core *core, int64_t now_us);
int64_t sw_core_next_us(const sw_core *core);
/* No new calls, save to the broker itself. */
void sw_core_drain(sw_core *core);
bool sw_core_is_draining(const sw_core *core);
/* Calls that wait or run, those to the broker itself excluded. */
uint32_t sw_core_in_flight(const sw_core *core);
/* Answers all that is left and disconnects the workers. */
void sw_core_stop(sw_core *core, int64_t now_us);

/* --- what there is, for Health, Stats and mmi.service --- */

/* A live worker serves it and takes new calls. */
bool sw_core_is_serving(const sw_core *core, sw_view service);
/* Those who serve it now, one at least, are RPC workers. */
bool sw_core_is_rpc(const sw_core *core, sw_view service);
bool sw_core_is_known(const sw_core *core, sw_view service);
/* Goes up when a service or worker comes, goes or changes. */
uint64_t sw_core_epoch(const sw_core *core);

typedef struct sw_core_service_view {
    const char *name;
    uint32_t workers, queued, in_flight;
    uint64_t queued_bytes, calls;
    bool local;
} sw_core_service_view;
typedef struct sw_core_worker_view {
    const char *instance, *version;
    const char *services[SW_HELLO_SERVICES + 1];
    size_t service_count;
    uint32_t capacity, in_flight;
    bool rpc, local;
    uint64_t calls;
} sw_core_worker_view;
/* Walk them with *at from 0; false at the end. Instances (`@name`) are not among the services. */
bool sw_core_each_service(const sw_core *core, uint32_t *at, sw_core_service_view *view);
bool sw_core_each_worker(const sw_core *core, uint32_t *at, sw_core_worker_view *view);

typedef struct sw_core_counters {
    uint64_t calls, replies, plain_dropped, stale_replies, queue_full, deadlines_exceeded, cancelled,
        workers_lost, credit_exceeded;
} sw_core_counters;
const sw_core_counters *sw_core_get_counters(const sw_core *core);

#endif
