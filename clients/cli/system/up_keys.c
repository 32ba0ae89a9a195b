/* Key files of broker and services, and the list of who may serve. Each is made whole or not at all. */
#include "cli/system/up_keys.h"

#include "base/error.h"
#include "base/keyring.h"
#include "cert/cert.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static sw_code path(char to[PATH_MAX], const char *folder, const char *name, sw_error *error)
{
    int length = snprintf(to, PATH_MAX, "%s/%s", folder, name);
    return length < PATH_MAX ? SW_OK : sw_fail(error, SW_INVALID_ARGUMENT, "the path %s is too long", folder);
}

static sw_code ensure_key(const char *name, const char *label, const char *server_key, sw_key_file *key,
                          sw_error *error)
{
    sw_code code = sw_key_file_read(name, key, error);
    if (code != SW_NOT_FOUND)
        return code;
    code = sw_cert_make(key, error);
    snprintf(key->label, sizeof(key->label), "%s", label);
    snprintf(key->server_key, sizeof(key->server_key), "%s", server_key);
    return code != SW_OK ? code : sw_cert_write(name, key, error);
}

/* More may be added by `sitewire secret new-key`. */
static sw_code ensure_master_key(const char *name, sw_error *error)
{
    char id[SW_MASTER_KEY_ID];
    return access(name, F_OK) == 0 ? SW_OK : sw_keyring_add(name, id, error);
}

/* Others may be added to the list by hand; it is written once. */
static sw_code ensure_list(const char *name, const char *public_key, sw_error *error)
{
    char fresh[PATH_MAX + 8];
    if (access(name, F_OK) == 0)
        return SW_OK;
    snprintf(fresh, sizeof(fresh), "%s.new", name);
    unlink(fresh);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good =
        fd >= 0 &&
        dprintf(fd,
                "# The public keys of those who may serve by tcp, one a line.\n%s services of this system\n",
                public_key) > 0 &&
        fsync(fd) == 0;
    int failure = errno;
    if (fd >= 0)
        close(fd);
    if (good && rename(fresh, name) == 0)
        return SW_OK;
    return sw_fail(error, SW_FAILED_PRECONDITION, "cannot write %s: %s", name,
                   strerror(good ? errno : failure));
}

sw_code sw_keys_open(sw_keys *keys, const char *folder, sw_error *error)
{
    sw_key_file broker = {0}, service = {0};
    sw_code code;
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return sw_fail(error, SW_FAILED_PRECONDITION, "cannot make %s: %s", folder, strerror(errno));
    if ((code = path(keys->broker, folder, "broker.key", error)) == SW_OK &&
        (code = path(keys->service, folder, "service.key", error)) == SW_OK &&
        (code = path(keys->secrets, folder, "secrets", error)) == SW_OK &&
        (code = path(keys->service_keys, folder, "services", error)) == SW_OK &&
        (code = ensure_key(keys->broker, "broker", "", &broker, error)) == SW_OK &&
        (code = ensure_key(keys->service, "services", broker.public_key, &service, error)) == SW_OK &&
        (code = ensure_master_key(keys->secrets, error)) == SW_OK)
        code = ensure_list(keys->service_keys, service.public_key, error);
    snprintf(keys->server_key, sizeof(keys->server_key), "%s", broker.public_key);
    sw_key_file_wipe(&broker);
    sw_key_file_wipe(&service);
    return code;
}
