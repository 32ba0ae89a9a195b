/* The place of a deployment in the queue of its docroot environment, asked for now and then while it waits. Used by the live view. */
#ifndef SW_CLI_DEPLOY_QUEUE_H
#define SW_CLI_DEPLOY_QUEUE_H

#include "cli/run/cli.h"

/* Start from zeros, with cli, id and behind. */
typedef struct sw_queue_position {
    sw_cli *cli;
    int64_t id;
    json_t *behind; /* IDs that come first: a reference of its own */
    int64_t due_us; /* when to ask again */
    bool asking;
} sw_queue_position;

/* Asks again if it is time to; the client, which somebody else works, brings the answer. */
void sw_queue_position_refresh(sw_queue_position *position);
void sw_queue_position_close(sw_queue_position *position);

#endif
