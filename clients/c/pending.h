/* Pending calls: started by the program and not yet over. A slab holds them, so that nothing is
 * allocated per call once it has grown; a list keeps the calls of each state in order; a heap
 * knows which call must be looked at next. Pure data: sends nothing and calls nobody. Used by
 * the client's files. Not thread-safe. */
#ifndef SW_CLIENT_PENDING_H
#define SW_CLIENT_PENDING_H

#include "base/heap.h"
#include <sitewire/client.h>
#include <zmq.h>

/* calls at once; the layout of call ids leaves no room for more */
#define SW_PENDING_MAX (1U << 24)

/* A pending call is in exactly one of these states; sw_pending_move changes it. */
typedef enum {
    SW_PENDING_FREE,    /* the slot holds no call */
    SW_PENDING_WAITING, /* in `waiting`: leaves as soon as the link is up */
    SW_PENDING_BACKOFF, /* pauses before the next try */
    SW_PENDING_SENT     /* in `sent`: a reply is due */
} sw_pending_state;

typedef struct sw_pending_call {
    struct sw_pending_call *previous, *next; /* in the list of its state, or of free slots */
    sw_pending_state state;
    uint32_t index, generation; /* make the call id */
    uint32_t tries;             /* times sent */
    /* failed tries, and rounds of the endpoint list without a connection */
    uint32_t failures;
    uint32_t failures_max; /* after so many it fails for good */
    uint32_t unknown;      /* endpoints in a row whose broker does not know its service */
    uint32_t credit;       /* of a stream: messages granted and not yet received */
    bool streams, delivered, cancelled, has_payload;
    bool credited;     /* credit was granted after it was encoded */
    bool may_have_run; /* an earlier try may have run */
    /* safe for the program to start anew: read-only, or with its own request_id */
    bool harmless;
    int64_t started_us, deadline_us, sent_us;
    sw_heap_node due;  /* when it must be looked at: the end of its pause, or its deadline */
    zmq_msg_t frame;   /* the compact REQUEST as last encoded, kept for further tries */
    zmq_msg_t payload; /* if has_payload: the payload in a frame of its own */
    sw_reply_fn *fn;
    void *context;
    const ProtobufCMessageDescriptor *json; /* turn replies of this type into JSON, or NULL */
} sw_pending_call;

typedef struct sw_pending_list {
    sw_pending_call *first, *last;
} sw_pending_list;

/* All zeros is a set without calls. */
typedef struct sw_pending_calls {
    sw_pending_call **chunks; /* the slab */
    uint32_t chunk_count;
    sw_pending_call *spare; /* free slots, by next */
    size_t count, json_count;
    sw_pending_list waiting, sent; /* oldest first */
    sw_heap heap;                  /* of every call that was scheduled, by due time (us) */
} sw_pending_calls;

/* A new call in no state, with a new id; NULL when out of memory. Counts as pending until
 * released. */
sw_pending_call *sw_pending_take(sw_pending_calls *calls);
/* Ends the call and frees its frames; its id means nothing any more. */
void sw_pending_release(sw_pending_calls *calls, sw_pending_call *call);
/* Frees the memory. Every call was released before. */
void sw_pending_clear(sw_pending_calls *calls);

void sw_pending_move(sw_pending_calls *calls, sw_pending_call *call, sw_pending_state state);
/* Sets when the call must be looked at (us, monotonic). */
void sw_pending_schedule(sw_pending_calls *calls, sw_pending_call *call, int64_t due_us);
/* The scheduled call that is due first, NULL if there is none; and when: SW_NEVER if there is
 * none. */
sw_pending_call *sw_pending_first_due(const sw_pending_calls *calls);
int64_t sw_pending_due_us(const sw_pending_calls *calls);

/* The id that the program gets; it stays the same for all tries. */
uint64_t sw_pending_id(const sw_pending_call *call);
/* The id on the wire; it differs for each try, so that a late reply to an earlier try is
 * recognised. */
uint64_t sw_pending_tag(const sw_pending_call *call);
/* The call with that id, NULL if it is over. */
sw_pending_call *sw_pending_find(const sw_pending_calls *calls, uint64_t id);
/* The sent call whose current try has that tag, or NULL. */
sw_pending_call *sw_pending_find_tag(const sw_pending_calls *calls, uint64_t tag);

#endif
