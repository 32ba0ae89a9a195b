/* One attempt at a command: its process, its output, its timeout, and its end by force. Used by
 * job.c and launch.c. Not thread-safe. */
#ifndef SW_RUNNER_ATTEMPT_H
#define SW_RUNNER_ATTEMPT_H

#include "net/loop.h"
#include "runner/process.h"
#include "runner/secrets.h"
#include "runner/spool.h"

#define SW_ATTEMPT_BUFFER (64U << 10) /* bytes read at once */

/* How much output is kept; the rest is counted and dropped. */
typedef struct sw_attempt_limits {
    int64_t attempt, deployment; /* bytes */
    int64_t grace_ms;            /* from SIGTERM to SIGKILL */
} sw_attempt_limits;

/* What the command writes to stdout or stderr. */
typedef struct sw_attempt_stream {
    struct sw_attempt *attempt;
    int number; /* 0: stdout, 1: stderr */
    /* First `ready` bytes that wait for room in the spool, then `held` bytes that may be the
     * beginning of a secret. */
    uint8_t buffer[SW_ATTEMPT_BUFFER];
    size_t held, ready;
    int64_t written; /* bytes that the command wrote */
    size_t left;     /* once the command has ended: bytes still in the pipe */
    bool watched;
} sw_attempt_stream;

typedef struct sw_attempt {
    /* Set by the owner before sw_attempt_init; everything here outlives the attempt. */
    sw_spool *spool;
    const sw_secrets *secrets;
    const sw_attempt_limits *limits;
    void (*on_output)(void *context); /* something was added to `spool` */
    void (*on_end)(void *context);    /* the attempt is over: `end` and everything else is final */
    void *context;

    sw_loop *loop;
    sw_timer *timer; /* the timeout, then the grace period, then the rest of the output */
    sw_process process;
    sw_attempt_stream streams[SW_SPOOL_STREAMS];
    int32_t command, number;
    int64_t timeout_ms;
    int64_t kept; /* bytes of output */
    bool running;
    bool ended; /* the process is over; some output may be left to read */
    bool asked; /* it was asked to end */
    bool timed_out, truncated;
    sw_process_end end;
} sw_attempt;

/* Once, before the first start. RESOURCE_EXHAUSTED: out of memory. */
sw_code sw_attempt_init(sw_attempt *attempt, sw_loop *loop);
/* Kills what runs and waits for it. */
void sw_attempt_clear(sw_attempt *attempt);

/* Starts the process; on_end follows. On failure nothing runs and on_end is not called. */
sw_code sw_attempt_start(sw_attempt *attempt, const sw_process_spec *spec, int32_t command, int32_t number,
                         int64_t timeout_ms, sw_error *error);
/* Makes the result that of an attempt which could not be started. on_end is not called. */
void sw_attempt_fail(sw_attempt *attempt, int32_t command, int32_t number, const char *failure);
/* Goes on reading, as the spool has room again. */
void sw_attempt_go_on(sw_attempt *attempt);
/* Ends it with SIGTERM, and after the grace period with SIGKILL; `now`: with SIGKILL at once. */
void sw_attempt_stop(sw_attempt *attempt, bool now);

/* The result of an attempt that is over. */
bool sw_attempt_succeeded(const sw_attempt *attempt);
/* How it ended, to follow "command 1 of DEPLOYMENT": "exited with 1". */
void sw_attempt_describe(const sw_attempt *attempt, char *text, size_t size);

#endif
