/* The four services that every process offers: Health, Reflection, Stats, Drain. Used by
 * worker/server.c for workers and by the broker, each with sources of its own. */
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
    /* Health of a service ("": the process): fills in status and, as a string that lives until the
     * next call, reason; false if the service is not known. NULL: SERVING for the process and the
     * dispatch's services. */
    bool (*health)(void *context, const char *service, Sw__HealthCheckResponse *health);
    /* Health.Watch at once: each takes a place of a call for as long as it lasts, so they must
     * leave room for others. */
    size_t watches_max;
    /* Names for GetSchema. NULL: the dispatch's services. */
    size_t (*services)(void *context, const char *const **names);
    /* Adds to the reply of GetStats what only this process knows (services, instances, in_flight,
     * draining). */
    void (*stats)(void *context, sw_arena *arena, Sw__GetStatsResponse *reply);
    /* Begins to drain after this returns; the result is the number of calls in flight. NULL:
     * UNIMPLEMENTED. */
    uint32_t (*drain)(void *context, uint32_t timeout_ms);
} sw_builtin_options;

/* Registers the handlers. */
sw_code sw_builtin_new(sw_dispatch *dispatch, const sw_builtin_options *options, sw_builtin **builtin,
                       sw_error *error);
/* After the dispatch is destroyed, or before, once no call is left in it. */
void sw_builtin_destroy(sw_builtin **builtin);
/* The health of something may have changed: watchers are told of what did. */
void sw_builtin_changed(sw_builtin *builtin);
/* The process drains: watches end with UNAVAILABLE, so that they do not hold it up. */
void sw_builtin_end_watches(sw_builtin *builtin);
/* A named counter shown by Stats; the pointer is read when asked. The name is copied. False when
 * out of memory. */
bool sw_builtin_add_counter(sw_builtin *builtin, const char *name, const uint64_t *value);

#endif
