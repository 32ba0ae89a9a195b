/* The runner: claims the deployments that are due, as many at once as it may, and sees each to
 * its end. Used by main.c. Not thread-safe. */
#ifndef SW_RUNNER_RUNNER_H
#define SW_RUNNER_RUNNER_H

#include "runner/job.h"

typedef struct sw_runner sw_runner;

typedef struct sw_runner_options {
    const sw_settings *settings; /* outlives the runner */
    /* where brokers publish events; "": it only asks for work every poll_ms */
    const char *events;
    void (*on_idle)(void *context); /* once: a runner that drains has nothing left */
    /* After each answer to a claim; `error` says why it was refused, NULL: it was not. */
    void (*on_claim)(const sw_error *error, void *context);
    void *context;
} sw_runner_options;

/* Starts claiming. Uses `loop` and `client` until it is destroyed. The error is that of the
 * watch of events, or RESOURCE_EXHAUSTED. */
sw_code sw_runner_new(sw_loop *loop, sw_client *client, const sw_runner_options *options, sw_runner **runner,
                      sw_error *error);
/* Kills what runs. NULL is fine. Nulls the pointer. */
void sw_runner_destroy(sw_runner **runner);
/* Claims nothing more; on_idle follows when everything that runs is over. */
void sw_runner_drain(sw_runner *runner);
/* Ends what runs, as FAILED. */
void sw_runner_stop(sw_runner *runner);
/* How many deployments run. */
size_t sw_runner_jobs(const sw_runner *runner);

#endif
