/* A call to the deployment service that is repeated until it is answered for good: failures that
 * pass (a service that restarts, a broker that is gone, no memory for the reply) are tried again
 * under the same request_id, without end. At most one call is under way in each. Used by everything
 * in the runner that calls the service. Not thread-safe. */
#ifndef SW_RUNNER_SERVICE_CALL_H
#define SW_RUNNER_SERVICE_CALL_H

#include "net/loop.h"
#include <sitewire/client.h>

/* A method that runners call; one row each. */
typedef struct sw_service_method {
    const char *path;
    const ProtobufCMessageDescriptor *reply;
} sw_service_method;
extern const sw_service_method sw_method_claim, sw_method_renew_lease, sw_method_start_command,
    sw_method_finish_command, sw_method_append_log, sw_method_finish_deployment;

/* The answer to a call; comes from sw_client_process, once for each start. *reply is freed
 * afterwards unless the function takes it over and nulls the pointer. It is NULL after a failure
 * that does not pass; `error` then says why. The function may start the next call. */
typedef void sw_service_call_fn(ProtobufCMessage **reply, const sw_error *error, void *context);

typedef struct sw_service_call {
    sw_client *client;
    void *context;
    sw_service_call_fn *fn;
    sw_timer *pause; /* until the next try */
    const sw_service_method *method;
    uint8_t *payload; /* kept for the next try */
    size_t size;
    char request_id[33];
    uint64_t call_id;   /* 0: no try is under way */
    bool active;        /* started and not answered */
    int64_t started_ms; /* lease time (lease_clock.h) */
    int64_t sent_ms;    /* lease time: start of the current try, or of the one that was answered */
    int failures;       /* tries in a row that failed */
} sw_service_call;

/* RESOURCE_EXHAUSTED: out of memory. `fn` will get `context`. */
sw_code sw_service_call_init(sw_service_call *call, sw_loop *loop, sw_client *client, void *context);
/* Cancels and frees; also one that is all zeros. */
void sw_service_call_clear(sw_service_call *call);

/* Cancels what is under way and starts a call. RESOURCE_EXHAUSTED: out of memory; `fn` is then
 * not called. */
sw_code sw_service_call_start(sw_service_call *call, const sw_service_method *method,
                              const ProtobufCMessage *request, sw_service_call_fn *fn);
/* The same with a packed request, malloc'ed, which is taken over. NULL stands for no memory. */
sw_code sw_service_call_start_packed(sw_service_call *call, const sw_service_method *method, uint8_t *payload,
                                     size_t size, sw_service_call_fn *fn);
/* Ends the call; `fn` is not called. */
void sw_service_call_cancel(sw_service_call *call);

#endif
