/* The four services that every process offers: Health, Reflection, Stats and Drain. Used by
 * worker/server.c and by the broker, each with functions of its own. */
#ifndef SW_RPC_BUILTIN_H
#define SW_RPC_BUILTIN_H

#include "rpc/dispatch.h"
#include "sitewire/rpc/v1/rpc.pb-c.h"

typedef struct sw_builtin sw_builtin;

typedef struct sw_builtin_options {
    const char *process, *instance, *version; /* copied */
    const void *schema;                       /* FileDescriptorSet; lives as long as the process */
    size_t schema_size;
    void *context; /* of the functions below; each may be NULL */
    /* Health of a service ("": the process): fills in status and reason (a string that lives until
     * the next call); false for an unknown service. NULL: SERVING for the process and the services
     * of the dispatch. */
    bool (*health)(void *context, const char *service, Sw__HealthCheckResponse *health);
    /* Most calls of Health.Watch at once. Each counts as a call for as long as it lasts, so they
     * must leave room for others. */
    size_t watches_max;
    /* Names for GetSchema. NULL: the services of the dispatch. */
    size_t (*services)(void *context, const char *const **names);
    /* Adds to the reply of GetStats what only the process knows (services, instances, in_flight,
     * draining). */
    void (*stats)(void *context, sw_arena *arena, Sw__GetStatsResponse *reply);
    /* Begins to drain, and returns the number of calls in flight. NULL: UNIMPLEMENTED. */
    uint32_t (*drain)(void *context, uint32_t timeout_ms);
} sw_builtin_options;

/* Registers the handlers. A failure leaves *builtin NULL. */
sw_code sw_builtin_new(sw_dispatch *dispatch, const sw_builtin_options *options, sw_builtin **builtin,
                       sw_error *error);
/* After the dispatch is destroyed, or while it has no call. */
void sw_builtin_destroy(sw_builtin **builtin);
/* The health of something may have changed: sends it to the watchers of what really did. */
void sw_builtin_changed(sw_builtin *builtin);
/* The process drains: ends watches with UNAVAILABLE, so that they do not delay it. */
void sw_builtin_end_watches(sw_builtin *builtin);
/* A counter that Stats shows; the pointer is read for each reply. The name is copied. False when
 * out of memory. */
bool sw_builtin_add_counter(sw_builtin *builtin, const char *name, const uint64_t *value);

#endif
