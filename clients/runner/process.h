/* One command of a deployment: runs as a user without privileges, in its own process group, and
 * is ended together with everything that it started. Used by attempt.c.
 *
 * A keeper stands between the runner and the command: a process that adopts whatever the command
 * leaves behind. When the command is over, or must be killed, or the runner is gone, the keeper
 * kills all of it. So nothing that a deployment started outlives it, however it forked. */
#ifndef SW_RUNNER_PROCESS_H
#define SW_RUNNER_PROCESS_H

#include <sitewire/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SW_KEEPER_FLAG "--keep" /* the first argument of a keeper */

typedef struct sw_process_spec {
    const char *const
        *argv; /* ended by NULL; a program without a slash is searched in the PATH of `environment` */
    const char *directory;          /* where it runs */
    const char *const *environment; /* all of it: `NAME=value`, ended by NULL */
    const char *user;               /* that it runs as; NULL or "": the runner's */
    /* lease time: when it is killed, unless sw_process_allow extends it */
    int64_t until_ms;
} sw_process_spec;

/* How a command ended. */
typedef struct sw_process_end {
    int exit_code;     /* -1 if a signal ended it */
    int signal;        /* 0 if it exited */
    char failure[200]; /* why it could not be started; "": it was */
} sw_process_end;

typedef struct sw_process {
    pid_t keeper; /* 0: nothing runs */
    int control;  /* readable when the command is over; or -1 */
    /* its stdout and stderr, non-blocking; -1 when closed. The owner reads and closes them. */
    int output[2];
} sw_process;

typedef enum { SW_PROCESS_TERM, SW_PROCESS_KILL } sw_process_stop;

/* Starts a keeper for a command. RESOURCE_EXHAUSTED: no process or descriptors;
 * INVALID_ARGUMENT: too many arguments. What keeps the command itself from starting is in
 * sw_process_end. */
sw_code sw_process_start(sw_process *process, const sw_process_spec *spec, sw_error *error);
/* TERM asks the process group to end; KILL ends everything at once. */
void sw_process_ask(const sw_process *process, sw_process_stop how);
/* Lets it run until then (lease time). */
void sw_process_allow(const sw_process *process, int64_t until_ms);
/* True once the command and everything that it started are gone; only output may be left to read
 * then. False while it runs; `control` becomes readable when that changes. */
bool sw_process_ended(sw_process *process, sw_process_end *end);
/* Kills what runs, waits for it, and closes everything. */
void sw_process_close(sw_process *process);

/* The main function of a keeper. The program calls it before anything else if its first argument
 * is SW_KEEPER_FLAG. */
int sw_keeper_main(int argc, char **argv);

#endif
