/* One command of a deployment: started as a user without privileges, in a process group of its own, and ended with
 * everything that it started. Used by the runner's jobs.
 *
 * Between runner and command stands a keeper, a process that adopts whatever the command leaves behind. When the
 * command is over, or is to be killed, or the runner is gone, the keeper ends all of it: nothing that a deployment started
 * outlives it, however it forked away. */
#ifndef SW_RUNNER_PROCESS_H
#define SW_RUNNER_PROCESS_H

#include <sitewire/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SW_KEEPER_FLAG "--keep" /* first argument of a process that shall be a keeper */

typedef struct sw_process_spec {
    const char *const
        *argv; /* ended by NULL; a name without a slash is looked for in the PATH of `environment` */
    const char *directory;          /* where it runs */
    const char *const *environment; /* all of it: `NAME=value`, ended by NULL */
    const char *user;               /* whom it runs as, NULL or "": as the runner */
    int64_t until_ms;               /* when it is killed unless sw_process_allow says more: CLOCK_BOOTTIME */
} sw_process_spec;

/* How a command ended. */
typedef struct sw_process_end {
    int exit_code;     /* -1 if a signal ended it */
    int signal;        /* 0 if it exited */
    char failure[200]; /* why it could not be started; "" if it was */
} sw_process_end;

typedef struct sw_process {
    pid_t keeper; /* 0: none runs */
    int control;  /* readable when it is over, or -1 */
    int output
        [2]; /* what it writes to stdout and stderr, non-blocking; -1 when closed. The owner reads and closes them. */
} sw_process;

typedef enum { SW_PROCESS_TERM, SW_PROCESS_KILL } sw_process_stop;

/* Starts a command. What keeps the command itself from starting is told by sw_process_end. */
sw_code sw_process_start(sw_process *process, const sw_process_spec *spec, sw_error *error);
/* TERM asks the process group to end; KILL ends everything at once. */
void sw_process_ask(const sw_process *process, sw_process_stop how);
/* It may run until then: CLOCK_BOOTTIME. */
void sw_process_allow(const sw_process *process, int64_t until_ms);
/* True once the command and all that it started are gone; then `process` is empty but for output that is still to
 * be read. False: it runs; `control` becomes readable. */
bool sw_process_ended(sw_process *process, sw_process_end *end);
/* Kills what runs and waits for it; closes everything. */
void sw_process_close(sw_process *process);

/* The keeper's main. The program calls it first thing if its first argument is SW_KEEPER_FLAG. */
int sw_keeper_main(int argc, char **argv);

#endif
