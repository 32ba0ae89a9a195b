/* What the commands of the command line share. commands.c holds the one table of commands; each is a function
 * sw_cmd_<name>(cli, error) that returns a status: 0, or what main prints (`error: CODE: message`) and exits
 * with. */
#ifndef SW_CLI_CLI_H
#define SW_CLI_CLI_H

#include "c/json/schema.h"
#include "cli/run/args.h"
#include <jansson.h>
#include <sitewire/client.h>
#include <stdio.h>

typedef struct sw_cli sw_cli;

/* One command: a row of the table. */
typedef struct sw_command {
    const char *name;
    sw_code (*run)(sw_cli *cli, sw_error *error);
    const char *summary;  /* one line */
    const char *usage;    /* what follows `sitewire NAME` */
    const sw_flag *flags; /* its own, or NULL */
    const char *help;     /* paragraphs; lines of up to 90 characters */
    const char *examples; /* lines that begin with `sitewire`, each after a `# comment` */
    bool hidden;          /* not listed in help */
} sw_command;

/* One run of the program. Commands read it; only cli.c and request.c write it. */
struct sw_cli {
    const sw_command *command;
    sw_args args;          /* words after the command's name, and all flags */
    bool json;             /* --json: one compact object per line */
    bool timing;           /* --timing: each call's hops on stderr */
    bool out_terminal;     /* stdout is a terminal */
    bool out_color;        /* colour on stdout: a terminal, and NO_COLOR is unset */
    bool err_terminal;     /* progress may be shown on stderr */
    const char *endpoints; /* --endpoint or SITEWIRE_ENDPOINT, or NULL */
    const char *key_file;  /* --key, or NULL: the library finds it */
    int64_t timeout_ms;    /* --timeout, or 0 */
    sw_client *client;     /* NULL until sw_cli_client opened it */
    bool usage_error;      /* the failure is one of usage: main adds a hint at --help */
    /* Of sw_cli_call: `created`, `updated` or `unchanged`, if the service says so; else empty. */
    char outcome[16];
};

int sw_cli_main(int argc, char **argv);

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

/* True once SIGINT or SIGTERM has come: end cleanly. */
bool sw_cli_stopped(void);
/* Around a wait that cannot look at sw_cli_stopped, with nothing to clean up: a signal ends the program there. */
void sw_cli_set_blocking(bool is_blocking);

/* Asks a person, on a terminal, unless --yes was given; programs have said yes by not being one. */
bool sw_cli_confirm(const sw_cli *cli, const char *question);

/* The code of a failure with a file: NOT_FOUND, PERMISSION_DENIED, else FAILED_PRECONDITION. */
sw_code sw_cli_file_code(int errno_value);
/* A file, or stdin for `-`, whole, NUL-terminated, malloc'ed for the caller; at most 64 MiB. */
sw_code sw_cli_read_file(const char *path, char **text, size_t *size, sw_error *error);

/* --- The table and help (commands.c, help.c) --- */

/* Ended by a NULL name. */
extern const sw_command sw_commands[];
extern const sw_flag sw_global_flags[];
const sw_command *sw_command_find(const char *name);

void sw_help_print(FILE *out);
void sw_help_print_command(FILE *out, const sw_command *command);
/* docs/cli.md, from the table. */
void sw_help_print_markdown(FILE *out);

/* --- The commands --- */

sw_code sw_cmd_get(sw_cli *cli, sw_error *error);
sw_code sw_cmd_list(sw_cli *cli, sw_error *error);
sw_code sw_cmd_create(sw_cli *cli, sw_error *error);
sw_code sw_cmd_update(sw_cli *cli, sw_error *error);
sw_code sw_cmd_delete(sw_cli *cli, sw_error *error);
sw_code sw_cmd_rename(sw_cli *cli, sw_error *error);
sw_code sw_cmd_call(sw_cli *cli, sw_error *error);
sw_code sw_cmd_describe(sw_cli *cli, sw_error *error);
sw_code sw_cmd_status(sw_cli *cli, sw_error *error);
sw_code sw_cmd_health(sw_cli *cli, sw_error *error);
sw_code sw_cmd_drain(sw_cli *cli, sw_error *error);
sw_code sw_cmd_question(sw_cli *cli, sw_error *error); /* where, impact, whoami ... */
sw_code sw_cmd_history(sw_cli *cli, sw_error *error);
sw_code sw_cmd_audit(sw_cli *cli, sw_error *error);
sw_code sw_cmd_deploy(sw_cli *cli, sw_error *error);
sw_code sw_cmd_deployments(sw_cli *cli, sw_error *error);
sw_code sw_cmd_deployment(sw_cli *cli, sw_error *error);
sw_code sw_cmd_approve(sw_cli *cli, sw_error *error);
sw_code sw_cmd_abort(sw_cli *cli, sw_error *error);
sw_code sw_cmd_rollback(sw_cli *cli, sw_error *error);
sw_code sw_cmd_logs(sw_cli *cli, sw_error *error);
sw_code sw_cmd_watch(sw_cli *cli, sw_error *error);
sw_code sw_cmd_import(sw_cli *cli, sw_error *error);
sw_code sw_cmd_export(sw_cli *cli, sw_error *error);
sw_code sw_cmd_secret(sw_cli *cli, sw_error *error);
sw_code sw_cmd_key(sw_cli *cli, sw_error *error);
sw_code sw_cmd_migrate(sw_cli *cli, sw_error *error);
sw_code sw_cmd_up(sw_cli *cli, sw_error *error);
sw_code sw_cmd_completion(sw_cli *cli, sw_error *error);
sw_code sw_cmd_complete(sw_cli *cli, sw_error *error); /* hidden: __complete */
sw_code sw_cmd_help(sw_cli *cli, sw_error *error);

#endif
