/* One run of the command line. Used by main.c. */
#ifndef SW_CLI_APP_APP_H
#define SW_CLI_APP_APP_H

#include "cli/run/cli.h"

/* Runs the command that argv names. Returns the exit status: 0, or the code of the failure,
 * which it has printed on stderr. */
int sw_cli_main(const sw_command_set *set, int argc, char **argv);

#endif
