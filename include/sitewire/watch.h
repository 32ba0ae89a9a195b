/* libsitewire: events of deployments as they happen, each exactly once and in the order of its project, whatever is lost on the
 * way: what a subscription misses is read from the service. The caller stores a cursor, and goes on from there after a restart.
 * A watch belongs to the thread of its client. See docs/client.md for a tour. */
#ifndef SITEWIRE_WATCH_H
#define SITEWIRE_WATCH_H

#include <sitewire/client.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

typedef struct sw_watch sw_watch;

/* Something that happened. Texts end with a NUL and are valid during the callback. */
typedef struct sw_event {
    int64_t position; /* grows with every event; those of other projects lie in between */
    const char *project;
    int64_t project_sequence; /* 1, 2 ... of its project, without gaps */
    int64_t deployment;
    const char *kind;    /* "state", "command" or "log" */
    int64_t at_us;       /* since 1970 */
    const char *payload; /* JSON, by kind: see Event in sitewire/deployment/v1/deployment.proto */
} sw_event;

/* Called from sw_watch_process. sw_watch_cursor tells the event as delivered already. Must not close the watch or its client,
 * nor process them. */
typedef void sw_event_fn(const sw_event *event, void *context);

/* What is watched. Zero means the default; start from `= {.size = sizeof(sw_watch_options)}`. Texts are copied. */
typedef struct sw_watch_options {
    size_t size; /* of this struct, so that it can grow */
    const char
        *endpoints; /* where brokers publish, comma-separated, for failover; default $SITEWIRE_EVENTS */
    const char *const
        *projects; /* codes such as `website:saint-gobain.com`; none: all that the caller may read */
    size_t project_count;
    const char *kinds;  /* comma-separated; default: all */
    int64_t deployment; /* only events of this one; 0: of all */
    const char *cursor; /* of sw_watch_cursor; "0": from the first event on; NULL or "": from now on */
    sw_event_fn *fn;
    void *context;
} sw_watch_options;

/* Uses the client for its calls and its key, and processes it, so that its own calls go on, too. Connects in the background.
 * INVALID_ARGUMENT names the option at fault. The caller closes it, before the client. */
sw_code sw_watch_open(sw_client *client, const sw_watch_options *options, sw_watch **watch, sw_error *error);
/* Frees everything and nulls the pointer. NULL is nothing to do. */
void sw_watch_close(sw_watch **watch);

/* Does what there is to do and calls the callback for each event; waits timeout_ms at the most for one (0: not at all, -1: for
 * ever). Returns the number of callbacks; -1 once the watch has failed for good: sw_watch_error tells why. */
int sw_watch_process(sw_watch *watch, int64_t timeout_ms);

/* Readable when sw_watch_process has work, its client's included: for a foreign event loop. Never read it; whenever it is
 * readable, and once at first, call sw_watch_process(watch, 0). -1 if there are no descriptors left. */
int sw_watch_fd(sw_watch *watch);

/* Where a watch of the same projects goes on after all that was delivered: an opaque text without spaces. Valid until the next
 * call for this watch. "" while a watch from now on does not know yet where that is, or out of memory. */
const char *sw_watch_cursor(sw_watch *watch);

/* Whether events that happen from now on will be delivered: of a watch from now on false until the service has answered once. */
bool sw_watch_is_ready(const sw_watch *watch);

/* Why the watch has failed for good: the caller's key was revoked, say, or the cursor is ahead of all events (OUT_OF_RANGE: the
 * database was restored from a backup). Code OK: it has not. */
const sw_error *sw_watch_error(const sw_watch *watch);

/* How it goes. */
typedef struct sw_watch_status {
    bool subscribed;      /* connected to a broker's events; otherwise it asks the service each second */
    const char *endpoint; /* of the subscription, or the one that is tried */
    const char *reason;   /* why the last connection ended, or "" */
    uint64_t delivered;   /* events given to the callback */
    uint64_t gaps;        /* times that something was missing */
    uint64_t filled;      /* events read from the service, not heard */
} sw_watch_status;
void sw_watch_get_status(const sw_watch *watch, sw_watch_status *status);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
