/* One deployment, from its claim to its end: runs command after command, reports each attempt,
 * sends the output, and keeps the lease. Used by runner.c. Not thread-safe. */
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
    /* longest pause between renewals, which also report an abort that no event announced */
    int64_t renew_ms;
    /* The job is over; comes once. Destroy it in a later round of the loop, not from here. */
    void (*on_over)(sw_job *job, void *context);
    void *context;
} sw_job_host;

/* Takes the claim over and starts. The claim was asked for at `asked_ms` (lease_clock.h). NULL
 * when out of memory; the claim is then still the caller's. */
sw_job *sw_job_new(const sw_job_host *host, Sw__Claim *claim, int64_t asked_ms);
/* Kills what runs and waits for it. NULL is fine. Nulls the pointer. */
void sw_job_destroy(sw_job **job);

/* The id of the deployment. */
int64_t sw_job_deployment(const sw_job *job);
bool sw_job_is_over(const sw_job *job);
/* Asks the service at once for news of the deployment, such as an abort. */
void sw_job_ask(sw_job *job);
/* Ends the deployment as FAILED, for that reason. */
void sw_job_stop(sw_job *job, const char *reason);

#endif
