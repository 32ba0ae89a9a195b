/* What a command finds around itself: its directory and its variables. Used by job.c. */
#ifndef SW_RUNNER_ENVIRONMENT_H
#define SW_RUNNER_ENVIRONMENT_H

#include "runner/settings.h"

/* `directory` of the settings for a docroot environment. FAILED_PRECONDITION if the codes are no names of folders (`..`), or the
 * path is too long; INVALID_ARGUMENT names a word in braces that is none of ours. */
sw_code sw_environment_directory(const char *directory, const char *docroot, const char *environment,
                                 char *path, size_t size, sw_error *error);

/* Variables: PATH, HOME, USER, LOGNAME, SHELL, LANG, the deployment's facts, step, command, attempt, and the secrets. Ended by NULL; for
 * sw_environment_free. NULL without memory. */
char **sw_environment_new(const sw_settings *settings, const sw_secrets *secrets, const Sw__Claim *claim,
                          const Sw__DeploymentCommand *command, int32_t attempt);
void sw_environment_free(char ***variables);

#endif
