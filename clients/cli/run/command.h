/* One command of the command line. Each folder of commands has a table of them (commands.c).
 * app/ lists the tables and prints help, completion and docs/cli.md from them. */
#ifndef SW_CLI_RUN_COMMAND_H
#define SW_CLI_RUN_COMMAND_H

#include "cli/run/args.h"
#include <sitewire/status.h>
#include <stdbool.h>

typedef struct sw_cli sw_cli;

/* One command: a row of a table. */
typedef struct sw_command {
    const char *name;
    sw_code (*run)(sw_cli *cli, sw_error *error);
    const char *summary;  /* one line */
    const char *usage;    /* what follows `sitewire NAME` */
    const sw_flag *flags; /* the command's own flags, or NULL */
    const char *help;     /* paragraphs; lines of up to 90 characters */
    const char *examples; /* lines that begin with `sitewire`, each after a `# comment` */
    bool hidden;          /* not listed in help */
} sw_command;

typedef struct sw_command_group {
    const char *title;          /* in --help */
    const sw_command *commands; /* ends with a NULL name */
} sw_command_group;

typedef struct sw_command_set {
    const sw_flag *flags;           /* of every command */
    const sw_command_group *groups; /* ends with a NULL title */
} sw_command_set;

/* NULL if there is none. */
const sw_command *sw_command_find(const sw_command_set *set, const char *name);

#endif
