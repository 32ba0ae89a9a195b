/* A path is walked part by part, each opened below the one before, because a check of a whole path
 * says nothing about what is there when it is used. */
#include "base/folder.h"

#include "base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as Linux */
#define USER_SIZE 64

typedef struct walk {
    sw_folder at; /* the folder reached; its path is "" for the root folder */
    char rest[PATH_MAX];
    int flags, links;
    uid_t other; /* the user besides root and ourselves that owns a part; 0: none yet */
} walk;

sw_code sw_file_code(int errno_value)
{
    bool refused = errno_value == EACCES || errno_value == EPERM || errno_value == EROFS;
    return errno_value == ENOENT ? SW_NOT_FOUND : refused ? SW_PERMISSION_DENIED : SW_FAILED_PRECONDITION;
}

static sw_code fail_at(const walk *w, const char *name, sw_error *error)
{
    return sw_fail(error, sw_file_code(errno), "%s/%s: %s", w->at.path, name, strerror(errno));
}

static const char *path_of(const walk *w)
{
    return *w->at.path == '\0' ? "/" : w->at.path;
}

/* The name of a user for messages, or the number. */
static const char *user_name(uid_t uid, char text[USER_SIZE])
{
    const struct passwd *user = getpwuid(uid);
    if (user != NULL)
        snprintf(text, USER_SIZE, "%s", user->pw_name);
    else
        snprintf(text, USER_SIZE, "uid %u", (unsigned)uid);
    return text;
}

/* --- who can write there --- */

/* Whether a user is the only member of a group, as where each user has a group of its own. */
static bool is_private_group(uid_t owner, gid_t gid)
{
    const struct passwd *user = getpwuid(owner);
    bool own = user != NULL && user->pw_gid == gid;
    char name[USER_SIZE] = "";
    if (own)
        snprintf(name, sizeof(name), "%s", user->pw_name);
    const struct group *group = own ? getgrgid(gid) : NULL;
    if (group == NULL || strcmp(group->gr_name, name) != 0)
        return false;
    for (char **member = group->gr_mem; *member != NULL; member++)
        if (strcmp(*member, name) != 0)
            return false;
    return true;
}

static bool others_can_write(const struct stat *about)
{
    return (about->st_mode & S_IWOTH) != 0 ||
           ((about->st_mode & S_IWGRP) != 0 && !is_private_group(about->st_uid, about->st_gid));
}

/* Whether we accept that a user owns a part of the path. */
static bool accept_owner(walk *w, uid_t uid)
{
    if (uid == 0 || uid == geteuid())
        return true;
    if (geteuid() != 0 || (w->other != 0 && w->other != uid))
        return false;
    w->other = uid;
    return true;
}

static sw_code check_trust(walk *w, bool is_last, sw_error *error)
{
    struct stat about;
    char user[USER_SIZE];
    if ((w->flags & SW_FOLDER_TRUSTED) == 0)
        return SW_OK;
    if (fstat(w->at.fd, &about) != 0)
        return fail_at(w, "", error);
    if (!accept_owner(w, about.st_uid))
        return sw_fail(error, SW_FAILED_PRECONDITION,
                       "%s belongs to %s, who could replace what is in it: choose another folder", path_of(w),
                       user_name(about.st_uid, user));
    if (others_can_write(&about) && (is_last || (about.st_mode & S_ISVTX) == 0))
        return sw_fail(error, SW_FAILED_PRECONDITION,
                       "other users can write %s (mode %04o), and could replace what is in it: run chmod "
                       "go-w %s, or choose another folder",
                       path_of(w), (unsigned)about.st_mode & 07777, path_of(w));
    if (is_last && about.st_uid == 0 && w->other != 0)
        return sw_fail(error, SW_FAILED_PRECONDITION,
                       "%s belongs to root, but a folder above it to %s, who could replace it: give it to "
                       "that user, or choose another folder",
                       path_of(w), user_name(w->other, user));
    return SW_OK;
}

/* --- the walk --- */

/* Cuts the next part of the path off. False at its end. */
static bool take_part(walk *w, char name[NAME_MAX + 1])
{
    const char *at = w->rest + strspn(w->rest, "/");
    size_t length = strcspn(at, "/");
    if (length == 0 || length > NAME_MAX)
        return false;
    memcpy(name, at, length);
    name[length] = '\0';
    memmove(w->rest, at + length, strlen(at + length) + 1);
    return true;
}

static bool is_at_end(const walk *w)
{
    return w->rest[strspn(w->rest, "/")] == '\0';
}

static sw_code move_to(walk *w, int fd, const char *name, sw_error *error)
{
    size_t used = strlen(w->at.path);
    if (fd < 0)
        return fail_at(w, name, error);
    close(w->at.fd);
    w->at.fd = fd;
    if (strcmp(name, "..") == 0)
        w->at.path[used == 0 ? 0 : strrchr(w->at.path, '/') - w->at.path] = '\0';
    else if ((size_t)snprintf(w->at.path + used, PATH_MAX - used, "/%s", name) >= PATH_MAX - used)
        return sw_fail(error, SW_INVALID_ARGUMENT, "the path %.100s... is too long", w->at.path);
    return SW_OK;
}

static int open_folder(int at, const char *name)
{
    return openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Goes on where a link leads. */
static sw_code follow(walk *w, const char *name, const struct stat *about, sw_error *error)
{
    char text[PATH_MAX], rest[PATH_MAX], user[USER_SIZE];
    if (about->st_uid != 0 && about->st_uid != geteuid())
        return sw_fail(error, SW_FAILED_PRECONDITION,
                       "%s/%s is a symbolic link that belongs to %s, and is not followed: name the place "
                       "that it leads to",
                       w->at.path, name, user_name(about->st_uid, user));
    ssize_t size = readlinkat(w->at.fd, name, text, sizeof(text));
    if (size < 0)
        return fail_at(w, name, error);
    if (++w->links > LINKS_MAX || size == (ssize_t)sizeof(text) ||
        (size_t)snprintf(rest, sizeof(rest), "%.*s/%s", (int)size, text, w->rest) >= sizeof(rest))
        return sw_fail(error, SW_FAILED_PRECONDITION, "%s/%s: too many links, or too long a path", w->at.path,
                       name);
    memcpy(w->rest, rest, sizeof(rest));
    if (*rest != '/')
        return SW_OK;
    *w->at.path = '\0';
    close(w->at.fd);
    w->at.fd = open_folder(AT_FDCWD, "/");
    return w->at.fd < 0 ? fail_at(w, "", error) : SW_OK;
}

/* Makes a folder as the owner of the one above, so that nobody gets a folder of ours. */
static sw_code make(const walk *w, const char *name, sw_error *error)
{
    struct stat above;
    bool failed = fstat(w->at.fd, &above) != 0;
    const struct passwd *user = failed ? NULL : getpwuid(above.st_uid);
    const bool change = (w->flags & SW_FOLDER_TRUSTED) != 0 && geteuid() == 0 && above.st_uid != 0;
    const gid_t own = getegid();
    if (!failed && change)
        failed = setegid(user != NULL ? user->pw_gid : above.st_gid) != 0 || seteuid(above.st_uid) != 0;
    const mode_t mode = (w->flags & SW_FOLDER_TRUSTED) != 0 ? 0755 : 0777;
    failed = failed || (mkdirat(w->at.fd, name, mode) != 0 && errno != EEXIST);
    int saved = errno;
    if (change && (seteuid(0) != 0 || setegid(own) != 0))
        return sw_fail(error, SW_INTERNAL, "cannot become root again: %s", strerror(errno));
    return failed ? sw_fail(error, sw_file_code(saved), "cannot make %s/%s: %s", w->at.path, name,
                            strerror(saved))
                  : SW_OK;
}

static sw_code enter(walk *w, const char *name, sw_error *error)
{
    struct stat about;
    sw_code code;
    if (strcmp(name, ".") == 0)
        return SW_OK;
    if ((code = check_trust(w, false, error)) != SW_OK)
        return code;
    if (fstatat(w->at.fd, name, &about, AT_SYMLINK_NOFOLLOW) == 0) {
        if (S_ISLNK(about.st_mode))
            return follow(w, name, &about, error);
    } else if (errno != ENOENT || (w->flags & SW_FOLDER_MAKE) == 0) {
        return fail_at(w, name, error);
    } else if ((code = make(w, name, error)) != SW_OK) {
        return code;
    }
    return move_to(w, open_folder(w->at.fd, name), name, error);
}

/* Begins at the root folder, or for a relative path at the current one. */
static sw_code begin(walk *w, const char *path, int flags, sw_error *error)
{
    char current[PATH_MAX] = "";
    *w = (walk){.at.fd = open_folder(AT_FDCWD, "/"), .flags = flags};
    if (w->at.fd < 0 || (*path != '/' && getcwd(current, sizeof(current)) == NULL))
        return sw_fail(error, sw_file_code(errno), "%.200s: %s", path, strerror(errno));
    if (*path == '\0')
        return sw_fail(error, SW_INVALID_ARGUMENT, "an empty path");
    int length = snprintf(w->rest, sizeof(w->rest), "%s/%s", current, path);
    return length < (int)sizeof(w->rest)
               ? SW_OK
               : sw_fail(error, SW_INVALID_ARGUMENT, "the path %.100s... is too long", path);
}

static sw_code finish(walk *w, sw_folder *folder, sw_code code, sw_error *error)
{
    struct stat about;
    if (code == SW_OK && fstat(w->at.fd, &about) != 0)
        code = fail_at(w, "", error);
    if (code != SW_OK) {
        sw_folder_close(&w->at);
        return code;
    }
    *folder = w->at;
    folder->owner = about.st_uid;
    if (*folder->path == '\0')
        strcpy(folder->path, "/");
    return SW_OK;
}

sw_code sw_folder_open(const char *path, int flags, sw_folder *folder, sw_error *error)
{
    walk w;
    char name[NAME_MAX + 1];
    folder->fd = -1;
    sw_code code = begin(&w, path, flags, error);
    while (code == SW_OK && take_part(&w, name))
        code = enter(&w, name, error);
    if (code == SW_OK && !is_at_end(&w))
        code = sw_fail(error, SW_INVALID_ARGUMENT, "a name in the path %.100s... is too long", path);
    if (code == SW_OK)
        code = check_trust(&w, true, error);
    return finish(&w, folder, code, error);
}

/* Whether the last part of a path is looked at as it is. A link to a regular file or to nothing is
 * followed. */
static bool is_final(const walk *w, const char *name, const struct stat *link)
{
    struct stat about;
    if (!S_ISLNK(link->st_mode))
        return true;
    bool ours = link->st_uid == 0 || link->st_uid == geteuid();
    return ours && fstatat(w->at.fd, name, &about, 0) == 0 && !S_ISREG(about.st_mode);
}

sw_code sw_folder_of_file(const char *path, sw_folder *folder, char name[NAME_MAX + 1], sw_error *error)
{
    walk w;
    struct stat about;
    folder->fd = -1;
    sw_code code = begin(&w, path, 0, error);
    while (code == SW_OK && take_part(&w, name)) {
        if (!is_at_end(&w))
            code = enter(&w, name, error);
        else if (fstatat(w.at.fd, name, &about, AT_SYMLINK_NOFOLLOW) != 0 || is_final(&w, name, &about))
            return finish(&w, folder, SW_OK, error);
        else
            code = follow(&w, name, &about, error);
    }
    if (code == SW_OK)
        code = sw_fail(error, SW_INVALID_ARGUMENT, "%.200s does not name a file", path);
    return finish(&w, folder, code, error);
}

void sw_folder_close(sw_folder *folder)
{
    if (folder->fd >= 0)
        close(folder->fd);
    folder->fd = -1;
}

FILE *sw_folder_new_file(const sw_folder *folder, const char *name, mode_t mode)
{
    unlinkat(folder->fd, name, 0);
    int fd = openat(folder->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (file == NULL && fd >= 0)
        close(fd);
    return file;
}
