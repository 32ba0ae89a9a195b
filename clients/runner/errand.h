/* A call that is made until it is answered for good: what passes (a service that restarts, a broker that is gone) is tried
 * again, for as long as its owner wants. One call at a time. Used by everything of the runner that calls. */
#ifndef SW_RUNNER_ERRAND_H
#define SW_RUNNER_ERRAND_H

#include "net/loop.h"
#include <sitewire/client.h>

/* What is called: a row for each method that runners use. */
typedef struct sw_errand_method {
    const char *path;
    const ProtobufCMessageDescriptor *reply;
} sw_errand_method;
extern const sw_errand_method sw_errand_claim, sw_errand_renew, sw_errand_start_command,
    sw_errand_finish_command, sw_errand_append, sw_errand_finish;

/* *reply is the answer; the function may take it, and null the pointer, or it is freed. NULL: a failure that will not pass, and
 * `error` says which. Called from the client, once for each start; it may start the errand anew. */
typedef void sw_errand_fn(ProtobufCMessage **reply, const sw_error *error, void *context);

typedef struct sw_errand {
    sw_client *client;
    void *context;
    sw_errand_fn *fn;
    sw_timer *pause;
    const sw_errand_method *method;
    uint8_t *payload; /* kept for another try */
    size_t size;
    char request_id[33];
    uint64_t call;    /* 0: none is under way */
    bool active;      /* started, and not answered */
    int64_t sent_ms;  /* when the call that was answered last, or is under way, was started: lease time */
    int64_t began_ms; /* when the errand was started: lease time */
    int failures;
} sw_errand;

/* Time that leases are measured in: it goes on while the machine, or the process, is suspended. */
int64_t sw_lease_now_ms(void);

sw_code sw_errand_init(sw_errand *errand, sw_loop *loop, sw_client *client, void *context);
/* Also one that was not initialised, if it is all zero. */
void sw_errand_clear(sw_errand *errand);

/* RESOURCE_EXHAUSTED without memory; then `fn` is not called. */
sw_code sw_errand_start(sw_errand *errand, const sw_errand_method *method, const ProtobufCMessage *request,
                        sw_errand_fn *fn);
/* The same with a packed request, which is given away; NULL is what comes of no memory. */
sw_code sw_errand_start_packed(sw_errand *errand, const sw_errand_method *method, uint8_t *payload,
                               size_t size, sw_errand_fn *fn);
/* Ends it without a word. */
void sw_errand_cancel(sw_errand *errand);

#endif
