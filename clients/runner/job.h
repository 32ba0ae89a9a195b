/* One deployment, from its claim to its end: command after command, each attempt told, the output sent, the lease kept. Used by
 * runner.c. */
#ifndef SW_RUNNER_JOB_H
#define SW_RUNNER_JOB_H

#include "net/loop.h"
#include "runner/settings.h"
#include <sitewire/client.h>

typedef struct sw_job sw_job;

/* What jobs share. Outlives them. */
typedef struct sw_job_host {
    sw_loop *loop;
    sw_client *client;
    const sw_settings *settings;
    int64_t
        renew_ms; /* a lease is renewed at least so often: what no event tells, an abort is heard of with it */
    void (*on_over)(sw_job *job,
                    void *context); /* once; the job may be destroyed from the next round of the loop on */
    void *context;
} sw_job_host;

/* Takes the claim, which was asked for at `asked_ms` (lease time, errand.h); NULL without memory, and the claim is the caller's still. */
sw_job *sw_job_new(const sw_job_host *host, Sw__Claim *claim, int64_t asked_ms);
/* Kills what runs and waits for it. Nulls the pointer. */
void sw_job_destroy(sw_job **job);

int64_t sw_job_deployment(const sw_job *job);
bool sw_job_is_over(const sw_job *job);
/* Something was said about the deployment: an abort, perhaps. */
void sw_job_ask(sw_job *job);
/* The runner ends: so does the deployment, as FAILED. */
void sw_job_stop(sw_job *job, const char *reason);

#endif
