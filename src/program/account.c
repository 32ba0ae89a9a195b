/* Users and capabilities (account.h). The two system calls for capabilities have no wrapper in
 * libc. */
#include "program/account.h"

#include "base/error.h"
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIT(capability) (UINT32_C(1) << (capability))
#define CHANGE_USER     (BIT(CAP_SETUID) | BIT(CAP_SETGID))

/* --- who --- */

static sw_code take(const struct passwd *user, const char *asked, sw_account *account, sw_error *error)
{
    if (user == NULL)
        return sw_fail(error, SW_NOT_FOUND, "there is no user %s", asked);
    *account = (sw_account){.uid = user->pw_uid, .gid = user->pw_gid};
    if ((size_t)snprintf(account->name, sizeof(account->name), "%s", user->pw_name) >=
            sizeof(account->name) ||
        (size_t)snprintf(account->home, sizeof(account->home), "%s", user->pw_dir) >= sizeof(account->home))
        return sw_fail(error, SW_INVALID_ARGUMENT, "the name or the home of user %s is too long", asked);
    return SW_OK;
}

sw_code sw_account_find(const char *name, sw_account *account, sw_error *error)
{
    return take(getpwnam(name), name, account, error);
}

sw_code sw_account_find_uid(uid_t uid, sw_account *account, sw_error *error)
{
    char text[24];
    snprintf(text, sizeof(text), "with uid %u", (unsigned)uid);
    return take(getpwuid(uid), text, account, error);
}

/* --- capabilities --- */

static bool set_capabilities(uint32_t permitted, uint32_t effective, uint32_t inheritable)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2] = {
        {.permitted = permitted, .effective = effective, .inheritable = inheritable}};
    return syscall(SYS_capset, &header, sets) == 0;
}

bool sw_account_pass_change_user(void)
{
    return set_capabilities(CHANGE_USER, CHANGE_USER, CHANGE_USER) &&
           prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETUID, 0, 0) == 0 &&
           prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETGID, 0, 0) == 0;
}

bool sw_account_may_change_user(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2] = {{0}};
    return syscall(SYS_capget, &header, sets) == 0 && (sets[0].effective & CHANGE_USER) == CHANGE_USER;
}

bool sw_account_give_up_capabilities(void)
{
    return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 && set_capabilities(0, 0, 0);
}

/* No program that is executed later can get another capability. Without CAP_SETPCAP, the bounding
 * set stays as it is. */
static void bound_capabilities(bool keep_change_user)
{
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
        if (!keep_change_user || (capability != CAP_SETUID && capability != CAP_SETGID))
            prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
}

/* --- becoming another user --- */

static sw_code fail_change(const sw_account *account, sw_error *error)
{
    return sw_fail(error, SW_INTERNAL, "cannot run as user %s: %s", account->name, strerror(errno));
}

sw_code sw_account_enter(const sw_account *account, sw_error *error)
{
    bool good = setgroups(1, &account->gid) == 0 && setegid(account->gid) == 0 && seteuid(account->uid) == 0;
    return good ? SW_OK : fail_change(account, error);
}

sw_code sw_account_leave(sw_error *error)
{
    bool good = seteuid(0) == 0 && setegid(0) == 0 && setgroups(0, NULL) == 0;
    return good ? SW_OK : sw_fail(error, SW_INTERNAL, "cannot become root again: %s", strerror(errno));
}

static bool set_variables(const sw_account *account)
{
    return setenv("HOME", account->home, 1) == 0 && setenv("USER", account->name, 1) == 0 &&
           setenv("LOGNAME", account->name, 1) == 0 && unsetenv("XDG_RUNTIME_DIR") == 0;
}

sw_code sw_account_become(const sw_account *account, bool keep_change_user, sw_error *error)
{
    const uint32_t reserve = keep_change_user ? CHANGE_USER : 0;
    int death_signal = 0; /* the change of user clears it */
    prctl(PR_GET_PDEATHSIG, &death_signal);
    bound_capabilities(keep_change_user);
    bool good = prctl(PR_SET_KEEPCAPS, keep_change_user, 0, 0, 0) == 0 &&
                initgroups(account->name, account->gid) == 0 &&
                setresgid(account->gid, account->gid, account->gid) == 0 &&
                setresuid(account->uid, account->uid, account->uid) == 0 &&
                prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 &&
                set_capabilities(reserve, 0, 0) && prctl(PR_SET_PDEATHSIG, death_signal) == 0 &&
                set_variables(account);
    return good ? SW_OK : fail_change(account, error);
}
