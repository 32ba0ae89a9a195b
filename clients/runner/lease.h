/* The lease of one deployment: renews it in time, and gives it up in time. The runner counts it
 * from when it asked, so its own end comes before the service's. Used by job.c. Not thread-safe. */
#ifndef SW_RUNNER_LEASE_H
#define SW_RUNNER_LEASE_H

#include "runner/lease_clock.h"
#include "runner/service_call.h"

typedef struct sw_lease {
    int64_t id, fence;
    int32_t length_ms;
    int64_t pause_ms; /* the longest pause between two renewals */
    int64_t until_ms; /* lease time: nothing may run from then on */
    bool lost, ended;
    bool again; /* renew once more: something happened while a renewal was under way */
    sw_service_call renewal;
    sw_timer *timer; /* the next renewal, or the end */
    const struct sw_lease_events *events;
    void *context;
} sw_lease;

/* What the lease reports to its owner, from the loop or the client. */
typedef struct sw_lease_events {
    void (*renewed)(void *context); /* until_ms has changed; comes after `abort` */
    void (*lost)(const char *reason,
                 void *context); /* once; the service accepts nothing more from this runner */
    void (*abort)(const char *reason,
                  void *context); /* somebody asked to abort the deployment; may come again */
} sw_lease_events;

/* Starts renewing. The owner has set id, fence, length_ms and pause_ms; the claim was asked for
 * at `asked_ms` (lease time). *lease does not move until sw_lease_clear. RESOURCE_EXHAUSTED: out
 * of memory. */
sw_code sw_lease_start(sw_lease *lease, sw_loop *loop, sw_client *client, const sw_lease_events *events,
                       void *context, int64_t asked_ms);
/* Renews at once, since the service may know something new, such as an abort. */
void sw_lease_ask(sw_lease *lease);
/* Another call showed that the lease is gone. */
void sw_lease_lose(sw_lease *lease, const char *reason);
/* Stops renewing: the deployment is over. */
void sw_lease_end(sw_lease *lease);
void sw_lease_clear(sw_lease *lease);

#endif
