/* The runner: claims what is due, as many deployments at once as it may, and sees each to its end. Used by main.c. */
#ifndef SW_RUNNER_RUNNER_H
#define SW_RUNNER_RUNNER_H

#include "runner/job.h"

typedef struct sw_runner sw_runner;

/* Uses loop and client until it is destroyed. `events`: where brokers publish, or "": then it only asks each poll_ms. `on_idle` is
 * called when a runner that drains has nothing left; `on_claim` after each answer to a claim: NULL, or why it was refused. */
typedef struct sw_runner_options {
    const sw_settings *settings;
    const char *events;
    void (*on_idle)(void *context);
    void (*on_claim)(const sw_error *error, void *context);
    void *context;
} sw_runner_options;

sw_code sw_runner_new(sw_loop *loop, sw_client *client, const sw_runner_options *options, sw_runner **runner,
                      sw_error *error);
/* Kills what runs. Nulls the pointer. */
void sw_runner_destroy(sw_runner **runner);
/* Claims nothing more; on_idle follows, when what runs is over. */
void sw_runner_drain(sw_runner *runner);
/* What runs is ended, as FAILED. */
void sw_runner_stop(sw_runner *runner);
size_t sw_runner_jobs(const sw_runner *runner);

#endif
