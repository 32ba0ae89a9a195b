/* The context of one run of the command line, and what every command calls: the client, one call, the failure of usage. */
#ifndef SW_CLI_CLI_H
#define SW_CLI_CLI_H

#include "c/json/schema.h"
#include "cli/run/command.h"
#include <jansson.h>
#include <sitewire/client.h>
#include <stdio.h>

/* One run of the program. Commands read it; only app/ and run/ write it. */
struct sw_cli {
    const sw_command_set *set;
    const sw_command *command; /* NULL if the words name none */
    sw_args args;              /* words after the command's name, and all flags */
    bool json;                 /* --json: one compact object per line */
    bool timing;               /* --timing: each call's hops on stderr */
    bool out_terminal;         /* stdout is a terminal */
    bool out_color;            /* colour on stdout: a terminal, and NO_COLOR is unset */
    bool err_terminal;         /* progress may be shown on stderr */
    const char *endpoints;     /* --endpoint or SITEWIRE_ENDPOINT, or NULL */
    const char *key_file;      /* --key, or NULL: the library finds it */
    int64_t timeout_ms;        /* --timeout, or 0 */
    sw_client *client;         /* NULL until sw_cli_client opened it */
    bool usage_error;          /* the failure is one of usage: main adds a hint at --help */
    /* Of sw_cli_call: `created`, `updated` or `unchanged`, if the service says so; else empty. */
    char outcome[16];
};

/* --- What commands call --- */

/* The client, opened at first use. INVALID_ARGUMENT says how to set SITEWIRE_ENDPOINT where it is unset. */
sw_code sw_cli_client(sw_cli *cli, sw_client **client, sw_error *error);
/* The schema of all services, fetched at first use. The client owns it. */
sw_code sw_cli_schema(sw_cli *cli, const sw_schema **schema, sw_error *error);

/* One call with JSON in and out, ended early (CANCELLED) by SIGINT; prints its hops if --timing. `request` is
 * lent, NULL means {}. *reply (or NULL) is a new reference for the caller. `options` may be NULL. */
sw_code sw_cli_call(sw_cli *cli, const char *method, const json_t *request, const sw_call_options *options,
                    json_t **reply, sw_error *error);
/* The hops of a reply on stderr. */
void sw_cli_print_timing(const sw_reply *reply);

/* A failure of usage: INVALID_ARGUMENT, and main points at --help. */
sw_code sw_cli_usage(sw_cli *cli, sw_error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Asks a person, on a terminal, unless --yes was given; programs have said yes by not being one. */
bool sw_cli_confirm(const sw_cli *cli, const char *question);

#endif
