/* Child processes of `sitewire up`: starts, watches, restarts with backoff and ends them. Used
 * by up.c and cluster.c. */
#ifndef SW_CLI_SYSTEM_CHILD_H
#define SW_CLI_SYSTEM_CHILD_H

#include <sitewire/status.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The user that a program of sw_child_run runs as; uid 0 and gid 0: the supervisor's own. */
typedef struct sw_child_identity {
    uid_t uid;
    gid_t gid;
} sw_child_identity;

#define SW_CHILD_ARGUMENTS 32
#define SW_CRASH_LOOP      5 /* so many ends in a row, each within SW_STABLE_MS of the start */
#define SW_STABLE_MS       10000

typedef struct sw_child {
    const char *name;
    const char *arguments[SW_CHILD_ARGUMENTS]; /* argv; [0] is the program's path */
    int program;       /* its descriptor, for a path that our user cannot enter; 0: none */
    bool changes_user; /* it keeps CAP_SETUID and CAP_SETGID, if we have them in reserve */
    bool is_database;  /* it runs in the root folder and leaves no core dumps */
    int stop_signal;   /* asks it to end in order */
    int death_signal;  /* it receives this if the supervisor dies */
    int output;        /* for its stdout and stderr; -1: the supervisor's */
    pid_t pid;         /* 0: not running */
    int64_t started_ms;
    int64_t restart_ms; /* when to start it again; SW_NEVER: do not */
    unsigned failures;  /* number of ends in a row that were too early */
} sw_child;

/* Starts it. It ends when the supervisor ends, even if that is killed. UNAVAILABLE with the
 * reason. */
sw_code sw_child_start(sw_child *child, sw_error *error);

/* Call when it has ended with `status` (as from waitpid): logs that and sets restart_ms, after a
 * delay that doubles with each early end (100 ms to 10 s). */
void sw_child_ended(sw_child *child, int status);

/* Sends the signal if the child runs, and waits until deadline_ms. True if it is gone. */
bool sw_child_stop(sw_child *child, int signal_number, int64_t deadline_ms);

/* Runs a program to its end. `output` as above. FAILED_PRECONDITION if it cannot be run or
 * fails. */
sw_code sw_child_run(const char *const *arguments, sw_child_identity identity, int output, sw_error *error);

#endif
