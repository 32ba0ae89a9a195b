/* What the words and flags of the commands about deployments mean. Used by deploy, rollback,
 * approve, abort, deployment, deployments and logs. */
#ifndef SW_CLI_DEPLOY_ARGUMENTS_H
#define SW_CLI_DEPLOY_ARGUMENTS_H

#include "cli/run/cli.h"

/* Reads the command's only word as the ID of a deployment. */
sw_code sw_deployment_id(sw_cli *cli, int64_t *id, sw_error *error);
/* The code of a project. `word` is a full code, or a bare one that only one project has; --type,
 * if given, decides between several. *project is malloc'ed for the caller. */
sw_code sw_deployment_project(sw_cli *cli, const char *word, char **project, sw_error *error);
/* The commands of --run, --argv and --from as a list as in the .proto, in the order of the
 * command line; NULL without any. */
sw_code sw_deployment_commands(sw_cli *cli, json_t **commands, sw_error *error);

#endif
