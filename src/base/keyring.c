/* The file of master keys (keyring.h). A key is 32 random bytes, so no crypto library is needed. */
#include "base/keyring.h"

#include "base/error.h"
#include "base/private_file.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_SIZE 8192

void sw_keyring_wipe(sw_keyring *ring)
{
    explicit_bzero(ring, sizeof(*ring));
}

const sw_master_key *sw_keyring_find(const sw_keyring *ring, const char *id)
{
    for (size_t i = 0; i < ring->count; i++)
        if (strcmp(ring->keys[i].id, id) == 0)
            return &ring->keys[i];
    return NULL;
}

/* --- Reading --- */

static bool read_bytes(const char *text, uint8_t bytes[SW_MASTER_KEY_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    if (strlen(text) != 2 * SW_MASTER_KEY_BYTES)
        return false;
    for (size_t i = 0; i < 2 * SW_MASTER_KEY_BYTES; i++) {
        const char *digit = strchr(digits, text[i]);
        if (digit == NULL)
            return false;
        bytes[i / 2] = (uint8_t)(bytes[i / 2] << 4 | (digit - digits));
    }
    return true;
}

static sw_code take_key(const char *id, const char *text, sw_keyring *ring, const char *path, int number,
                        sw_error *error)
{
    size_t size = strlen(id);
    if (text == NULL)
        return sw_fail(error, SW_FAILED_PRECONDITION, "%s, line %d: expected ID = \"KEY\"", path, number);
    if (size >= SW_MASTER_KEY_ID || strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") != size)
        return sw_fail(error, SW_FAILED_PRECONDITION,
                       "%s, line %d: the id of a key has 1 to 32 characters of a-z 0-9 -", path, number);
    if (sw_keyring_find(ring, id) != NULL)
        return sw_fail(error, SW_FAILED_PRECONDITION, "%s, line %d: another key has the id `%s`", path,
                       number, id);
    if (ring->count == SW_MASTER_KEYS_MAX)
        return sw_fail(error, SW_FAILED_PRECONDITION,
                       "%s has more than %d keys: remove those that `sitewire secret list` no longer shows",
                       path, SW_MASTER_KEYS_MAX);
    sw_master_key *key = &ring->keys[ring->count++];
    memcpy(key->id, id, size + 1);
    return read_bytes(text, key->bytes)
               ? SW_OK
               : sw_fail(error, SW_FAILED_PRECONDITION,
                         "%s, line %d: key `%s` is not 64 hexadecimal digits in lower case", path, number,
                         id);
}

sw_code sw_keyring_read(const char *path, sw_keyring *ring, sw_error *error)
{
    char text[FILE_SIZE], *rest = text, *id = NULL, *value = NULL;
    int number = 0;
    memset(ring, 0, sizeof(*ring));
    sw_code code = sw_private_file_read(path, text, sizeof(text), error);
    while (code == SW_OK &&
           (code = sw_private_file_next(&rest, &number, path, &id, &value, error)) == SW_OK && id != NULL)
        code = take_key(id, value, ring, path, number, error);
    explicit_bzero(text, sizeof(text));
    if (code == SW_OK && ring->count == 0)
        code = sw_fail(error, SW_FAILED_PRECONDITION,
                       "the key file %s has no key: `sitewire secret new-key %s` adds one", path, path);
    if (code != SW_OK)
        sw_keyring_wipe(ring);
    return code;
}

/* --- Writing --- */

/* The id begins with the date, so that people see which keys are old. */
static sw_code make_key(sw_master_key *key, sw_error *error)
{
    uint8_t tail[3];
    time_t now = time(NULL);
    struct tm day;
    char date[16];
    if (getrandom(key->bytes, sizeof(key->bytes), 0) != sizeof(key->bytes) ||
        getrandom(tail, sizeof(tail), 0) != sizeof(tail))
        return sw_fail(error, SW_INTERNAL, "the system has no random bytes: %s", strerror(errno));
    strftime(date, sizeof(date), "%Y-%m-%d", gmtime_r(&now, &day));
    snprintf(key->id, sizeof(key->id), "%s-%02x%02x%02x", date, tail[0], tail[1], tail[2]);
    return SW_OK;
}

static bool write_key(int fd, const sw_master_key *key)
{
    char text[2 * SW_MASTER_KEY_BYTES + 1];
    for (size_t i = 0; i < SW_MASTER_KEY_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", key->bytes[i]);
    bool good = dprintf(fd, "%s = \"%s\"\n", key->id, text) > 0;
    explicit_bzero(text, sizeof(text));
    return good;
}

static bool write_all(const char *fresh, const sw_keyring *ring)
{
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good =
        fd >= 0 && fchmod(fd, 0600) == 0 &&
        dprintf(fd, "# Master keys of sitewire's secrets: the last one seals, any of them opens. Keep a copy "
                    "elsewhere.\n") > 0;
    for (size_t i = 0; good && i < ring->count; i++)
        good = write_key(fd, &ring->keys[i]);
    good = good && fsync(fd) == 0;
    return fd >= 0 && close(fd) == 0 && good;
}

/* Replaces the file in one step: a reader sees the old one or the new one. */
static sw_code replace(const char *path, const sw_keyring *ring, sw_error *error)
{
    char fresh[PATH_MAX];
    if ((size_t)snprintf(fresh, sizeof(fresh), "%s.new", path) >= sizeof(fresh))
        return sw_fail(error, SW_INVALID_ARGUMENT, "the path %.200s... is too long", path);
    if (write_all(fresh, ring) && rename(fresh, path) == 0)
        return SW_OK;
    if (errno == EEXIST) /* of another writer, or left behind by an interrupted one */
        return sw_fail(error, SW_ALREADY_EXISTS, "%s exists: if nobody else is changing the keys, remove it",
                       fresh);
    sw_fail(error, SW_FAILED_PRECONDITION, "cannot write %s: %s", fresh, strerror(errno));
    unlink(fresh);
    return SW_FAILED_PRECONDITION;
}

sw_code sw_keyring_add(const char *path, char id[SW_MASTER_KEY_ID], sw_error *error)
{
    sw_keyring ring;
    sw_code code = sw_keyring_read(path, &ring, error);
    if (code == SW_NOT_FOUND)
        code = SW_OK;
    if (code == SW_OK && ring.count == SW_MASTER_KEYS_MAX)
        code = sw_fail(error, SW_FAILED_PRECONDITION, "%s has %d keys already: remove old ones first", path,
                       SW_MASTER_KEYS_MAX);
    if (code == SW_OK)
        code = make_key(&ring.keys[ring.count], error);
    if (code == SW_OK) {
        memcpy(id, ring.keys[ring.count++].id, SW_MASTER_KEY_ID);
        code = replace(path, &ring, error);
    }
    sw_keyring_wipe(&ring);
    return code;
}

sw_code sw_keyring_remove(const char *path, const char *id, sw_error *error)
{
    sw_keyring ring;
    sw_code code = sw_keyring_read(path, &ring, error);
    const sw_master_key *key = code == SW_OK ? sw_keyring_find(&ring, id) : NULL;
    size_t at = key != NULL ? (size_t)(key - ring.keys) : 0;
    if (code == SW_OK && key == NULL)
        code = sw_fail(error, SW_NOT_FOUND, "%s has no key `%s`", path, id);
    else if (code == SW_OK && at + 1 == ring.count)
        code = sw_fail(error, SW_FAILED_PRECONDITION,
                       "`%s` is the newest key: `sitewire secret new-key` adds one that takes its place", id);
    if (code == SW_OK) {
        memmove(&ring.keys[at], &ring.keys[at + 1], (ring.count - at - 1) * sizeof(*ring.keys));
        ring.count--;
        code = replace(path, &ring, error);
    }
    sw_keyring_wipe(&ring);
    return code;
}
