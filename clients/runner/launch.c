/* From a command of a claim to its process, see launch.h. */
#include "runner/launch.h"

#include "base/error.h"
#include "runner/environment.h"
#include <stdlib.h>

sw_code sw_launch_start(const sw_launch *launch, sw_attempt *attempt, const Sw__DeploymentCommand *command,
                        int32_t number, int64_t until_ms, sw_error *error)
{
    const char *const shell[] = {"/bin/sh", "-c", command->shell, NULL};
    const char **argv = calloc(command->n_argv + 1, sizeof(*argv));
    char **environment =
        sw_environment_new(launch->settings, launch->secrets, launch->claim, command, number);
    sw_code code = SW_RESOURCE_EXHAUSTED;
    if (argv != NULL && environment != NULL) {
        for (size_t i = 0; i < command->n_argv; i++)
            argv[i] = command->argv[i];
        const sw_process_spec spec = {.argv = command->n_argv > 0 ? argv : shell,
                                      .directory = launch->directory,
                                      .environment = (const char *const *)environment,
                                      .user = launch->settings->user,
                                      .until_ms = until_ms};
        code = sw_attempt_start(attempt, &spec, command->number, number, (int64_t)command->timeout_s * 1000,
                                error);
    } else {
        sw_fail(error, code, "out of memory");
    }
    free(argv);
    sw_environment_free(&environment);
    return code;
}
