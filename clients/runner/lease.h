/* The lease of one deployment: renewed in time, and given up in time. The runner's own end of it comes before the service's,
 * as it counts from when it asked. Used by job.c. */
#ifndef SW_RUNNER_LEASE_H
#define SW_RUNNER_LEASE_H

#include "runner/errand.h"

typedef struct sw_lease {
    int64_t id, fence;
    int32_t length_ms;
    int64_t pause_ms; /* between two renewals at most, however long the lease */
    int64_t until_ms; /* in lease time (errand.h): nothing may run from then on */
    bool lost, ended;
    bool again; /* asked for while a renewal was under way, which may not know of it */
    sw_errand renewal;
    sw_timer *timer; /* the next renewal, or the end */
    const struct sw_lease_events *events;
    void *context;
} sw_lease;

typedef struct sw_lease_events {
    void (*renewed)(void *context); /* until_ms is another one; after `abort`, if that is due */
    void (*lost)(const char *reason,
                 void *context); /* once; nothing that the runner says is heard any more */
    void (*abort)(const char *reason, void *context); /* somebody wants its end; may come again */
} sw_lease_events;

/* From a claim that was asked for at `asked_ms` (lease time). *lease stands still until sw_lease_clear. */
sw_code sw_lease_start(sw_lease *lease, sw_loop *loop, sw_client *client, const sw_lease_events *events,
                       void *context, int64_t asked_ms);
/* Asks at once: something may have been said about it. */
void sw_lease_ask(sw_lease *lease);
/* Another call was told that the lease is gone. */
void sw_lease_lose(sw_lease *lease, const char *reason);
/* It needs no renewal any more: the deployment is over. */
void sw_lease_end(sw_lease *lease);
void sw_lease_clear(sw_lease *lease);

#endif
