/* See hand_over.h. The former owner may still change what is there. So each thing is opened without
 * following links, and judged and given by its descriptor. A folder is given after what is in it:
 * if it is interrupted, the next start goes on. */
#include "cli/system/hand_over.h"

#include "base/error.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 32

typedef struct heir {
    uid_t uid;
    gid_t gid;
    dev_t device;
} heir;

static sw_code give(int at, const char *name, const heir *to, int depth, sw_error *error);

static sw_code fail(const char *name, const char *why, sw_error *error)
{
    return sw_fail(error, SW_FAILED_PRECONDITION, "cannot change the owner of %s: %s", name, why);
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static sw_code give_contents(int folder, const char *name, const heir *to, int depth, sw_error *error)
{
    int fd = depth > 0 ? openat(folder, ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    sw_code code = SW_OK;
    if (entries == NULL) {
        if (fd >= 0)
            close(fd);
        return fail(name, depth > 0 ? strerror(errno) : "too deep", error);
    }
    for (const struct dirent *entry; code == SW_OK && (entry = readdir(entries)) != NULL;)
        if (!is_dots(entry->d_name))
            code = give(folder, entry->d_name, to, depth - 1, error);
    closedir(entries);
    return code;
}

static sw_code give_opened(int fd, const char *name, const heir *to, int depth, sw_error *error)
{
    struct stat about;
    if (fstat(fd, &about) != 0)
        return fail(name, strerror(errno), error);
    if (about.st_uid == to->uid && depth == DEPTH_MAX)
        return SW_OK;
    if (about.st_dev != to->device)
        return fail(name, "it is on another file system", error);
    if (!S_ISDIR(about.st_mode) && about.st_nlink > 1)
        return fail(name, "it has a second name somewhere", error);
    sw_code code = S_ISDIR(about.st_mode) ? give_contents(fd, name, to, depth, error) : SW_OK;
    if (code == SW_OK && fchownat(fd, "", to->uid, to->gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0)
        code = fail(name, strerror(errno), error);
    return code;
}

static sw_code give(int at, const char *name, const heir *to, int depth, sw_error *error)
{
    int fd = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? SW_OK : fail(name, strerror(errno), error);
    sw_code code = give_opened(fd, name, to, depth, error);
    close(fd);
    return code;
}

sw_code sw_hand_over(int at, const char *name, uid_t uid, gid_t gid, sw_error *error)
{
    struct stat about;
    if (fstat(at, &about) != 0)
        return fail(name, strerror(errno), error);
    const heir to = {.uid = uid, .gid = gid, .device = about.st_dev};
    return give(at, name, &to, DEPTH_MAX, error);
}
