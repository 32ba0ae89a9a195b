/* The context of one run of the command line, and what every command calls: the client, one
 * call, usage errors, confirmation. */
#ifndef SW_CLI_RUN_CLI_H
#define SW_CLI_RUN_CLI_H

#include "c/json/schema.h"
#include "cli/run/command.h"
#include <jansson.h>
#include <sitewire/client.h>
#include <stdio.h>

/* One run of the program. Commands read it; only app/ and run/ write it. */
struct sw_cli {
    const sw_command_set *set;
    const sw_command *command; /* NULL if no command was given */
    sw_args args;              /* the words after the command, and all flags */
    bool json;                 /* --json: one compact object per line */
    bool timing;               /* --timing: print each call's hops on stderr */
    bool out_terminal;         /* stdout is a terminal */
    bool out_color;            /* stdout may be coloured: it is a terminal, and NO_COLOR is unset */
    bool err_terminal;         /* stderr is a terminal, so progress may be shown */
    const char *endpoints;     /* --endpoint or SITEWIRE_ENDPOINT, or NULL */
    const char *key_file;      /* --key, or NULL: the library looks for one */
    int64_t timeout_ms;        /* --timeout, or 0 */
    int64_t until_us;          /* when the command's time is over; 0: it has made no call yet */
    bool spread;               /* --spread */
    sw_client *client;         /* NULL until the first sw_cli_client */
    bool usage_error;          /* wrong usage: the error is followed by a hint to --help */
    /* Set by sw_cli_call: `created`, `updated` or `unchanged` if the service reports one, else
     * "". */
    char outcome[16];
};

/* The client, opened at first use. INVALID_ARGUMENT if no endpoint is known; the message says
 * how to set one. */
sw_code sw_cli_client(sw_cli *cli, sw_client **client, sw_error *error);
/* All calls of a command share one deadline: --timeout, or 30 s, from the first call on. This
 * begins it anew: for a command that has made progress, such as a page of a list, or has waited for
 * a person. */
void sw_cli_renew_deadline(sw_cli *cli);
/* For a command that goes on until somebody ends it: each call has its own time from now on. */
void sw_cli_lift_deadline(sw_cli *cli);
/* True while a broker answers at one of the endpoints. */
bool sw_cli_is_connected(const sw_cli *cli);
/* The schema of all services, fetched at first use. The client owns it. */
sw_code sw_cli_schema(sw_cli *cli, const sw_schema **schema, sw_error *error);

/* One call with JSON in and out. SIGINT cancels it (CANCELLED). `request` is lent; NULL means
 * {}. *reply is a new reference for the caller; `reply` and `options` may be NULL. Prints the
 * hops of the call if --timing was given. */
sw_code sw_cli_call(sw_cli *cli, const char *method, const json_t *request, const sw_call_options *options,
                    json_t **reply, sw_error *error);
/* Prints the hops of a reply on stderr. */
void sw_cli_print_timing(const sw_reply *reply);

/* Fails with INVALID_ARGUMENT and marks the failure as wrong usage, so that a hint to --help
 * follows. */
sw_code sw_cli_usage(sw_cli *cli, sw_error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Asks the person at the terminal. True without asking if --yes was given or there is no
 * terminal: a script means what it says. */
bool sw_cli_confirm(sw_cli *cli, const char *question);

#endif
