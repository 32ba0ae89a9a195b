/* What the files of libsitewire share: the client, its link to a broker, and its calls in flight.
 * Internal to clients/c; the contract for callers is <sitewire/client.h>. */
#ifndef SW_CLIENT_CORE_H
#define SW_CLIENT_CORE_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/error.h"
#include "c/json/schema.h"
#include "net/dealer.h"
#include "wire/batch.h"
#include <sitewire/client.h>

#define SW_FLIGHT_CHUNK     256U       /* calls allocated at once */
#define SW_FLIGHT_INDEX_MAX (1U << 24) /* calls at once, by the layout of call ids */

/* A call in flight is in exactly one of these states; flight.c moves it. */
typedef enum {
    SW_FLIGHT_FREE,
    SW_FLIGHT_WAITING, /* in client->waiting: goes out as soon as the link is up */
    SW_FLIGHT_PAUSED,  /* backs off before another try */
    SW_FLIGHT_SENT     /* in client->sent: a reply is due */
} sw_flight_state;

/* One call in flight. Lives in the client's slab. */
typedef struct sw_flight {
    struct sw_flight *previous, *next; /* in the list of its state */
    sw_flight_state state;
    uint32_t index, generation; /* make the call id */
    uint32_t heap_index;
    uint32_t tries;    /* times sent */
    uint32_t failures; /* tries that failed and connection rounds waited through in vain */
    uint32_t failures_max;
    uint32_t credit; /* of a stream: granted and not used */
    bool streams, delivered, cancelled, has_payload;
    bool credited;     /* more was granted since it was encoded */
    bool may_have_run; /* an earlier try: nobody said that it has not */
    bool harmless;     /* for the caller to start anew: read-only, or under a request_id of the caller's */
    int64_t started_us, deadline_us;
    int64_t due_us;    /* when the timer must look at it: key of the heap */
    int64_t resume_us; /* PAUSED: when it becomes WAITING */
    int64_t sent_us;   /* last sent */
    zmq_msg_t frame;   /* the compact REQUEST as last encoded: kept for another try */
    zmq_msg_t payload; /* if has_payload: the payload in a frame of its own */
    sw_reply_fn *fn;
    void *context;
    const ProtobufCMessageDescriptor *json; /* the reply is turned into JSON */
} sw_flight;

typedef struct sw_flight_list {
    sw_flight *first, *last;
} sw_flight_list;

typedef struct sw_heap_entry {
    int64_t due_us;
    sw_flight *flight;
} sw_heap_entry;

typedef enum { SW_LINK_DOWN, SW_LINK_CONNECTING, SW_LINK_UP } sw_link_state;

/* The connection to one endpoint of the list. A new socket for every attempt: what was sent on a lost one
 * stays lost, and no reply of an earlier connection can come in. */
typedef struct sw_link {
    char **endpoints;
    size_t count, current;
    sw_key_file key; /* for tcp; empty: it is not encrypted */
    char key_path[256];
    void *context;
    sw_dealer *dealer;        /* NULL while it is down */
    struct pollfd watched[2]; /* what the epoll set has of it */
    sw_link_state state;
    bool compact;    /* the broker speaks compact framing */
    sw_batch batch;  /* calls that leave with the next flush */
    zmq_msg_t frame; /* a batch that found no room, if frame_waits */
    bool frame_waits;
    int64_t due_us;    /* DOWN: when to try; CONNECTING: when to give up */
    uint32_t failures; /* attempts in a row without a reply */
    uint32_t refusals; /* of them, attempts in a row that ended in the handshake as for a wrong key */
    int64_t looked_us; /* when events were last asked for */
    uint64_t heard;    /* how often the broker was, as of heard_us */
    int64_t heard_us;
    int64_t
        silent_us; /* since when something that was sent waits for a word, be the call over or not; or SW_NEVER */
    int64_t asked_us; /* when it was sent a ping after that; or SW_NEVER */
    bool excused;     /* it hung up in the handshake while the program was away: once that is no failure */
    char reason[160]; /* why the last attempt or connection ended */
} sw_link;

typedef struct sw_last {
    sw_reply reply;
    sw_error error;
    char *text; /* what the trailers point into */
} sw_last;

struct sw_client {
    sw_client_options options;
    sw_link link;
    sw_flight **chunks;
    uint32_t chunk_count;
    sw_flight *spare; /* free slots, by next */
    size_t in_flight, json_in_flight;
    sw_flight_list waiting, sent;
    sw_heap_entry *heap;
    size_t heap_count, heap_capacity;
    int epoll, timer; /* -1 until sw_client_fd asks for them */
    int64_t armed_us; /* what the timerfd is set to */
    uint64_t callbacks;
    bool busy; /* in sw_client_process */
    bool closing;
    bool
        unread; /* the socket may have something: its descriptor says so, or libzmq was not asked since it was used */
    uint8_t *scratch;          /* requests are packed here */
    const sw_reply *delivered; /* whose callback runs */
    sw_arena *messages;        /* in it; NULL until somebody asks for one */
    char *trailer_text;        /* trailers of the reply being delivered */
    size_t trailer_size;
    sw_metadata trailers[SW_METADATA_MAX];
    uint8_t random[512];
    size_t random_left;
    sw_schema *schema;
    sw_schema **retired; /* still named by JSON calls in flight */
    size_t retired_count;
    sw_error schema_gap; /* why part of the schema is missing; code OK if it is whole */
    sw_last last;
};

/* --- random.c --- */
void sw_client_random(sw_client *client, void *to, size_t size);
/* Uniform enough in [0, bound]. */
int64_t sw_client_jitter(sw_client *client, int64_t bound);
/* A UUID, version 4, as text. */
void sw_client_uuid(sw_client *client, char text[37]);

/* --- link.c --- */
sw_code sw_link_init(sw_client *client, const char *endpoints, sw_error *error);
void sw_link_destroy(sw_client *client);
/* Handles connection events (`look`: there are some; otherwise it looks now and then) and the link's own
 * timer. True if something changed. */
bool sw_link_work(sw_client *client, bool look, int64_t now_us);
/* Before the first call after a pause: a connection that ended meanwhile is replaced, so that the call is not lost with it. Not
 * while calls are in flight. */
void sw_link_resume(sw_client *client, int64_t now_us);
/* When sw_link_work has to be called, if nothing happens before; or SW_NEVER. */
int64_t sw_link_due(const sw_client *client);
const char *sw_link_endpoint(const sw_client *client);
/* Brings the epoll set in line with what the connection waits for. */
void sw_link_watch(sw_client *client);

/* --- flight.c: slab, lists and timers --- */
/* A slot in no state yet, with a new id; NULL when out of memory. */
sw_flight *sw_flight_take(sw_client *client);
void sw_flight_release(sw_client *client, sw_flight *flight);
void sw_flight_free_all(sw_client *client);
void sw_flight_move(sw_client *client, sw_flight *flight, sw_flight_state state);
void sw_flight_schedule(sw_client *client, sw_flight *flight, int64_t due_us);
uint64_t sw_flight_id(const sw_flight *flight);  /* for the caller: stays the same over tries */
uint64_t sw_flight_tag(const sw_flight *flight); /* for the wire: another one for each try */
/* The call of an id or a tag, NULL if it is over; a tag must be that of the current try. */
sw_flight *sw_flight_of_id(const sw_client *client, uint64_t id);
sw_flight *sw_flight_of_tag(const sw_client *client, uint64_t tag);

/* --- send.c --- */
/* Builds flight->frame (and payload). INVALID_ARGUMENT if the header is too long. */
sw_code sw_flight_encode(sw_flight *flight, const sw_call_header *header, sw_view payload, sw_error *error);
/* What the header says of the time: a little less than there is. */
uint32_t sw_flight_time_left_ms(const sw_flight *flight, int64_t now_us);
/* Sends what waits, while the link is up. */
void sw_client_flush(sw_client *client, int64_t now_us);
void sw_flight_send_cancel(sw_client *client, const sw_flight *flight);
void sw_flight_send_credit(sw_client *client, const sw_flight *flight, uint32_t messages);
/* Asks the broker whether it speaks compact framing. */
void sw_client_ask_framing(sw_client *client);

/* --- receive.c --- */
/* Reads up to `limit` messages and delivers replies. Returns how many it read; fewer than `limit`: that was
 * all. */
int sw_client_receive(sw_client *client, int limit);

/* --- outcome.c: what becomes of a call --- */
void sw_flight_reply(sw_client *client, sw_flight *flight, bool final, sw_view header, sw_view payload);
void sw_flight_fail(sw_client *client, sw_flight *flight, sw_code code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The connection that the sent calls went over is gone. */
void sw_client_lost(sw_client *client);
/* No endpoint of the list could be connected to; `refused`: as our key, or the lack of one, is wrong, so that it will not
 * help to try again. */
void sw_client_unreachable(sw_client *client, bool refused);
/* Calls whose time has come: resumed, cancelled or over. */
void sw_client_expire(sw_client *client, int64_t now_us);

/* --- unpack.c --- */
/* Unpacks what a peer sent: nested 32 deep at the most, its text valid UTF-8. DATA_LOSS says what is wrong.
 */
sw_code sw_unpack(const ProtobufCMessageDescriptor *type, sw_view bytes, ProtobufCAllocator *allocator,
                  ProtobufCMessage **message, sw_error *error);

/* --- json_call.c --- */
/* The text of a reply; malloc'ed for the caller. */
sw_code sw_reply_to_json(const ProtobufCMessageDescriptor *type, sw_view payload, char **text,
                         sw_error *error);

/* --- method.c --- */
typedef struct sw_method_row {
    const char *path; /* `/sitewire.rpc.v1.Health/Check` */
    bool read_only;
} sw_method_row;
extern const sw_method_row sw_method_rows[]; /* generated; sorted by path */
extern const size_t sw_method_row_count;
/* The full path of any form of METHOD, into `path`; INVALID_ARGUMENT if it has no such form. `known` (or
 * NULL) gets the row of a method compiled in, or NULL. */
sw_code sw_method_resolve(const char *method, char *path, size_t size, const sw_method_row **known,
                          sw_error *error);

/* --- call.c --- */
/* All that a call needs to be started. Either request or payload. */
typedef struct sw_call_spec {
    const char *method;
    const ProtobufCMessage *request;
    sw_view payload;
    const sw_call_options *options;
    sw_reply_fn *fn;
    void *context;
    const ProtobufCMessageDescriptor *json;
    bool read_only; /* known from a schema */
} sw_call_spec;
sw_code sw_client_launch(sw_client *client, const sw_call_spec *spec, uint64_t *call_id, sw_error *error);
/* Works until the call is over and keeps what its reply said. Used by the synchronous calls: `take` sees the
 * reply while its payload is there, and may fail. */
typedef sw_code sw_take_fn(const sw_reply *reply, void *context, sw_error *error);
/* Ends a call without a callback. */
void sw_client_forget(sw_client *client, uint64_t call_id);
sw_code sw_client_wait(sw_client *client, const sw_call_spec *spec, sw_take_fn *take, void *context,
                       sw_error *error);

#endif
