/* The inside of a watch: what its files share. watch.c has its life and loop, hear.c what it
 * hears and delivers, read.c what it reads from the service. The contract for programs is
 * <sitewire/watch.h>. */
#ifndef SW_CLIENT_WATCH_STATE_H
#define SW_CLIENT_WATCH_STATE_H

#include "c/watch/event.h"
#include "c/watch/sequence.h"
#include "c/watch/subscription.h"
#include <sitewire/watch.h>

/* messages kept during a fill; those beyond are read from the service */
#define SW_WATCH_HEARD_MAX     8192
#define SW_WATCH_CHECK_US      5000000 /* from an event to a check, which keeps the cursor short */
#define SW_WATCH_IDLE_CHECK_US 30000000
#define SW_WATCH_POLL_US       1000000   /* between checks without a subscription */
#define SW_WATCH_NONE          INT64_MAX /* no position */

/* The kinds of events, as in topics; the last one is that of heads. */
#define SW_WATCH_KINDS 4
extern const char *const sw_watch_kinds[SW_WATCH_KINDS];

/* The call under way. A check asks for the head of each project, its newest event, and so finds
 * what was lost without a trace. A fill reads all events after a position; what is heard
 * meanwhile waits for its end. If a check does not see the event that was delivered last, a
 * comparison asks how far the events go: a database that was restored from a backup is behind. */
typedef enum { SW_WATCH_IDLE, SW_WATCH_CHECKING, SW_WATCH_FILLING, SW_WATCH_COMPARING } sw_watch_call;

/* An event that was heard during a fill. */
typedef struct sw_heard {
    zmq_msg_t body;
    uint64_t fill; /* how many fills had begun by then */
} sw_heard;

struct sw_watch {
    sw_client *client;
    sw_event_fn *fn;
    void *context;
    char **projects; /* none: all */
    size_t project_count;
    bool wanted[SW_WATCH_KINDS];
    int64_t deployment; /* 0: all */
    sw_subscription subscription;
    size_t followed;      /* the endpoint that the client was last seen at */
    sw_sequence sequence; /* what was delivered */
    bool ready;           /* the sequence has a base */
    bool dirty;           /* something was delivered since the last check */
    sw_watch_call call;
    uint64_t call_id;
    int64_t check_us; /* when the next check is due */
    int64_t pause_us; /* no call before that, as the last one failed */
    /* The fill. */
    int64_t missing;    /* a fill from this position is needed; SW_WATCH_NONE: none */
    int64_t from, read; /* where the fill began, and how far it is */
    uint64_t fills;     /* begun so far */
    /* The check. */
    bool fresh;        /* the next check is the first one of a connection */
    int64_t page_from; /* how far it is */
    int64_t last;      /* the last position that was delivered when it began */
    int64_t behind;    /* all was delivered up to here; SW_WATCH_NONE: up to page_from */
    /* something after this position is missing for certain; SW_WATCH_NONE: nothing is */
    int64_t lost;
    /* page_from of the last check if something seemed to be missing; 0: nothing did */
    int64_t suspect;
    /* What was heard and waits: a ring. */
    sw_heard *waiting;
    size_t first, count;
    uint64_t delivered, gaps, filled;
    char *text; /* what the callback's texts lie in */
    size_t text_size;
    char *cursor;
    int epoll, timer; /* -1 until sw_watch_fd asks for them */
    sw_error error;   /* why it has failed for good; code OK: it has not */
    bool busy;        /* in sw_watch_process */
};

/* The watch fails for good with that error, unless it already has. Returns false. */
bool sw_watch_fail(sw_watch *watch, const sw_error *error);
bool sw_watch_fail_memory(sw_watch *watch);

#endif
