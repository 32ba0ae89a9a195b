/* The user that a process runs as, and how root becomes another one. Used by `sitewire up` and the
 * runner. One thread. */
#ifndef SW_PROGRAM_ACCOUNT_H
#define SW_PROGRAM_ACCOUNT_H

#include <limits.h>
#include <sitewire/status.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct sw_account {
    char name[64];
    uid_t uid;
    gid_t gid;
    char home[PATH_MAX];
} sw_account;

/* NOT_FOUND if there is no such user. */
sw_code sw_account_find(const char *name, sw_account *account, sw_error *error);
sw_code sw_account_find_uid(uid_t uid, sw_account *account, sw_error *error);

/* Root acts with the rights of a user, and then as root again. INTERNAL if the system refuses. */
sw_code sw_account_enter(const sw_account *account, sw_error *error);
sw_code sw_account_leave(sw_error *error);

/* Root becomes a user for good, with that user's groups, no capabilities, and variables HOME, USER
 * and LOGNAME. `keep_change_user`: it keeps CAP_SETUID and CAP_SETGID in reserve, for
 * sw_account_pass_change_user. INTERNAL if the system refuses: then the process must end. */
sw_code sw_account_become(const sw_account *account, bool keep_change_user, sw_error *error);

/* Between fork and exec: the program that is executed may change its user, and has no other
 * capability. For a process that has that reserve. Async-signal-safe. False with errno. */
bool sw_account_pass_change_user(void);

/* Whether this process may change its user: as root, or by those two capabilities. */
bool sw_account_may_change_user(void);

/* Gives up all capabilities; what is executed gets none. Async-signal-safe. False with errno. */
bool sw_account_give_up_capabilities(void);

#endif
