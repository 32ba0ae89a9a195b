/* What the files of a watch share (watch.c has its life and loop, watch_hear.c what is heard and delivered, watch_read.c what is read
 * from the service). Internal to clients/c; the contract for callers is <sitewire/watch.h>. */
#ifndef SW_CLIENT_WATCH_CORE_H
#define SW_CLIENT_WATCH_CORE_H

#include <sitewire/watch.h>

#include "c/watch/event.h"
#include "c/watch/sequence.h"
#include "c/watch/subscription.h"

#define SW_WATCH_HEARD_MAX     8192    /* that wait for a fill; what is beyond is read from the service */
#define SW_WATCH_CHECK_US      5000000 /* after events, so that the cursor stays short */
#define SW_WATCH_IDLE_CHECK_US 30000000
#define SW_WATCH_POLL_US       1000000 /* without a subscription */
#define SW_WATCH_NONE          INT64_MAX

/* Kinds of events, as in topics; the last one is of heads. */
#define SW_WATCH_KINDS 4
extern const char *const sw_watch_kinds[SW_WATCH_KINDS];

/* The call under way: a check asks for the heads of projects and so finds what was lost unseen; a fill reads all events from a
 * position on. What is heard during a fill waits for its end. Where a check has not seen what was delivered last, which may be
 * another's by now, it asks how far the events are: a database that was restored is behind. */
typedef enum { SW_WATCH_IDLE, SW_WATCH_CHECKING, SW_WATCH_FILLING, SW_WATCH_COMPARING } sw_watch_call;

/* An event that was heard while a fill was under way. */
typedef struct sw_heard {
    zmq_msg_t body;
    uint64_t fill; /* fills that had begun by then */
} sw_heard;

struct sw_watch {
    sw_client *client;
    sw_event_fn *fn;
    void *context;
    char **projects;
    size_t project_count;
    bool wanted[SW_WATCH_KINDS];
    int64_t deployment;
    sw_subscription subscription;
    sw_sequence sequence;
    bool ready;         /* the sequence has a base */
    bool dirty;         /* something was delivered since the last check */
    sw_watch_call call; /* under way */
    uint64_t call_id;
    int64_t check_us;   /* when the next check is due */
    int64_t pause_us;   /* no call before that */
    int64_t missing;    /* from here on a fill is needed; SW_WATCH_NONE: no */
    int64_t from, read; /* of the fill: where it began, how far it is */
    uint64_t fills;     /* that have begun */
    bool fresh;         /* the next check is the first of a connection */
    int64_t page_from;  /* of a check: how far it is */
    int64_t last;       /* that was delivered when it began */
    int64_t behind; /* all was delivered up to here, as far as it has seen; SW_WATCH_NONE: up to page_from */
    int64_t
        lost; /* of that, what is missing for sure, if it is a new connection or was so in the last check */
    int64_t suspect; /* how far the last check was, if something was behind; 0: nothing */
    sw_heard *waiting;
    size_t first, count; /* of waiting */
    uint64_t delivered, gaps, filled;
    char *text; /* what the callback's texts lie in */
    size_t text_size;
    char *cursor;
    int epoll, timer;
    sw_error error; /* it has failed for good */
    bool busy;
};

/* The watch ends with that, unless it has already. False. */
bool sw_watch_fail(sw_watch *watch, const sw_error *error);
bool sw_watch_fail_memory(sw_watch *watch);

/* --- watch_hear.c --- */
/* Gives an event, the next one of its project, to the callback if it is wanted. False: the watch has failed. */
bool sw_watch_deliver(sw_watch *watch, const sw_event_view *event);
/* Something is missing behind a position. */
void sw_watch_miss(sw_watch *watch, int64_t from);
/* A message of the subscription, which is consumed. */
void sw_watch_hear(sw_watch *watch, zmq_msg_t *body);
/* After a fill: what was heard meanwhile, until something is missing again. */
void sw_watch_hear_waiting(sw_watch *watch);

/* --- watch_read.c --- */
void sw_watch_next_check(sw_watch *watch, int64_t after_us);
void sw_watch_begin_check(sw_watch *watch);
void sw_watch_begin_fill(sw_watch *watch);

#endif
