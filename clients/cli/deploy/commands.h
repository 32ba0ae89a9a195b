/* The commands about deployments. Used by app/commands.c. */
#ifndef SW_CLI_DEPLOY_COMMANDS_H
#define SW_CLI_DEPLOY_COMMANDS_H

#include "cli/run/cli.h"

/* Ends with a NULL name. */
extern const sw_command sw_deploy_commands[];

sw_code sw_cmd_deploy(sw_cli *cli, sw_error *error);
sw_code sw_cmd_deployments(sw_cli *cli, sw_error *error);
sw_code sw_cmd_deployment(sw_cli *cli, sw_error *error);
sw_code sw_cmd_approve(sw_cli *cli, sw_error *error);
sw_code sw_cmd_abort(sw_cli *cli, sw_error *error);
sw_code sw_cmd_rollback(sw_cli *cli, sw_error *error);
sw_code sw_cmd_logs(sw_cli *cli, sw_error *error);
sw_code sw_cmd_watch(sw_cli *cli, sw_error *error);

#endif
