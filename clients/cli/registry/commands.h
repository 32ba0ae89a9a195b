/* The commands about rows of the registry. Used by app/commands.c. */
#ifndef SW_CLI_REGISTRY_COMMANDS_H
#define SW_CLI_REGISTRY_COMMANDS_H

#include "cli/run/cli.h"

/* Ends with a NULL name. */
extern const sw_command sw_registry_commands[];

sw_code sw_cmd_get(sw_cli *cli, sw_error *error);
sw_code sw_cmd_list(sw_cli *cli, sw_error *error);
sw_code sw_cmd_create(sw_cli *cli, sw_error *error);
sw_code sw_cmd_update(sw_cli *cli, sw_error *error);
sw_code sw_cmd_delete(sw_cli *cli, sw_error *error);
sw_code sw_cmd_rename(sw_cli *cli, sw_error *error);
sw_code sw_cmd_question(sw_cli *cli, sw_error *error);
sw_code sw_cmd_refusals(sw_cli *cli, sw_error *error);
sw_code sw_cmd_history(sw_cli *cli, sw_error *error);
sw_code sw_cmd_group(sw_cli *cli, sw_error *error);
sw_code sw_cmd_grant(sw_cli *cli, sw_error *error);
sw_code sw_cmd_secret(sw_cli *cli, sw_error *error);
sw_code sw_cmd_describe(sw_cli *cli, sw_error *error);
sw_code sw_cmd_call(sw_cli *cli, sw_error *error);

#endif
