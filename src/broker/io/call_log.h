/* What each call was, remembered from its hand-over to a worker to its end, and reported then to
 * trace.h. Used by carry_out.c. Costs 320 bytes for each call that runs at once, and nothing while
 * neither the log of slow calls nor a trace is on. One thread. */
#ifndef SW_BROKER_CALL_LOG_H
#define SW_BROKER_CALL_LOG_H

#include "broker/core/core.h"
#include "broker/io/body.h"
#include "broker/io/trace.h"

typedef struct sw_call_log {
    sw_trace *trace;
    const sw_core *core;
    struct sw_call_record *records; /* by the place of the call in the core */
    size_t count;
} sw_call_log;

void sw_call_log_close(sw_call_log *log);

/* A REQUEST was handed to a worker. */
void sw_call_log_request(sw_call_log *log, const sw_action *action, int64_t now_us);
/* The call ended with a worker's REPLY (the final one), or the broker's ANSWER, whose code is
 * given. `caller` is the client's user, which is only asked for when somebody wants to know of the
 * call. */
void sw_call_log_end(sw_call_log *log, const sw_action *action, uint32_t code,
                     sw_view (*caller)(void *context, const sw_action *action), void *context,
                     int64_t now_us);

#endif
