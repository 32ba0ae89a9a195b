/* The commands import and export. Used by app/commands.c. */
#ifndef SW_CLI_IMPORT_COMMANDS_H
#define SW_CLI_IMPORT_COMMANDS_H

#include "cli/run/cli.h"

/* Ends with a NULL name. */
extern const sw_command sw_import_commands[];

sw_code sw_cmd_import(sw_cli *cli, sw_error *error);
sw_code sw_cmd_export(sw_cli *cli, sw_error *error);

#endif
