/* Waits for the end of a deployment and shows it meanwhile. Used by deploy, rollback and logs. */
#ifndef SW_CLI_DEPLOY_WAIT_H
#define SW_CLI_DEPLOY_WAIT_H

#include "cli/deploy/follow.h"
#include "cli/run/cli.h"

/* Shows a deployment until it is over, in the form that suits stdout. Returns sw_outcome_code,
 * or CANCELLED after a signal. */
sw_code sw_deployment_wait(sw_cli *cli, const json_t *plan, sw_error *error);
/* OK for DONE, ABORTED for ABORTED, UNKNOWN for FAILED. */
sw_code sw_outcome_code(int64_t id, const sw_outcome *outcome, sw_error *error);

/* Prints a chunk of output as a line of JSON. */
void sw_chunk_print_json(const Sw__DeploymentLog *chunk);

#endif
