/* Calls that have ended, for people who ask where the time went: a log line for each slow one, and
 * the Trace service, which sends them to admins as they end. Used by call_log.c, which knows what a
 * call was. One thread. */
#ifndef SW_BROKER_TRACE_H
#define SW_BROKER_TRACE_H

#include "net/loop.h"
#include "rpc/slow_log.h"

typedef struct sw_trace {
    sw_loop *loop;
    struct sw_call_watch *watches; /* running WatchCalls */
    int count;
    sw_slow_log slow;
} sw_trace;

/* Registers the Trace service. `slow_ms` must outlive the trace. */
sw_code sw_trace_open(sw_trace *trace, sw_loop *loop, sw_dispatch *dispatch, const int64_t *slow_ms,
                      sw_error *error);
/* After its dispatch has given up its calls. Accepts zeros. */
void sw_trace_close(sw_trace *trace);

/* Whether a call that takes so long might be asked for: cheap, and called for every call. */
bool sw_trace_wants(const sw_trace *trace, int64_t total_us);
void sw_trace_ended(sw_trace *trace, const sw_ended_call *call);

#endif
