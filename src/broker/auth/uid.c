/* Users of this machine (uid.h). */
#include "broker/auth/uid.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_SIZE 256 /* bytes of a user's name, with NUL */

static bool read_number(const char *text, int64_t *uid)
{
    char *end;
    *uid = strtoll(text, &end, 10);
    return *end == '\0' && *uid <= UINT32_MAX;
}

static bool find_user(const char *name, int64_t *uid)
{
    const struct passwd *user = getpwnam(name);
    if (user != NULL)
        *uid = user->pw_uid;
    return user != NULL;
}

bool sw_uid_read(sw_view text, int64_t *uid)
{
    char copy[NAME_MAX_SIZE];
    if (text.size == 0 || text.size >= sizeof(copy) || memchr(text.data, '\0', text.size) != NULL)
        return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    *uid = SW_UID_ANY;
    if (strcmp(copy, "*") == 0)
        return true;
    return *copy >= '0' && *copy <= '9' ? read_number(copy, uid) : find_user(copy, uid);
}
