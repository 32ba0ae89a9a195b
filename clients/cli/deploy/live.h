/* The live view of a deployment on a terminal: step, command, time, last lines of output. Used
 * by deploy --wait and rollback --wait. */
#ifndef SW_CLI_DEPLOY_LIVE_H
#define SW_CLI_DEPLOY_LIVE_H

#include "cli/deploy/follow.h"
#include "cli/run/cli.h"

typedef struct sw_live_view sw_live_view;

/* A view of the plan's deployment; the plan is lent. NULL when out of memory. */
sw_live_view *sw_live_view_new(sw_cli *cli, const json_t *plan);
/* Leaves the last frame on the screen. */
void sw_live_view_destroy(sw_live_view **live);

/* Callbacks for sw_follow; the context is the view. */
void sw_live_view_event(const sw_event *event, const json_t *payload, void *live);
void sw_live_view_output(const Sw__DeploymentLog *chunk, void *live);
void sw_live_view_look(const char *trouble, void *live);

#endif
