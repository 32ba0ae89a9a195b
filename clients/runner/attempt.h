/* One attempt at a command: its process, what it writes, its time, and its end by force. Used by job.c. */
#ifndef SW_RUNNER_ATTEMPT_H
#define SW_RUNNER_ATTEMPT_H

#include "net/loop.h"
#include "runner/process.h"
#include "runner/secrets.h"
#include "runner/spool.h"

#define SW_ATTEMPT_BUFFER (64U << 10) /* bytes read at once */

/* Bounds of what is kept of the output, in bytes; the rest is counted and left out. */
typedef struct sw_attempt_limits {
    int64_t attempt, deployment;
    int64_t grace_ms; /* from SIGTERM to SIGKILL */
} sw_attempt_limits;

typedef struct sw_stream {
    struct sw_attempt *attempt;
    int number; /* 0: stdout, 1: stderr */
    uint8_t buffer[SW_ATTEMPT_BUFFER];
    size_t held, ready; /* bytes that the mask holds back, behind `ready` bytes that wait for room */
    int64_t written;
    size_t left; /* once the command has ended: bytes that it has left in the pipe */
    bool watched;
} sw_stream;

typedef struct sw_attempt {
    sw_loop *loop;
    sw_spool *spool;
    const sw_secrets *secrets;
    const sw_attempt_limits *limits;
    void (*on_output)(void *context); /* something was added to `spool` */
    void (*on_end)(void *context);    /* `end` and everything else is final */
    void *context;
    sw_timer *timer; /* its time, the grace before it is killed, or what is left to read */
    sw_process process;
    sw_stream streams[SW_SPOOL_STREAMS];
    int32_t command, number;
    int64_t kept;
    bool running, ended, asked, timed_out, truncated;
    sw_process_end end;
} sw_attempt;

/* Once, before the first start. Everything that is pointed to outlives it. */
sw_code sw_attempt_init(sw_attempt *attempt, sw_loop *loop);
/* Kills what runs and waits for it. */
void sw_attempt_clear(sw_attempt *attempt);

sw_code sw_attempt_start(sw_attempt *attempt, const sw_process_spec *spec, int32_t command, int32_t number,
                         int64_t timeout_ms, sw_error *error);
/* As if it had been started, and could not: `end` says why. */
void sw_attempt_fail(sw_attempt *attempt, int32_t command, int32_t number, const char *failure);
/* There is room in the spool again. */
void sw_attempt_go_on(sw_attempt *attempt);
/* Ends it: politely at first; `now`: at once. */
void sw_attempt_stop(sw_attempt *attempt, bool now);

#endif
