/* The private PostgreSQL cluster of `sitewire up`: created at the first start, reached only by a
 * unix socket. A server that a killed supervisor left is ended first. */
#ifndef SW_CLI_SYSTEM_CLUSTER_H
#define SW_CLI_SYSTEM_CLUSTER_H

#include "cli/system/child.h"
#include <limits.h>

typedef struct sw_cluster {
    char programs[PATH_MAX]; /* folder of the programs initdb and postgres */
    char data[PATH_MAX];     /* PGDATA */
    char sockets[PATH_MAX];  /* folder of the socket */
    char log[PATH_MAX];
    char conninfo[PATH_MAX + 64];
    sw_child_identity identity; /* the user that owns it, while we are root */
    sw_child server;
} sw_cluster;

/* Finds PostgreSQL. `folder` holds the cluster, `run` its socket; `identity` is the user that it
 * will belong to, if we are root. FAILED_PRECONDITION says what is missing and how to get it. */
sw_code sw_cluster_open(sw_cluster *cluster, const char *folder, const char *run, sw_child_identity identity,
                        sw_error *error);

/* Opens the log, and creates the cluster if there is none. */
sw_code sw_cluster_make(sw_cluster *cluster, sw_error *error);

/* Ends a server that a killed supervisor left, starts the server and waits until it answers and the
 * database exists. PostgreSQL does not run as root: we are the cluster's user by now. */
sw_code sw_cluster_start(sw_cluster *cluster, sw_error *error);

/* True if it accepts connections now. */
bool sw_cluster_ready(const sw_cluster *cluster);

/* Runs a statement with one parameter and a boolean as its result, as the owner of the database.
 * FAILED_PRECONDITION with what PostgreSQL says. */
sw_code sw_cluster_ask(const sw_cluster *cluster, const char *sql, const char *parameter, bool *answer,
                       sw_error *error);

#endif
