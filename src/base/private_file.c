/* A file is opened once and checked through its descriptor, so that nobody can replace it in
 * between. A value has neither quotes nor line ends, so nothing is escaped. */
#include "base/private_file.h"

#include "base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static sw_code check_status(int fd, const char *path, sw_error *error)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return sw_fail(error, SW_FAILED_PRECONDITION, "the key file %s is not a regular file", path);
    if (status.st_uid != geteuid())
        return sw_fail(
            error, SW_FAILED_PRECONDITION,
            "the key file %s belongs to uid %u, but this process runs as uid %u: a key has one owner", path,
            (unsigned)status.st_uid, (unsigned)geteuid());
    if ((status.st_mode & 0177) != 0)
        return sw_fail(error, SW_FAILED_PRECONDITION,
                       "the key file %s has mode %04o, so others may have read it: run chmod 600 %s, and "
                       "replace the key if "
                       "somebody might have",
                       path, (unsigned)status.st_mode & 07777, path);
    return SW_OK;
}

static sw_code read_all(int fd, const char *path, char *text, size_t size, sw_error *error)
{
    size_t used = 0;
    for (ssize_t count; used < size && (count = read(fd, text + used, size - used)) != 0;) {
        if (count < 0)
            return sw_fail(error, SW_FAILED_PRECONDITION, "cannot read the key file %s: %s", path,
                           strerror(errno));
        used += (size_t)count;
    }
    if (used == size || memchr(text, '\0', used) != NULL)
        return sw_fail(error, SW_FAILED_PRECONDITION,
                       "%s is not a key file: it has more than %zu bytes, or a NUL", path, size - 1);
    text[used] = '\0';
    return SW_OK;
}

sw_code sw_private_file_read(const char *path, char *text, size_t size, sw_error *error)
{
    text[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return sw_fail(error, errno == ENOENT ? SW_NOT_FOUND : SW_FAILED_PRECONDITION,
                       "cannot open the key file %s: %s", path, strerror(errno));
    sw_code code = check_status(fd, path, error);
    if (code == SW_OK)
        code = read_all(fd, path, text, size, error);
    close(fd);
    return code;
}

/* Cuts a line into name and value. */
static bool cut(char *line, char **name, char **value)
{
    size_t length = strcspn(line, " \t\r=");
    char *at = line + length;
    at += strspn(at, " \t\r");
    *name = line;
    *value = NULL;
    if (length > 0 && *at == '\0') {
        line[length] = '\0';
        return true;
    }
    if (length == 0 || *at++ != '=')
        return false;
    at += strspn(at, " \t");
    size_t size = *at == '"' ? strcspn(at + 1, "\"") : 0;
    if (*at != '"' || at[1 + size] != '"' || at[2 + size + strspn(at + 2 + size, " \t\r")] != '\0')
        return false;
    line[length] = at[1 + size] = '\0';
    *value = at + 1;
    return true;
}

sw_code sw_private_file_next(char **rest, int *number, const char *path, char **name, char **value,
                             sw_error *error)
{
    *name = NULL;
    for (char *line; (line = strsep(rest, "\n")) != NULL;) {
        ++*number;
        line += strspn(line, " \t\r");
        if (*line == '\0' || *line == '#')
            continue;
        return cut(line, name, value) ? SW_OK
                                      : sw_fail(error, SW_FAILED_PRECONDITION,
                                                "%s, line %d: expected name = \"value\"", path, *number);
    }
    return SW_OK;
}
