/* Gives what is in a folder to another user. Used by `sitewire up` as root, for the folders of a
 * system that another user ran before. */
#ifndef SW_CLI_SYSTEM_HAND_OVER_H
#define SW_CLI_SYSTEM_HAND_OVER_H

#include <sitewire/status.h>
#include <sys/types.h>

/* Gives `name` in the folder `at`, and all that is in it, to a user. Follows no links, and stays on
 * the file system. Does nothing if the user has it already. FAILED_PRECONDITION for a file with a
 * second name, which may be anywhere; then what was not given yet can be given later. */
sw_code sw_hand_over(int at, const char *name, uid_t uid, gid_t gid, sw_error *error);

#endif
