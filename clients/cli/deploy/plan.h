/* Plans of deployments as text, and the texts of their parts. Plans and deployments are JSON
 * replies. */
#ifndef SW_CLI_DEPLOY_PLAN_H
#define SW_CLI_DEPLOY_PLAN_H

#include "cli/run/cli.h"

/* A command on one line: its arguments quoted for a shell, or `sh: ` and the line. Safe to
 * print; malloc'ed. */
char *sw_command_text(const json_t *command);
/* `website:almanac, version 2 on main/prod`. Safe to print; malloc'ed. */
char *sw_target_text(const json_t *deployment);
/* Prints `name`, a gap and the text, made safe; further lines are indented. Prints nothing for
 * an empty text. */
void sw_print_fact(const sw_cli *cli, const char *name, const char *text);

/* Prints a plan; if `whole`, also the environment of its commands and the registry's rows about
 * its target. */
void sw_deployment_plan_print(const sw_cli *cli, const json_t *plan, bool whole);
/* Prints the commands in full, whatever the width of the terminal: the reader may be about to
 * approve them. */
void sw_deployment_plan_print_commands(const sw_cli *cli, const json_t *commands);

/* Prints, for a deployment that waits, whose approval it needs, the approvals that it has, and the
 * obstacles. */
void sw_deployment_plan_print_approvals(const sw_cli *cli, const json_t *plan);

#endif
