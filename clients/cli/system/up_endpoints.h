/* Where a system of `sitewire up` is reached: its endpoints, the folder of its sockets, and the
 * file DATA/env, which tells shells. Used by up.c. */
#ifndef SW_CLI_SYSTEM_UP_ENDPOINTS_H
#define SW_CLI_SYSTEM_UP_ENDPOINTS_H

#include "base/folder.h"
#include "program/account.h"
#include "program/args.h"

typedef struct sw_up_endpoint {
    char all[PATH_MAX * 2];    /* comma-separated */
    char local[PATH_MAX + 64]; /* the first on ipc, for the system's own programs */
} sw_up_endpoint;

typedef struct sw_up_endpoints {
    char run[PATH_MAX]; /* the folder of the sockets */
    sw_up_endpoint frontend, backend, events, publish;
} sw_up_endpoints;

/* Reads the flags. Adds an ipc endpoint in the folder of the sockets where none is given; to the
 * events only if a `runner` subscribes. That folder is DATA/run, or, if that path is too long for a
 * socket, a private folder of `account` named by DATA's hash. */
void sw_up_endpoints_take(sw_up_endpoints *endpoints, const sw_args *args, const sw_folder *data,
                          const sw_account *account, bool runner);

/* Makes the folder of the sockets, as the user that runs the system. */
sw_code sw_up_endpoints_make_folder(const sw_up_endpoints *endpoints, sw_error *error);

/* Writes DATA/env by a rename. Shells execute it, so nobody else may write it, whatever the
 * umask. */
sw_code sw_up_endpoints_write(const sw_up_endpoints *endpoints, const sw_folder *data, const char *conninfo,
                              const char *server_key, sw_error *error);

#endif
