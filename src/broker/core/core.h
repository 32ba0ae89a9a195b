/* The broker's core: which clients and workers are connected, which calls wait and run, and what
 * follows from each event. It is pure: events go in, actions come out, and it uses no socket, clock
 * or log, so unit tests can simulate whole clusters. Bodies of messages are opaque tokens that pass
 * through it. Used by the files of io/ and auth/. One thread.
 *
 * Every event may add actions. The caller carries them out (sw_core_next_action) before it frees
 * what a peer's token points to. docs/protocol.md has the rules that the core keeps. */
#ifndef SW_BROKER_CORE_H
#define SW_BROKER_CORE_H

#include "base/hash_table.h"
#include "wire/header.h"

typedef struct sw_core sw_core;

#define SW_INSTANCE_MAX   128   /* bytes of an instance's name */
#define SW_VERSION_MAX    32    /* bytes of a worker's version */
#define SW_NAME_MAX       255   /* bytes of a service's name */
#define SW_HELLO_SERVICES 64    /* services of one worker */
#define SW_CREDIT_MAX     65535 /* messages of a stream that may be outstanding */
#define SW_CAPACITY_MAX   65535 /* calls that a worker runs at once */

typedef struct sw_core_config {
    /* Between heartbeats to workers. An RPC worker that is silent for four of these is lost. */
    int64_t heartbeat_ms;
    int64_t plain_silence_ms; /* an idle plain MDP worker is lost after this silence */
    int64_t grace_ms;         /* after the start, calls wait this long for unknown services */
    int64_t time_default_ms;  /* time limit of a call that names none */
    int64_t time_max_ms;      /* longest time limit of a call */
    int64_t late_ms;          /* a reply may arrive this long after the deadline */
    /* How long a call that the broker answered for its worker still occupies that worker. */
    int64_t abandoned_ms;
    int64_t plain_wait_ms; /* a plain MDP request waits this long for a worker */
    /* Bounds of the queues: per service, per client, in all. */
    uint32_t service_calls, client_calls, calls;
    uint64_t service_bytes, client_bytes, bytes;
    uint32_t services, clients, workers; /* bounds of how many are known at once */
} sw_core_config;

extern const sw_core_config sw_core_defaults;

/* How a peer encodes calls and replies. */
typedef enum {
    SW_FRAMING_PLAIN, /* MDP with any body */
    SW_FRAMING_MDP,   /* MDP with the two frames of an RPC body */
    SW_FRAMING_COMPACT
} sw_framing;

/* Answers of the broker itself; io/answer.c has the code and text of each. */
typedef enum {
    SW_ANSWER_BAD_HEADER,
    SW_ANSWER_BAD_CALL_ID,
    SW_ANSWER_BAD_METHOD,
    SW_ANSWER_BAD_REQUEST_ID,
    SW_ANSWER_BAD_FRAME,
    SW_ANSWER_NOT_RPC,
    SW_ANSWER_TOO_LARGE,
    SW_ANSWER_CALL_EXISTS,
    SW_ANSWER_UNKNOWN_SERVICE,
    SW_ANSWER_UNREGISTERED,
    SW_ANSWER_ELSEWHERE,
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
    SW_ACTION_DISCARD,    /* only free `body` */
    SW_ACTION_REPLY,      /* to a client: a worker's message */
    SW_ACTION_ANSWER,     /* to a client: the broker's own status; also free `body` */
    SW_ACTION_REQUEST,    /* to a worker: a call */
    SW_ACTION_CANCEL,     /* to a worker */
    SW_ACTION_CREDIT,     /* to a worker */
    SW_ACTION_HEARTBEAT,  /* to a worker */
    SW_ACTION_DISCONNECT, /* to a worker, which the core has forgotten */
} sw_action_kind;

typedef struct sw_action {
    uint8_t kind;                    /* sw_action_kind */
    uint8_t framing;                 /* of the receiver; never PLAIN for an RPC worker */
    bool rpc;                        /* REQUEST, CANCEL, CREDIT: the worker is an RPC worker */
    bool final;                      /* REPLY */
    uint8_t answer;                  /* sw_answer */
    uint32_t credit;                 /* CREDIT */
    uint32_t queue_us, time_left_ms; /* REQUEST; ANSWER has queue_us */
    void *peer;                      /* token of the client or worker */
    void *body;                      /* owned by whoever carries out the action */
    void *caller;                    /* REQUEST: token of the client */
    uint64_t call_id;
    /* Identifies the call to a worker; 0 if the call was never accepted. The low 32 bits number the
     * call's place: they never exceed the most calls that there were at once. */
    uint64_t route;
    uint32_t worker; /* REQUEST: the worker's number */
    /* REQUEST: not 0 if the worker uses an older timeline of its database than this one */
    uint64_t database;
    uint32_t timeline;
    /* as the client named it; valid until the next sw_core_tick, or as long as `body` */
    sw_view service;
} sw_action;

/* A request as it was received. */
typedef struct sw_core_request {
    uint32_t client;
    sw_framing framing;
    uint64_t call_id; /* 0 for a plain one */
    uint32_t time_left_ms, credit;
    bool elsewhere;  /* answer at once if the service has no live worker */
    sw_view service; /* service or `@instance` */
    void *body;
    size_t bytes;
} sw_core_request;

/* How a worker introduces itself with READY. */
typedef struct sw_core_hello {
    bool rpc; /* false: a plain MDP worker; only services[0] counts */
    bool compact;
    bool local;    /* the broker itself, with its own services */
    bool succeeds; /* another worker of the same instance hands over to it */
    sw_view instance, version;
    uint32_t capacity; /* 0: takes no new calls (draining) */
    bool reserve;      /* gets calls only while a service has no other worker */
    uint64_t database; /* that it uses; 0: none, or not known */
    uint32_t timeline; /* of that database */
    size_t service_count;
    sw_view services[SW_HELLO_SERVICES + 1];
} sw_core_hello;

/* NULL when out of memory. `secret` seeds hashes. Times are microseconds on the monotonic clock. */
sw_core *sw_core_new(const sw_core_config *config, uint64_t secret, int64_t now_us);
/* Call it after sw_core_stop and its actions; otherwise the bodies still held are lost. */
void sw_core_destroy(sw_core **core);

/* Takes the next action, those for clients first; false if there is none. */
bool sw_core_next_action(sw_core *core, sw_action *action);
bool sw_core_has_actions(const sw_core *core);

/* --- clients --- */

/* Adds a client and returns its number; SW_NONE if there are too many. */
uint32_t sw_core_client_open(sw_core *core, void *token);
/* Its connection ended: queued calls are dropped, running ones cancelled. Ignores an unknown
 * number. */
void sw_core_client_lost(sw_core *core, uint32_t client, int64_t now_us);
/* The client's call. Takes ownership of the body. Returns the route of a call that waits, so
 * that its body can be packed (sw_core_call_set_body), or 0 if it was handed over or answered. */
uint64_t sw_core_client_request(sw_core *core, const sw_core_request *request, int64_t now_us);
/* Replaces the body of a call that waits. */
void sw_core_call_set_body(sw_core *core, uint64_t route, void *body);
/* Answers a request that never entered the core, and frees its body. */
void sw_core_client_refuse(sw_core *core, const sw_core_request *request, sw_answer answer);
void sw_core_client_cancel(sw_core *core, uint32_t client, uint64_t call_id, int64_t now_us);
void sw_core_client_credit(sw_core *core, uint32_t client, uint64_t call_id, uint32_t credit, int64_t now_us);

/* --- workers --- */

/* Whether a name may be an instance's: 1 to 128 printable characters without spaces. */
bool sw_core_is_instance(sw_view name);
/* READY. *worker is SW_NONE the first time, and the worker's number afterwards. False if the
 * worker is refused: a reserved or malformed name, too many workers or services, no memory. The
 * caller disconnects it then; a worker that was known before is forgotten. */
bool sw_core_worker_ready(sw_core *core, uint32_t *worker, const sw_core_hello *hello, void *token,
                          int64_t now_us);
void sw_core_worker_seen(sw_core *core, uint32_t worker, int64_t now_us);
/* A worker's PARTIAL or FINAL. Takes ownership of the body. False if this worker runs no such
 * call. */
bool sw_core_worker_reply(sw_core *core, uint32_t worker, uint64_t route, bool final, void *body,
                          int64_t now_us);
/* Its connection ended, or it sent DISCONNECT. */
void sw_core_worker_lost(sw_core *core, uint32_t worker, int64_t now_us);
/* A REQUEST could not be sent: the call waits again, with this body. The caller reports the
 * worker as lost next. */
void sw_core_call_undelivered(sw_core *core, uint64_t route, void *body, int64_t now_us);

/* --- time and life --- */

/* Deadlines, heartbeats, liveness. Returns when to call it again; between events,
 * sw_core_next_us does. */
int64_t sw_core_tick(sw_core *core, int64_t now_us);
int64_t sw_core_next_us(const sw_core *core);
/* No new calls, except to the broker itself. */
void sw_core_drain(sw_core *core);
bool sw_core_is_draining(const sw_core *core);
/* Calls that wait or run, except those to the broker itself. */
uint32_t sw_core_in_flight(const sw_core *core);
/* Answers all calls that are left and disconnects the workers. */
void sw_core_stop(sw_core *core, int64_t now_us);

/* --- views, for Health, Stats and mmi.service --- */

/* A live worker serves it and takes new calls. */
bool sw_core_is_serving(const sw_core *core, sw_view service);
/* It has workers, and all of them are RPC workers. */
bool sw_core_is_rpc(const sw_core *core, sw_view service);
/* It has had a worker. */
bool sw_core_is_known(const sw_core *core, sw_view service);
/* Increases when a service or worker comes, goes or changes. */
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
    bool rpc, local, reserve;
    uint64_t calls;
} sw_core_worker_view;
/* Walk through all with *at from 0; false at the end. Instances (`@name`) are not among the
 * services. */
bool sw_core_each_service(const sw_core *core, uint32_t *at, sw_core_service_view *view);
bool sw_core_each_worker(const sw_core *core, uint32_t *at, sw_core_worker_view *view);
/* The worker with that instance name, other than the worker number `but`; false if there is
 * none. */
bool sw_core_find_instance(const sw_core *core, sw_view name, uint32_t but, sw_core_worker_view *view);
/* The worker with that number; false if it has gone. */
bool sw_core_find_worker(const sw_core *core, uint32_t worker, sw_core_worker_view *view);
/* The name of a worker by its number; "" if it has gone. Valid until it goes. */
const char *sw_core_worker_instance(const sw_core *core, uint32_t worker);

/* Calls that a worker has not finished; 0 if there is no such worker. */
uint32_t sw_core_worker_in_flight(const sw_core *core, uint32_t worker);

/* Since the start. */
typedef struct sw_core_counters {
    uint64_t calls;   /* requests that entered the core, including refused ones */
    uint64_t replies; /* final replies of workers, passed on */
    /* plain requests that ended without an answer: MDP has none for errors */
    uint64_t plain_dropped;
    uint64_t stale_replies;      /* replies that belong to no call of their worker */
    uint64_t queue_full;         /* calls refused because a queue was full */
    uint64_t deadlines_exceeded; /* calls whose time was over */
    uint64_t cancelled;          /* calls cancelled by their client, or because it left */
    uint64_t workers_lost;       /* workers lost while they ran calls */
    /* calls ended because their worker sent more than the client's credit */
    uint64_t credit_exceeded;
} sw_core_counters;
const sw_core_counters *sw_core_get_counters(const sw_core *core);

#endif
