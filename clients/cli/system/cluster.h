/* The private PostgreSQL cluster of `sitewire up`: made on first start, reached by a unix socket only, taken
 * over from a supervisor that was killed. */
#ifndef SW_CLI_SYSTEM_CLUSTER_H
#define SW_CLI_SYSTEM_CLUSTER_H

#include "cli/system/child.h"
#include <limits.h>

typedef struct sw_cluster {
    char programs[PATH_MAX]; /* folder of initdb and postgres */
    char data[PATH_MAX];     /* PGDATA */
    char sockets[PATH_MAX];  /* folder of the socket */
    char log[PATH_MAX];
    char conninfo[PATH_MAX + 64];
    sw_child_identity identity; /* who owns and runs it */
    sw_child server;
} sw_cluster;

/* Finds PostgreSQL and decides who runs it (root may not). `folder` holds the cluster, `run` its socket.
 * FAILED_PRECONDITION names what is missing and how to get it. */
sw_code sw_cluster_open(sw_cluster *cluster, const char *folder, const char *run, sw_error *error);

/* Makes the cluster if there is none; ends a server that a killed supervisor left; starts it and waits until
 * it answers and the database exists. */
sw_code sw_cluster_start(sw_cluster *cluster, sw_error *error);

/* Whether it accepts connections now. */
bool sw_cluster_ready(const sw_cluster *cluster);

#endif
