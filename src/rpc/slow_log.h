/* Calls that have ended, and a log line for each slow one. Used by the broker, which knows the time
 * at every hop, and by services. One thread. */
#ifndef SW_RPC_SLOW_LOG_H
#define SW_RPC_SLOW_LOG_H

#include "rpc/dispatch.h"

/* A call, when its last message is sent. Views and texts are lent. */
typedef struct sw_ended_call {
    uint64_t call_id;
    sw_view method, caller, trace_id; /* caller: e-mail address; trace_id: 32 hexadecimal digits or empty */
    const char *instance;             /* of the worker; "" if the broker answered by itself */
    uint32_t code;
    int64_t
        total_us; /* since it came to the broker; what lies behind the service is not in a service's lines */
    sw_timing timing;
    bool streams; /* the client asked for a stream: its length says nothing about slowness */
} sw_ended_call;

typedef struct sw_slow_log {
    const int64_t *slow_ms; /* a call that takes as long is logged; 0: none is. Read each time */
    uint64_t count;         /* slow calls, for Stats */
    const char *instance;   /* of the process; for sw_slow_log_attach */
} sw_slow_log;

/* Logs the slow calls of a dispatch from now on. `slow_ms` and `instance` are set; the log must
 * outlive the dispatch. */
void sw_slow_log_attach(sw_slow_log *log, sw_dispatch *dispatch);

/* Whether a call of this time is logged: cheap, for every call. */
static inline bool sw_slow_log_wants(const sw_slow_log *log, int64_t total_us)
{
    return *log->slow_ms > 0 && total_us >= *log->slow_ms * 1000;
}
/* Writes the line `slow call`, unless it is a stream's; limited to a rate (base/log.h). */
void sw_slow_log_write(sw_slow_log *log, const sw_ended_call *call);

/* The trace-id in the call's `traceparent` (W3C Trace Context), 32 characters; empty if it has
 * none. */
sw_view sw_call_header_trace_id(const sw_call_header *header);

#endif
