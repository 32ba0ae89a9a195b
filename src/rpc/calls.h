/* The calls of a dispatch: made and kept for reuse, found by route while they are in flight,
 * ordered by deadline. Used by dispatch.c and call.c. */
#ifndef SW_RPC_CALLS_H
#define SW_RPC_CALLS_H

#include "base/heap.h"
#include "rpc/transport.h"

typedef struct sw_calls sw_calls;

struct sw_call {
    sw_calls *calls;
    sw_arena *arena;
    sw_call *earlier, *later; /* in the list of calls in flight; `later`: or of spare ones */
    uint32_t number;          /* in `slots` of sw_calls; SW_NONE while it is not in flight */
    sw_heap_node deadline;
    sw_method_entry *method; /* NULL until it is known */
    sw_transport *transport; /* NULL once it is abandoned */
    sw_route route;          /* the address lives in the arena */
    sw_view caller, key;
    int64_t started_us, deadline_ms;
    sw_timing timing;
    uint32_t credit;
    uint32_t trailer_count;
    sw_pair *trailers; /* SW_METADATA_MAX of them once there is one */
    sw_code cancel_code;
    bool in_handler; /* dispatch is still on the stack: it gives the call back */
    bool ended;
    sw_call_fn *on_cancel, *on_credit;
    void *cancel_context, *credit_context;
    sw_call_header header; /* last, and not cleared for reuse: it is large */
};

/* A call in flight, or the next free slot plus 1 (0: none). */
typedef union sw_call_slot {
    sw_call *call;
    uint32_t next_free;
} sw_call_slot;

/* All zeros has no calls. */
struct sw_calls {
    size_t count;        /* in flight */
    sw_hash_table table; /* routes to slots */
    sw_heap deadlines;   /* SW_NEVER once it has passed */
    sw_call *first;      /* the calls in flight, newest first */
    sw_call *cursor;     /* the next call of a walk over that list; kept right by removals */
    sw_call_slot *slots;
    uint32_t slot_count, slot_capacity; /* slots ever used; slots that there is memory for */
    uint32_t slot_free;                 /* the first free slot, plus 1; 0: none */
    sw_call *spare;                     /* calls kept for reuse */
    sw_call_end_fn *on_end;             /* or NULL */
    void *end_context;
    sw_call_refusal_fn *on_refusal; /* or NULL */
    void *refusal_context;
    size_t spare_count;
};

/* A call that is not in flight yet, all zeros except for arena and header. NULL when out of
 * memory. */
sw_call *sw_calls_take(sw_calls *calls);
/* Takes a call back that has ended, in flight or not. */
void sw_calls_give(sw_call *call);

/* In flight from now on: found by its transport and route, ordered by its deadline. False when out
 * of memory. */
bool sw_calls_add(sw_call *call);
void sw_calls_remove(sw_call *call);
sw_call *sw_calls_find(const sw_calls *calls, const sw_transport *transport, const sw_route *route);
/* Frees everything, calls in flight included. */
void sw_calls_clear(sw_calls *calls);

/* Cancels the call for its handler, with CANCELLED, DEADLINE_EXCEEDED or RESOURCE_EXHAUSTED; only
 * the first time counts. The call may be gone then. In call.c. */
void sw_call_cancel(sw_call *call, sw_code code);

#endif
