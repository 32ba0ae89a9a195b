/* The output of a deployment on its way to the service: a spool, and the AppendLog calls that
 * empty it one after the other. Used by job.c. Not thread-safe. */
#ifndef SW_RUNNER_OUTPUT_SENDER_H
#define SW_RUNNER_OUTPUT_SENDER_H

#include "runner/service_call.h"
#include "runner/spool.h"

/* Reported to the owner from the loop or the client, never from a call of sw_output_sender_*;
 * except `lost`. */
typedef struct sw_output_sender_events {
    void (*due)(void *context); /* sw_output_sender_send has something to do */
    /* The service stores no more of the deployment's output: a limit is reached. The output is
     * closed. */
    void (*full)(const char *reason, void *context);
    /* The service refused output for good: the output is closed. */
    void (*refused)(const char *reason, void *context);
    /* The lease is gone, or there is no memory: nothing more can be reported. Also from
     * sw_output_sender_send. */
    void (*lost)(const char *reason, void *context);
} sw_output_sender_events;

typedef struct sw_output_sender {
    sw_spool spool;
    sw_service_call append;
    sw_timer *timer;
    int64_t next_ms; /* no small AppendLog before that: each chunk becomes a row and an event */
    bool closed;     /* nothing is sent any more; what comes is dropped */
    int64_t deployment, fence;
    const sw_output_sender_events *events;
    void *context;
} sw_output_sender;

/* From byte `offset` of the deployment's output on. `deployment`, `fence`, `events` and
 * `context` are set by the owner before. RESOURCE_EXHAUSTED: out of memory. Clear it also after
 * a failure. */
sw_code sw_output_sender_init(sw_output_sender *sender, sw_loop *loop, sw_client *client, int64_t offset);
/* Also one that is all zeros. */
void sw_output_sender_clear(sw_output_sender *sender);

/* Sends what waits, unless a call is under way. False if it did not: `patient` lets little
 * output wait for more, or it is lost. */
bool sw_output_sender_send(sw_output_sender *sender, bool patient);
/* Output that is added now leaves with the next call; false: sw_output_sender_send should be
 * called for it. */
bool sw_output_sender_is_busy(const sw_output_sender *sender);
/* Drops what waits and everything that is added from now on. */
void sw_output_sender_close(sw_output_sender *sender);
/* Ends the call under way. */
void sw_output_sender_cancel(sw_output_sender *sender);

#endif
