/* What a command finds: its directory and its variables. Used by job.c and launch.c. */
#ifndef SW_RUNNER_ENVIRONMENT_H
#define SW_RUNNER_ENVIRONMENT_H

#include "runner/settings.h"

/* Fills the codes into the `directory` of the settings, such as `/srv/{docroot}/{environment}`.
 * FAILED_PRECONDITION if a code cannot be the name of a folder (`..`), or if the path is too
 * long; INVALID_ARGUMENT if braces hold another word. */
sw_code sw_environment_directory(const char *directory, const char *docroot, const char *environment,
                                 char *path, size_t size, sw_error *error);

/* The variables of a command, ended by NULL: PATH, HOME, USER, LOGNAME, SHELL, LANG, the
 * deployment's facts, its step, command and attempt, and the secrets. Free them with
 * sw_environment_free. NULL when out of memory. */
char **sw_environment_new(const sw_settings *settings, const sw_secrets *secrets, const Sw__Claim *claim,
                          const Sw__DeploymentCommand *command, int32_t attempt);
/* Wipes and frees them, and nulls the pointer. */
void sw_environment_free(char ***variables);

#endif
