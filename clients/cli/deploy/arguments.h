/* What the words and flags of the commands about deployments mean. Used by deploy, rollback, approve, abort, deployment, deployments,
 * logs. */
#ifndef SW_CLI_DEPLOY_ARGUMENTS_H
#define SW_CLI_DEPLOY_ARGUMENTS_H

#include "cli/run/cli.h"

/* The ID that a command's only word is. */
sw_code sw_deployment_id(sw_cli *cli, int64_t *id, sw_error *error);
/* The code of a project from a word: itself, or a bare code that only one project has, of the kind that --type asks for if that
 * is given. malloc'ed. */
sw_code sw_deployment_project(sw_cli *cli, const char *word, char **project, sw_error *error);
/* The commands of --run, --argv and --from, in the order of the command line: a list as in the proto, or NULL if there is none. */
sw_code sw_deployment_commands(sw_cli *cli, json_t **commands, sw_error *error);

#endif
