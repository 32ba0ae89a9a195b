/* Starts the process of a command: its arguments, environment, directory and user. Used by
 * job.c. */
#ifndef SW_RUNNER_LAUNCH_H
#define SW_RUNNER_LAUNCH_H

#include "runner/attempt.h"
#include "runner/settings.h"

/* What the commands of one deployment share. All of it outlives the attempt. */
typedef struct sw_launch {
    const sw_settings *settings;
    const Sw__Claim *claim;
    const sw_secrets *secrets;
    const char *directory;
} sw_launch;

/* Starts attempt `number` at a command, which runs until `until_ms` (lease time) unless the
 * attempt is allowed more. The error says what kept it from starting. */
sw_code sw_launch_start(const sw_launch *launch, sw_attempt *attempt, const Sw__DeploymentCommand *command,
                        int32_t number, int64_t until_ms, sw_error *error);

#endif
