/* All commands. Used by main.c and the unit tests. */
#ifndef SW_CLI_APP_COMMANDS_H
#define SW_CLI_APP_COMMANDS_H

#include "cli/run/cli.h"

extern const sw_command_set sw_all_commands;

sw_code sw_cmd_help(sw_cli *cli, sw_error *error);
sw_code sw_cmd_completion(sw_cli *cli, sw_error *error);
/* Hidden: the candidates for the last word of a line. */
sw_code sw_cmd_complete(sw_cli *cli, sw_error *error);

#endif
