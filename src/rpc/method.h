/* The methods of a process, found by path, and how their calls ended. Used by dispatch.c, and by
 * stats.c and health.c, which look at them. */
#ifndef SW_RPC_METHOD_H
#define SW_RPC_METHOD_H

#include "base/hash_table.h"
#include "base/view.h"
#include "rpc/call.h"
#include <sitewire/status.h>

/* Called with the unpacked, validated request, which lives in the call's arena. Must end the call
 * with exactly one sw_call_reply or sw_call_fail, now or later. */
typedef void sw_handler(sw_call *call, const ProtobufCMessage *request, void *context);

typedef struct sw_method {
    const ProtobufCServiceDescriptor *service;
    const char *name; /* `GetWebsite` */
    sw_handler *handler;
    void *context;
} sw_method;

#define SW_LATENCY_BUCKETS 40

typedef struct sw_method_entry {
    sw_method method;
    const ProtobufCMethodDescriptor *descriptor;
    char *path; /* `/package.Service/Method` */
    size_t path_size;
    uint64_t calls;                       /* that have ended */
    uint64_t codes[SW_CODE_COUNT];        /* of them, by code */
    uint64_t latency[SW_LATENCY_BUCKETS]; /* of them, by time: bucket i has [2^(i-1), 2^i) us */
    uint64_t total_us, sql_us;            /* time in the service, time in SQL */
} sw_method_entry;

/* All zeros has no methods. */
typedef struct sw_methods {
    sw_method_entry **entries; /* in the order in which they were added */
    uint32_t count;
    sw_hash_table table;   /* paths to indexes of `entries` */
    const char **services; /* names of services with methods, without the built-in ones */
    size_t service_count;
} sw_methods;

/* INTERNAL by name if the service has no such method or it is already there; RESOURCE_EXHAUSTED
 * without memory. Nothing is added then. */
sw_code sw_methods_add(sw_methods *methods, const sw_method *method, sw_error *error);
/* FAILED_PRECONDITION by name if a service with at least one method lacks another one. */
sw_code sw_methods_check(const sw_methods *methods, sw_error *error);
/* The method with that path, or NULL. */
sw_method_entry *sw_methods_find(const sw_methods *methods, sw_view path);
void sw_methods_clear(sw_methods *methods);

/* A call of the method has ended. Times in microseconds. */
void sw_method_count(sw_method_entry *method, sw_code code, int64_t service_us, uint32_t sql_us);

#endif
