/* The messages between runner and keeper, over a socket that is descriptor SW_KEEPER_CONTROL of
 * the keeper. Used by process.c and keeper.c. */
#ifndef SW_RUNNER_KEEPER_H
#define SW_RUNNER_KEEPER_H

#include <stdint.h>

#define SW_KEEPER_CONTROL 3
#define SW_KEEPER_TERM    'T' /* from the runner: send SIGTERM to the command */
#define SW_KEEPER_KILL    'K' /* kill everything */
#define SW_KEEPER_ALLOW   'A' /* the command may run until `until_ms` */

/* A message to the keeper. */
typedef struct sw_keeper_order {
    int64_t until_ms; /* of ALLOW: lease time */
    char word;
} sw_keeper_order;

/* The keeper's only message, its last act. */
typedef struct sw_keeper_report {
    int exit_code, signal; /* as in sw_process_end */
    char failure[200];
} sw_keeper_report;

#endif
