/* Where a system of `sitewire up` lives, and the user that runs it: the folder DATA. Used by up.c.
 *
 * DATA belongs to the user that runs the system, or to root. If root starts `up` in a folder of
 * another user, it becomes that user before it touches anything there. In a folder of its own, root
 * keeps the folder, the lock and `env`, which shells execute, and the user gets folders in it. */
#ifndef SW_CLI_SYSTEM_UP_PLACE_H
#define SW_CLI_SYSTEM_UP_PLACE_H

#include "base/folder.h"
#include "program/account.h"

typedef struct sw_up_place {
    sw_folder data;
    sw_account account; /* the user that runs the system */
    int lock;           /* -1: not held */
} sw_up_place;

/* Opens DATA, creates it if necessary, and decides on the user: `user`, or the owner of DATA if
 * that is not root, or `sitewire`, which is created if it is missing. A process that is not root
 * runs everything as its own user. FAILED_PRECONDITION with the remedy if other users can write
 * DATA or a folder above it, or if it belongs to a user that is not meant. */
sw_code sw_up_place_open(sw_up_place *place, const char *data, const char *user, sw_error *error);

/* Whether root prepares the place, and becomes the user afterwards. */
bool sw_up_place_is_roots(const sw_up_place *place);

/* Locks DATA against a second supervisor. The lock ends with the process. */
sw_code sw_up_place_lock(sw_up_place *place, sw_error *error);

/* Creates the folders of the user in a DATA of root's, and gives the user what a former user left
 * there. */
sw_code sw_up_place_share(const sw_up_place *place, sw_error *error);

/* Root becomes the user for good. From then on nobody in this process and its children gains
 * privileges. `keep_change_user`: see sw_account_become. */
sw_code sw_up_place_become(const sw_up_place *place, bool keep_change_user, sw_error *error);

void sw_up_place_close(sw_up_place *place);

#endif
