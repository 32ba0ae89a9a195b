/* What a call is, inside rpc/: serve.c makes it, call.c is what handlers do with it, calls.c finds it
 * again. */
#ifndef SW_RPC_CALL_H
#define SW_RPC_CALL_H

#include "rpc/transport.h"

#define SW_LATENCY_BUCKETS 40

/* A method with its handler, and what became of its calls. */
typedef struct sw_method_entry {
    sw_method method;
    const ProtobufCMethodDescriptor *descriptor;
    char *path; /* `/package.Service/Method` */
    size_t path_size;
    uint64_t calls, codes[SW_CODE_COUNT], latency[SW_LATENCY_BUCKETS], total_us, sql_us;
} sw_method_entry;

typedef void sw_call_fn(sw_call *call, void *context);

struct sw_call {
    sw_call *next;            /* in the pool, or in the bucket of calls.c */
    sw_call *earlier, *later; /* in the list of calls.c */
    size_t place;             /* in the heap of calls.c */
    int64_t expires_ms;       /* key of the heap: deadline_ms, or SW_NEVER once that has passed */
    sw_dispatch *dispatch;
    sw_method_entry *method; /* NULL until it is known */
    sw_transport *transport; /* NULL once it is abandoned */
    sw_route route;          /* the address lives in the arena */
    sw_arena *arena;
    sw_view caller, key;
    int64_t started_us, deadline_ms;
    sw_timing timing;
    uint32_t credit;
    uint32_t trailer_count;
    sw_pair *trailers; /* SW_METADATA_MAX of them once there is one */
    sw_code cancel_code;
    bool in_handler; /* dispatch is still on the stack: it frees the call */
    bool ended;
    bool shared; /* calls.c knows it: it lives longer than its handler's first return */
    sw_call_fn *on_cancel, *on_credit;
    void *cancel_context, *credit_context;
    sw_call_header header; /* last: large, and mostly not used */
};

/* The calls in flight: found by route, ordered by deadline. */
typedef struct sw_calls {
    sw_call **heap; /* by expires_ms */
    size_t count, capacity;
    sw_call **buckets;
    size_t bucket_count; /* a power of two */
    sw_call *first;      /* every call, newest first */
    sw_call *cursor;     /* the next call of a walk over the list, kept right when calls are removed */
} sw_calls;

/* False when out of memory. */
bool sw_calls_add(sw_calls *calls, sw_call *call);
void sw_calls_remove(sw_calls *calls, sw_call *call);
sw_call *sw_calls_find(const sw_calls *calls, const sw_transport *transport, const sw_route *route);
/* Gives the call another key in the heap. */
void sw_calls_move(sw_calls *calls, sw_call *call, int64_t expires_ms);
void sw_calls_clear(sw_calls *calls);

/* The methods of a process and its calls: dispatch.c has the former, serve.c the latter. */
struct sw_dispatch {
    sw_method_entry **methods; /* in the order in which they were added */
    size_t method_count;
    sw_method_entry **table; /* by hash of the path, open addressing, at most half full */
    size_t table_size;
    const char **services; /* names of services with handlers, without the built-in ones */
    size_t service_count;
    sw_calls calls;
    sw_call *pool;
    size_t pool_count;
    size_t payload_max, calls_max;
    uint64_t unknown_methods;
};

/* The method with this path, or NULL. */
sw_method_entry *sw_dispatch_find(const sw_dispatch *dispatch, sw_view path);
/* Frees the calls in flight and in the pool. */
void sw_dispatch_free_calls(sw_dispatch *dispatch);

/* Ends the call for its handler: code CANCELLED or DEADLINE_EXCEEDED. At most once; the call may be gone
 * then. */
void sw_call_cancel(sw_call *call, sw_code code);
/* Gives a call that has ended back to its dispatch. */
void sw_dispatch_release(sw_dispatch *dispatch, sw_call *call);

/* Methods in the order in which they were added. */
size_t sw_dispatch_methods(const sw_dispatch *dispatch, const sw_method_entry *const **methods);
/* Calls that named no method of the process. */
const uint64_t *sw_dispatch_unknown(const sw_dispatch *dispatch);

#endif
