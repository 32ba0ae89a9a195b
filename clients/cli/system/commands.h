/* The commands about running a system. Used by app/commands.c. */
#ifndef SW_CLI_SYSTEM_COMMANDS_H
#define SW_CLI_SYSTEM_COMMANDS_H

#include "cli/run/cli.h"

/* Ends with a NULL name. */
extern const sw_command sw_system_commands[];

sw_code sw_cmd_status(sw_cli *cli, sw_error *error);
sw_code sw_cmd_health(sw_cli *cli, sw_error *error);
sw_code sw_cmd_drain(sw_cli *cli, sw_error *error);
sw_code sw_cmd_offboard(sw_cli *cli, sw_error *error);
sw_code sw_cmd_trace(sw_cli *cli, sw_error *error);
sw_code sw_cmd_up(sw_cli *cli, sw_error *error);
sw_code sw_cmd_migrate(sw_cli *cli, sw_error *error);
sw_code sw_cmd_key(sw_cli *cli, sw_error *error);
sw_code sw_cmd_audit(sw_cli *cli, sw_error *error);

#endif
