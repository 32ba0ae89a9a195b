/* Follows a deployment as it runs: its events, and its output in step with them, until it is
 * over. Used by deploy --wait, rollback --wait and logs. Built on a watch of libsitewire and
 * Deployments/ReadLog. */
#ifndef SW_CLI_DEPLOY_FOLLOW_H
#define SW_CLI_DEPLOY_FOLLOW_H

#include "cli/run/cli.h"
#include "sitewire/deployment/v1/deployment.pb-c.h"
#include <sitewire/watch.h>

/* What to follow, and the callbacks. Arguments of callbacks are lent for the call. */
typedef struct sw_follow {
    int64_t deployment;
    const char *project; /* of the deployment */
    int64_t offset;      /* output from this byte on */
    int32_t command;     /* output of this command only; 0: of all */
    int64_t latest;      /* if > 0: skip output except roughly the last so many bytes */
    /* Called for each event of a state or a command. May be NULL. */
    void (*on_event)(const sw_event *event, const json_t *payload, void *context);
    void (*on_output)(const Sw__DeploymentLog *chunk, void *context);
    /* Called a few times a second with what is wrong, or NULL. May be NULL. */
    void (*on_look)(const char *trouble, void *context);
    void *context;
} sw_follow;

/* How the deployment ended. */
typedef struct sw_outcome {
    char status[32]; /* DONE, FAILED or ABORTED; "" if it is not over */
    char failure[SW_ERROR_MESSAGE_SIZE / 2];
} sw_outcome;

/* Follows from the first event until the deployment is over and all output is delivered. Output
 * that was written before an event is delivered before it. Returns earlier with an empty outcome
 * if a signal arrives or stdout is closed. Survives restarts of every process; fails if, for
 * example, the caller may no longer read the deployment. */
sw_code sw_follow_run(sw_cli *cli, const sw_follow *follow, sw_outcome *outcome, sw_error *error);

/* Delivers the output that exists now, then returns. Only on_output is called. */
sw_code sw_follow_read(sw_cli *cli, const sw_follow *follow, sw_error *error);

/* For on_look: reports the trouble on stderr once. *told is true while it is reported. */
void sw_follow_complain(const char *trouble, bool *told);

/* DONE, FAILED or ABORTED. */
bool sw_status_is_final(const char *status);

#endif
