/* Users without a key: --local-users maps the uid of a process on ipc to a user, and --caller
 * names one user for everybody. Used by auth.c. */
#ifndef SW_BROKER_LOCAL_USERS_H
#define SW_BROKER_LOCAL_USERS_H

#include "broker/auth/identity.h"

#define SW_LOCAL_USERS_MAX 64

typedef struct sw_local_user {
    int64_t uid; /* or SW_UID_ANY */
    char user[SW_USER_MAX + 1];
} sw_local_user;

typedef struct sw_local_users {
    sw_view caller; /* --caller; empty: not given */
    sw_local_user items[SW_LOCAL_USERS_MAX];
    size_t count;
} sw_local_users;

/* Reads both options; NULL is empty. INVALID_ARGUMENT names the option and what is wrong.
 * `caller` is borrowed. */
sw_code sw_local_users_read(sw_local_users *all, const char *caller, const char *text, sw_error *error);
/* The user that --local-users names for a uid; empty if none. The uid is -1 on tcp, which names
 * nobody. */
sw_view sw_local_users_find(const sw_local_users *all, int64_t uid);
/* The user of an unencrypted connection: --caller, or what --local-users says. */
sw_view sw_local_users_plain(const sw_local_users *all, int64_t uid);

#endif
