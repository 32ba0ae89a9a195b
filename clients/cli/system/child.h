/* Child processes of `sitewire up`: started, watched, restarted with backoff, ended. Used by up.c and
 * cluster.c. */
#ifndef SW_CLI_SYSTEM_CHILD_H
#define SW_CLI_SYSTEM_CHILD_H

#include <sitewire/status.h>
#include <stdint.h>
#include <sys/types.h>

/* Who a child runs as; uid 0 and gid 0 mean: as we are. */
typedef struct sw_child_identity {
    uid_t uid;
    gid_t gid;
} sw_child_identity;

#define SW_CHILD_ARGUMENTS 24
#define SW_CRASH_LOOP      5 /* ends in a row, each within SW_STABLE_MS of its start, that make a crash loop */
#define SW_STABLE_MS       10000

typedef struct sw_child {
    const char *name;
    const char *arguments[SW_CHILD_ARGUMENTS]; /* argv, ended by NULL; [0] is the path of the program */
    sw_child_identity identity;
    int stop_signal;  /* asks it to end cleanly */
    int death_signal; /* what it gets when we die */
    int output;       /* its stdout and stderr go there; -1: where ours go */
    pid_t pid;        /* 0: not running */
    int64_t started_ms;
    int64_t restart_ms; /* when to start it again; SW_NEVER: not at all */
    unsigned failures;  /* ends in a row that came too early */
} sw_child;

/* Starts it. It dies with us, even if we are killed. UNAVAILABLE with the reason. */
sw_code sw_child_start(sw_child *child, sw_error *error);

/* It has ended with `status` (as from waitpid): logs it and sets restart_ms, later with each early end (100
 * ms doubling to 10 s). */
void sw_child_ended(sw_child *child, int status);

/* Sends `signal` if it runs, and waits for its end until deadline_ms. True if it is gone. */
bool sw_child_stop(sw_child *child, int signal_number, int64_t deadline_ms);

/* Runs a program to its end. `output` as above. FAILED_PRECONDITION if it cannot be run or fails. */
sw_code sw_child_run(const char *const *arguments, sw_child_identity identity, int output, sw_error *error);

#endif
