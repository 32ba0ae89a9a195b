/* What the commands about deployments share: deploy, rollback, approve, abort, deployment, logs. Plans and deployments are
 * replies in JSON. */
#ifndef SW_CLI_DEPLOYMENT_H
#define SW_CLI_DEPLOYMENT_H

#include "cli/deploy/follow.h"
#include "cli/run/cli.h"

/* The ID that a command's only word is. */
sw_code sw_deployment_id(sw_cli *cli, int64_t *id, sw_error *error);
/* The code of a project from a word: itself, or a bare code that only one project has, of the kind that --type asks for if that
 * is given. malloc'ed. */
sw_code sw_deployment_project(sw_cli *cli, const char *word, char **project, sw_error *error);
/* The commands of --run, --argv and --from, in the order of the command line: a list as in the proto, or NULL if there is none. */
sw_code sw_deployment_commands(sw_cli *cli, json_t **commands, sw_error *error);

/* A command on one line: its arguments quoted for a shell, or `sh: ` and the line. Harmless; malloc'ed. */
char *sw_command_text(const json_t *command);
/* `website:almanac, version 2 on main/prod`. Harmless; malloc'ed. */
char *sw_target_text(const json_t *deployment);
/* `name`, a gap, and a text made harmless: further lines are indented. Nothing if the text is empty. */
void sw_print_fact(const sw_cli *cli, const char *name, const char *text);

/* A plan for people; the whole of it with what its commands are told, and the registry's rows about its target. */
void sw_plan_print(const sw_cli *cli, const json_t *plan, bool whole);
/* Its commands in full, whatever the terminal's width: somebody may be about to approve what they do. */
void sw_plan_print_commands(const sw_cli *cli, const json_t *commands);
/* Shows a deployment until it is over, in the way that suits stdout; the status is that of its outcome. */
sw_code sw_deployment_wait(sw_cli *cli, const json_t *plan, sw_error *error);
/* OK for DONE, ABORTED for ABORTED, UNKNOWN for FAILED. */
sw_code sw_outcome_code(int64_t id, const sw_outcome *outcome, sw_error *error);

/* A chunk of output as a JSON line. */
void sw_chunk_print_json(const Sw__DeploymentLog *chunk);

#endif
