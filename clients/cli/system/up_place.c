/* DATA and its user (up_place.h). */
#include "cli/system/up_place.h"

#include "base/error.h"
#include "base/log.h"
#include "cli/system/child.h"
#include "cli/system/hand_over.h"
#include "program/process.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYSTEM_USER "sitewire"
#define TRIES       5 /* another `sitewire up` may be creating the same user */

/* --- the user --- */

/* Creates the system user that runs systems of root's. */
static sw_code create_user(sw_account *account, sw_error *error)
{
    const char *const arguments[] = {
        "/usr/sbin/useradd", "--system", "--user-group",      "--no-create-home", "--home-dir",
        "/nonexistent",      "--shell",  "/usr/sbin/nologin", SYSTEM_USER,        NULL};
    sw_code code = SW_NOT_FOUND;
    sw_error why = {0};
    for (int i = 0; i < TRIES && code == SW_NOT_FOUND; i++) {
        if (sw_child_run(arguments, (sw_child_identity){0}, -1, &why) == SW_OK)
            sw_log(SW_LOG_INFO, "created the system user that runs PostgreSQL, broker and services", "user",
                   SYSTEM_USER, NULL);
        else if (i > 0)
            poll(NULL, 0, 200);
        code = sw_account_find(SYSTEM_USER, account, error);
    }
    return code != SW_NOT_FOUND
               ? code
               : sw_fail(error, SW_FAILED_PRECONDITION,
                         "cannot create the system user " SYSTEM_USER " (%s): create it, or name another "
                         "user with --user",
                         why.message);
}

static sw_code find_system_user(sw_account *account, sw_error *error)
{
    sw_code code = sw_account_find(SYSTEM_USER, account, error);
    return code == SW_NOT_FOUND ? create_user(account, error) : code;
}

static sw_code check_choice(const sw_up_place *place, sw_error *error)
{
    const sw_account *account = &place->account;
    if (account->uid == 0 && geteuid() == 0)
        return sw_fail(error, SW_INVALID_ARGUMENT,
                       "--user: PostgreSQL and the programs do not run as root: name another user");
    if (geteuid() != 0 && account->uid != geteuid())
        return sw_fail(error, SW_PERMISSION_DENIED, "--user %s: only root can run a system as another user",
                       account->name);
    if (place->data.owner != 0 && place->data.owner != account->uid)
        return sw_fail(error, SW_FAILED_PRECONDITION,
                       "%s belongs to uid %u, not to %s: leave --user out, or choose another --data",
                       place->data.path, (unsigned)place->data.owner, account->name);
    if (geteuid() != 0 && place->data.owner == 0)
        return sw_fail(error, SW_FAILED_PRECONDITION, "%s belongs to root: choose another --data",
                       place->data.path);
    return SW_OK;
}

static sw_code choose_user(sw_up_place *place, const char *user, sw_error *error)
{
    sw_code code;
    if (user != NULL)
        code = sw_account_find(user, &place->account, error);
    else if (geteuid() == 0 && place->data.owner == 0)
        code = find_system_user(&place->account, error);
    else
        code = sw_account_find_uid(geteuid() == 0 ? place->data.owner : geteuid(), &place->account, error);
    if (code == SW_NOT_FOUND)
        return sw_fail(error, SW_FAILED_PRECONDITION, "%s: %s",
                       user != NULL ? "--user" : "PostgreSQL needs a user that has a name", error->message);
    return code == SW_OK ? check_choice(place, error) : code;
}

/* --- the folder --- */

/* What the user gets in a DATA of root's. */
static const struct {
    const char *name;
    mode_t mode; /* 0: made elsewhere */
} shared[] = {{"keys", 0700}, {"run", 0755}, {"postgresql", 0}};
#define SHARED (sizeof(shared) / sizeof(*shared))

sw_code sw_up_place_open(sw_up_place *place, const char *data, const char *user, sw_error *error)
{
    *place = (sw_up_place){.data.fd = -1, .lock = -1};
    if (geteuid() == 0 && setgroups(0, NULL) != 0)
        return sw_fail(error, SW_INTERNAL, "setgroups: %s", strerror(errno));
    sw_code code = sw_folder_open(data, SW_FOLDER_MAKE | SW_FOLDER_TRUSTED, &place->data, error);
    return code == SW_OK ? choose_user(place, user, error) : code;
}

bool sw_up_place_is_roots(const sw_up_place *place)
{
    return geteuid() == 0 && place->data.owner == 0;
}

static sw_code fail_taken(const sw_up_place *place, int fd, sw_error *error)
{
    char owner[32];
    ssize_t size = read(fd, owner, sizeof(owner) - 1);
    owner[size > 0 ? size : 0] = '\0';
    owner[strcspn(owner, "\n")] = '\0';
    return sw_fail(error, SW_FAILED_PRECONDITION,
                   "another `sitewire up` (pid %s) runs in %s: end it, or choose another --data", owner,
                   place->data.path);
}

/* Root gives nothing away that `sitewire up` has not made, such as /run with --data /. */
static sw_code check_ours(const sw_up_place *place, sw_error *error)
{
    struct stat about;
    if (!sw_up_place_is_roots(place) || fstatat(place->data.fd, "lock", &about, AT_SYMLINK_NOFOLLOW) == 0)
        return SW_OK;
    for (size_t i = 0; i < SHARED; i++)
        if (fstatat(place->data.fd, shared[i].name, &about, AT_SYMLINK_NOFOLLOW) == 0)
            return sw_fail(error, SW_FAILED_PRECONDITION,
                           "%s is not a folder of `sitewire up`, but has %s in it: choose another --data",
                           place->data.path, shared[i].name);
    return SW_OK;
}

sw_code sw_up_place_lock(sw_up_place *place, sw_error *error)
{
    struct stat about;
    sw_code code = check_ours(place, error);
    if (code != SW_OK)
        return code;
    int fd = openat(place->data.fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (fd < 0 || fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))
        code = sw_fail(error, SW_FAILED_PRECONDITION, "cannot open %s/lock: %s", place->data.path,
                       fd < 0 ? strerror(errno) : "it is not a regular file");
    else if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        code = fail_taken(place, fd, error);
    else if (ftruncate(fd, 0) != 0 || dprintf(fd, "%d\n", (int)getpid()) < 0)
        code = sw_fail(error, SW_FAILED_PRECONDITION, "cannot write %s/lock: %s", place->data.path,
                       strerror(errno));
    if (code == SW_OK)
        place->lock = fd;
    else if (fd >= 0)
        close(fd);
    return code;
}

sw_code sw_up_place_share(const sw_up_place *place, sw_error *error)
{
    const sw_account *account = &place->account;
    sw_code code = SW_OK;
    for (size_t i = 0; i < SHARED && code == SW_OK; i++) {
        const char *name = shared[i].name;
        if (shared[i].mode != 0 && mkdirat(place->data.fd, name, shared[i].mode) != 0 && errno != EEXIST)
            return sw_fail(error, SW_FAILED_PRECONDITION, "cannot make %s/%s: %s", place->data.path, name,
                           strerror(errno));
        code = sw_hand_over(place->data.fd, name, account->uid, account->gid, error);
    }
    return code;
}

sw_code sw_up_place_become(const sw_up_place *place, bool keep_change_user, sw_error *error)
{
    if (geteuid() == 0) {
        sw_code code = sw_account_become(&place->account, keep_change_user, error);
        if (code != SW_OK)
            return code;
        sw_log(SW_LOG_INFO, "running as another user", "user", place->account.name, NULL);
    }
    sw_process_keep_private(); /* the change of user has reset it */
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
               ? SW_OK
               : sw_fail(error, SW_INTERNAL, "no_new_privs: %s", strerror(errno));
}

void sw_up_place_close(sw_up_place *place)
{
    if (place->lock >= 0) {
        (void)!ftruncate(place->lock, 0); /* a pid that is not ours any more must not be ended */
        close(place->lock);
    }
    place->lock = -1;
    sw_folder_close(&place->data);
}
