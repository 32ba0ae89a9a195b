/* Events of deployments as they happen: each exactly once, and in the order of its project, even
 * when connections, brokers or services fail in between. A watch listens to what brokers
 * publish, notices what it missed, and reads that from the service. The program stores a cursor,
 * and goes on from there after a restart.
 *
 * A watch uses its client and belongs to the same thread. For ownership, errors and units see
 * <sitewire/client.h>; for a tour docs/client.md. */
#ifndef SITEWIRE_WATCH_H
#define SITEWIRE_WATCH_H

#include <sitewire/client.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

typedef struct sw_watch sw_watch;

/* An event. Its texts end with a NUL, are never NULL, and are valid during the callback. */
typedef struct sw_event {
    int64_t position;         /* grows; the positions between are other projects' */
    const char *project;      /* `website:saint-gobain.com` */
    int64_t project_sequence; /* 1, 2, 3 ... in its project, without gaps */
    int64_t deployment;       /* the id of the deployment */
    const char *kind;         /* "state", "command" or "log" */
    int64_t at_us;            /* microseconds since 1970-01-01T00:00:00Z */
    const char *payload;      /* JSON, by kind: see Event in deployment.proto */
} sw_event;

/* Gets an event; called from sw_watch_process only. In it, sw_watch_cursor counts the event as
 * delivered. It may start asynchronous calls. It must not close or process the watch or its
 * client. */
typedef void sw_event_fn(const sw_event *event, void *context);

/* What to watch. Zero or NULL means the default. Start from `= {.size =
 * sizeof(sw_watch_options)}`. All texts are copied. */
typedef struct sw_watch_options {
    size_t size; /* of this struct, so that it can grow; required */
    /* of brokers' events, comma-separated; default: $SITEWIRE_EVENTS. If there are as many as the
     * client has, the watch is at the broker that the client uses. */
    const char *endpoints;
    /* `project_count` projects such as `website:saint-gobain.com`, at most 1,000; default: all
     * that the user may read. Projects that the user may not read have no events. */
    const char *const *projects;
    size_t project_count;
    const char *kinds;  /* comma-separated; default: all */
    int64_t deployment; /* only the events of this one; 0: of all */
    const char *cursor; /* "0": from the first event; NULL or "": from now on */
    sw_event_fn *fn;    /* required */
    void *context;
} sw_watch_options;

/* Opens a watch, which uses the client's key, makes calls with the client and also processes it.
 * Connects in the background. INVALID_ARGUMENT names the option that is wrong. On failure *watch
 * is NULL; otherwise the caller closes it, before the client. */
sw_code sw_watch_open(sw_client *client, const sw_watch_options *options, sw_watch **watch, sw_error *error);
/* Frees everything and nulls the pointer. Not from a callback. NULL is fine. */
void sw_watch_close(sw_watch **watch);

/* Receives and calls the callback for each event; the client's other calls go on as well. Waits
 * up to timeout_ms for an event; 0: does not wait; -1: for ever. Returns how many events it
 * delivered, or -1 once the watch has failed for good: sw_watch_error says why. In a callback it
 * returns 0. */
int sw_watch_process(sw_watch *watch, int64_t timeout_ms);

/* A descriptor for another event loop: it is readable when sw_watch_process has work, for the
 * watch or its client. Never read it. Call sw_watch_process(watch, 0) once at first and whenever
 * it is readable. It is the watch's. -1 if there are no descriptors left. */
int sw_watch_fd(sw_watch *watch);

/* The cursor: a text without spaces that stands for everything delivered so far. A watch of the
 * same projects that starts with it goes on after that. The text belongs to the watch and is
 * valid until the next sw_watch_cursor, or sw_watch_close. "" while a watch from now on does not
 * know its first position yet, or when out of memory. */
const char *sw_watch_cursor(sw_watch *watch);

/* Whether events from now on will be delivered. A watch from now on is not ready until the
 * service has answered once; any other watch always is. */
bool sw_watch_is_ready(const sw_watch *watch);

/* Why the watch has failed for good; code OK: it has not. Examples: UNAUTHENTICATED, the key was
 * revoked; OUT_OF_RANGE, the cursor is ahead of all events, as after restoring the database from
 * a backup. Never NULL; belongs to the watch. */
const sw_error *sw_watch_error(const sw_watch *watch);

/* The state of a watch. Texts belong to the watch and are valid until it is processed or closed. */
typedef struct sw_watch_status {
    bool subscribed;      /* to a broker's events; otherwise it asks the service each second */
    const char *endpoint; /* of the broker, or the one that is tried now */
    const char *reason;   /* why the last connection ended, or "" */
    uint64_t delivered;   /* events that the callback got */
    uint64_t gaps;        /* how often it noticed that events were missing */
    uint64_t filled;      /* events that it read from the service instead of receiving them */
} sw_watch_status;
void sw_watch_get_status(const sw_watch *watch, sw_watch_status *status);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
