/* The text of --help. Used by app.c. */
#ifndef SW_CLI_APP_HELP_H
#define SW_CLI_APP_HELP_H

#include "cli/run/command.h"
#include <stdio.h>

void sw_help_print(FILE *out, const sw_command_set *set);
void sw_help_print_command(FILE *out, const sw_command_set *set, const sw_command *command);

#endif
