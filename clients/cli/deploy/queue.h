/* The place of a deployment in the queue of its docroot environment, asked for now and then while it waits. Used by the live view. */
#ifndef SW_CLI_PLACE_H
#define SW_CLI_PLACE_H

#include "cli/run/cli.h"

/* Start from zeros, with cli, id and behind. */
typedef struct sw_place {
    sw_cli *cli;
    int64_t id;
    json_t *behind; /* IDs that come first: a reference of its own */
    int64_t due_us; /* when to ask again */
    bool asking;
} sw_place;

/* Asks again if it is time to; the client, which somebody else works, brings the answer. */
void sw_place_look(sw_place *place);
void sw_place_close(sw_place *place);

#endif
