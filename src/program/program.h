/* What every server program does: options, --help, --version, --check-config, log, signals,
 * systemd's readiness and watchdog, and SIGHUP. A main.c fills in an sw_program and calls
 * sw_program_main. Used by the broker, the services, the runner and test programs. One per process,
 * one thread. */
#ifndef SW_BASE_PROGRAM_H
#define SW_BASE_PROGRAM_H

#include "program/option.h"
#include <stddef.h>

/* Collects what --check-config finds. */
typedef struct sw_check sw_check;

typedef struct sw_program {
    const char *name;         /* "sitewire-broker" */
    const char *about;        /* for --help, before the options: what it is, with examples */
    const char *notes;        /* after them: what each signal does ...; or NULL */
    const sw_option *options; /* its own; those that all programs have are added */
    bool serves;              /* it serves calls: see sw_process_serve */

    /* Checks settings against each other and derives others from them, without side effects. Also
     * called after SIGHUP, with the new values in place. The error's field names the option. NULL:
     * nothing to check. */
    sw_code (*validate)(void *context, sw_error *error);
    /* For --check-config, after validate: looks at everything that start needs, and reports each
     * problem. NULL: none. */
    void (*check)(void *context, sw_check *check);
    /* Opens everything. From here on signals are blocked, so that threads inherit it. A loop
     * watches sw_program_fd. */
    sw_code (*start)(void *context, sw_error *error);
    /* Runs the loop until it is stopped. */
    sw_code (*run)(void *context, sw_error *error);
    /* Closes everything, also after a start that failed. */
    void (*stop)(void *context);
    /* SIGTERM or SIGINT: `count` is 1 for the first one. `name` is that of the signal. */
    void (*on_stop)(void *context, const char *name, int count);
    /* SIGHUP: new values of the live options are in place. Reads keys again and uses all that.
     * After a failure nothing has changed, and the old values come back. NULL: nothing to do. */
    sw_code (*reload)(void *context, sw_error *error);
} sw_program;

/* Runs the program; returns its exit status: 0, or the number of an sw_code. */
int sw_program_main(const sw_program *program, void *context, int argc, char **argv);

/* Readable when sw_program_process has something to do: a signal, or the time of the watchdog
 * or of the log. Owned by
 * sw_program_main. */
int sw_program_fd(void);
/* Its arguments are not used: they make it a callback of a loop, for sw_program_fd. */
void sw_program_process(void *context, short events);
/* The program serves: tells systemd, once. */
void sw_program_ready(void);

/* Reports a problem with an option: on stderr, with the option's source. The first one decides the
 * exit status. */
void sw_check_report(sw_check *check, const char *option, const sw_error *error);
/* Checks endpoints (base/endpoint.h) and reports. */
void sw_check_endpoints(sw_check *check, const char *option, const char *endpoints, bool bind);
/* Says something that is no problem by itself. */
void sw_check_warn(sw_check *check, const char *option, const char *message);

#endif
