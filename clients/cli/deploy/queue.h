/* The position of a deployment in the queue of its docroot environment, refreshed while it
 * waits. Used by the live view. */
#ifndef SW_CLI_DEPLOY_QUEUE_H
#define SW_CLI_DEPLOY_QUEUE_H

#include "cli/run/cli.h"

/* Set cli, id and behind; everything else starts as zero. */
typedef struct sw_queue_position {
    sw_cli *cli;
    int64_t id;
    json_t *behind; /* IDs of the deployments before it; owned */
    int64_t due_us; /* when to ask next */
    bool asking;
} sw_queue_position;

/* Asks again if it is time. The reply arrives when somebody processes the client. */
void sw_queue_position_refresh(sw_queue_position *position);
void sw_queue_position_close(sw_queue_position *position);

#endif
