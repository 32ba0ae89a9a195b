/* Certificates (cert.h). Each is written beside its final name, checked by reading it again, and
 * linked into place. */
#include "cert/cert.h"

#include "base/error.h"
#include <czmq.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

sw_code sw_cert_make(sw_key_file *key, sw_error *error)
{
    memset(key, 0, sizeof(*key));
    zcert_t *cert = zcert_new();
    while (cert != NULL && zcert_public_txt(cert)[0] == '-') {
        zcert_destroy(&cert);
        cert = zcert_new();
    }
    if (cert == NULL)
        return sw_fail(error, SW_INTERNAL, "libzmq cannot make CURVE keys: it was built without them");
    memcpy(key->public_key, zcert_public_txt(cert), SW_KEY_SIZE);
    memcpy(key->secret_key, zcert_secret_txt(cert), SW_KEY_SIZE);
    zcert_destroy(&cert);
    return SW_OK;
}

static sw_code check_text(const char *field, const char *text, sw_error *error)
{
    for (const char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == '"' || *at == 0x7f)
            return sw_fail_field(error, SW_INVALID_ARGUMENT, field,
                                 "a certificate's %s must not contain quotes or control characters", field);
    return SW_OK;
}

static zcert_t *to_cert(const sw_key_file *key, bool is_public)
{
    uint8_t public_key[32], secret_key[32] = {0};
    if (!sw_key_from_text(key->public_key, public_key) ||
        (!is_public && !sw_key_from_text(key->secret_key, secret_key)))
        return NULL;
    zcert_t *cert = zcert_new_from(public_key, secret_key);
    explicit_bzero(secret_key, sizeof(secret_key));
    if (cert != NULL && key->label[0] != '\0')
        zcert_set_meta(cert, "label", "%s", key->label);
    if (cert != NULL && key->services[0] != '\0')
        zcert_set_meta(cert, "services", "%s", key->services);
    if (cert != NULL && !is_public && key->server_key[0] != '\0')
        zcert_set_meta(cert, "server-key", "%s", key->server_key);
    if (cert != NULL && !is_public && key->next_server_key[0] != '\0')
        zcert_set_meta(cert, "next-server-key", "%s", key->next_server_key);
    return cert;
}

/* CZMQ reports neither a full disk nor a value that its own reader takes otherwise, so the file is
 * loaded again. */
static bool is_whole(const char *path, const sw_key_file *key, bool is_public)
{
    zcert_t *cert = zcert_load(path);
    const char *label = cert != NULL ? zcert_meta(cert, "label") : NULL;
    const char *services = cert != NULL ? zcert_meta(cert, "services") : NULL;
    bool whole = cert != NULL && strcmp(zcert_public_txt(cert), key->public_key) == 0 &&
                 strcmp(label != NULL ? label : "", key->label) == 0 &&
                 strcmp(services != NULL ? services : "", key->services) == 0 &&
                 (is_public || strcmp(zcert_secret_txt(cert), key->secret_key) == 0);
    if (cert != NULL)
        zcert_destroy(&cert);
    return whole;
}

static bool sync_file(const char *path, mode_t mode)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool good = fd >= 0 && fchmod(fd, mode) == 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return good;
}

static bool save(const char *path, const sw_key_file *key, bool is_public)
{
    zcert_t *cert = to_cert(key, is_public);
    bool good =
        cert != NULL && (is_public ? zcert_save_public(cert, path) : zcert_save_secret(cert, path)) == 0;
    if (cert != NULL)
        zcert_destroy(&cert);
    return good && is_whole(path, key, is_public) && sync_file(path, is_public ? 0644 : 0600);
}

static sw_code write_file(const char *path, const sw_key_file *key, bool is_public, sw_error *error)
{
    char fresh[PATH_MAX];
    sw_code code = check_text("label", key->label, error);
    if (code == SW_OK)
        code = check_text("services", key->services, error);
    if (code != SW_OK)
        return code;
    if (snprintf(fresh, sizeof(fresh), "%s.XXXXXX", path) >= (int)sizeof(fresh))
        return sw_fail(error, SW_INVALID_ARGUMENT, "the path %.200s... is too long", path);
    int fd = mkstemp(fresh);
    if (fd < 0)
        return sw_fail(error, SW_FAILED_PRECONDITION, "cannot make the key file %s: %s", path,
                       strerror(errno));
    close(fd);
    errno = EIO; /* for what CZMQ does not explain */
    bool good = save(fresh, key, is_public) && link(fresh, path) == 0;
    int failure = errno;
    unlink(fresh);
    if (!good && failure == EEXIST)
        return sw_fail(error, SW_ALREADY_EXISTS,
                       "%s exists, and a key file is never overwritten: choose another name, or delete it",
                       path);
    return good ? SW_OK
                : sw_fail(error, SW_FAILED_PRECONDITION, "cannot write the key file %s: %s", path,
                          strerror(failure));
}

sw_code sw_cert_write(const char *path, const sw_key_file *key, sw_error *error)
{
    return write_file(path, key, false, error);
}

sw_code sw_cert_write_public(const char *path, const sw_key_file *key, sw_error *error)
{
    return write_file(path, key, true, error);
}
