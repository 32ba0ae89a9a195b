/* Plans of deployments for people, and the texts that they are made of. Plans and deployments are replies in JSON. */
#ifndef SW_CLI_DEPLOY_PLAN_H
#define SW_CLI_DEPLOY_PLAN_H

#include "cli/run/cli.h"

/* A command on one line: its arguments quoted for a shell, or `sh: ` and the line. Harmless; malloc'ed. */
char *sw_command_text(const json_t *command);
/* `website:almanac, version 2 on main/prod`. Harmless; malloc'ed. */
char *sw_target_text(const json_t *deployment);
/* `name`, a gap, and a text made harmless: further lines are indented. Nothing if the text is empty. */
void sw_print_fact(const sw_cli *cli, const char *name, const char *text);

/* A plan for people; the whole of it with what its commands are told, and the registry's rows about its target. */
void sw_deployment_plan_print(const sw_cli *cli, const json_t *plan, bool whole);
/* Its commands in full, whatever the terminal's width: somebody may be about to approve what they do. */
void sw_deployment_plan_print_commands(const sw_cli *cli, const json_t *commands);

#endif
