/* Key files of the broker, the services and the runner, and the certificates of the keys that may
 * serve. Each file is written completely or not at all. */
#include "cli/system/up_keys.h"

#include "base/error.h"
#include "base/keyring.h"
#include "cert/cert.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static sw_code path(char to[PATH_MAX], const char *folder, const char *name, sw_error *error)
{
    int length = snprintf(to, PATH_MAX, "%s/%s", folder, name);
    return length < PATH_MAX ? SW_OK : sw_fail(error, SW_INVALID_ARGUMENT, "the path %s is too long", folder);
}

/* Puts a new file in the place of the old one, so that readers see a whole one. */
static sw_code replace_key(const char *name, const sw_key_file *key, sw_error *error)
{
    char fresh[PATH_MAX + 8];
    snprintf(fresh, sizeof(fresh), "%s.new", name);
    unlink(fresh); /* of a run that was killed */
    sw_code code = sw_cert_write(fresh, key, error);
    return code != SW_OK || rename(fresh, name) == 0
               ? code
               : sw_fail(error, SW_FAILED_PRECONDITION, "cannot rename %s: %s", fresh, strerror(errno));
}

/* The broker's key was changed while nothing ran: our programs trust the new one. */
static sw_code trust(const char *name, const char *server_key, sw_key_file *key, sw_error *error)
{
    if (strcmp(key->server_key, server_key) == 0 || strcmp(key->next_server_key, server_key) == 0)
        return SW_OK;
    snprintf(key->server_key, sizeof(key->server_key), "%s", server_key);
    key->next_server_key[0] = '\0';
    return replace_key(name, key, error);
}

static sw_code ensure_key(const char *name, const char *label, const char *server_key, sw_key_file *key,
                          sw_error *error)
{
    sw_code code = sw_key_file_read(name, key, error);
    if (code == SW_OK)
        return trust(name, server_key, key, error);
    if (code != SW_NOT_FOUND)
        return code;
    code = sw_cert_make(key, error);
    snprintf(key->label, sizeof(key->label), "%s", label);
    snprintf(key->server_key, sizeof(key->server_key), "%s", server_key);
    return code != SW_OK ? code : sw_cert_write(name, key, error);
}

/* `sitewire secret new-key` may add further keys. */
static sw_code ensure_master_key(const char *name, sw_error *error)
{
    char id[SW_MASTER_KEY_ID];
    return access(name, F_OK) == 0 ? SW_OK : sw_keyring_add(name, id, error);
}

/* --- The folder of keys that may serve; users add to it with `sitewire key public` --- */

static sw_code add_certificate(const char *folder, const char *name, const char *public_key, sw_error *error)
{
    char at[PATH_MAX];
    sw_key_file key = {0};
    snprintf(key.public_key, sizeof(key.public_key), "%.40s", public_key);
    snprintf(key.label, sizeof(key.label), "%s", name);
    sw_code code = path(at, folder, name, error);
    if (code == SW_OK)
        code = sw_cert_write_public(at, &key, error);
    return code == SW_ALREADY_EXISTS ? SW_OK : code;
}

/* Turns the list of public keys that earlier builds had, one per line, into certificates. */
static sw_code add_lines(const char *folder, FILE *list, sw_error *error)
{
    char line[512], name[32];
    sw_code code = SW_OK;
    for (int number = 1; code == SW_OK && fgets(line, sizeof(line), list) != NULL; number++) {
        line[strcspn(line, " \t\r\n")] = '\0';
        snprintf(name, sizeof(name), "line-%d", number);
        if (sw_key_is_valid(line))
            code = add_certificate(folder, name, line, error);
    }
    return code;
}

/* Converts the list in DATA/keys and removes it. Safe to repeat: it only adds certificates. */
static sw_code take_over_list(const char *folder, const char *keys_folder, sw_error *error)
{
    char old[PATH_MAX];
    sw_code code = path(old, keys_folder, "services", error);
    FILE *list = code == SW_OK ? fopen(old, "re") : NULL;
    if (list == NULL)
        return code;
    code = add_lines(folder, list, error);
    fclose(list);
    if (code == SW_OK && unlink(old) != 0)
        code = sw_fail(error, SW_FAILED_PRECONDITION, "cannot remove %s: %s", old, strerror(errno));
    return code;
}

static sw_code ensure_folder(const char *folder, sw_error *error)
{
    return mkdir(folder, 0700) == 0 || errno == EEXIST
               ? SW_OK
               : sw_fail(error, SW_FAILED_PRECONDITION, "cannot make %s: %s", folder, strerror(errno));
}

sw_code sw_keys_open(sw_keys *keys, const char *folder, sw_error *error)
{
    sw_key_file broker = {0};
    sw_code code;
    snprintf(keys->folder, sizeof(keys->folder), "%s", folder);
    if ((code = ensure_folder(folder, error)) == SW_OK &&
        (code = path(keys->broker, folder, "broker.key", error)) == SW_OK &&
        (code = path(keys->secrets, folder, "secrets", error)) == SW_OK &&
        (code = path(keys->service_keys, folder, "service-keys", error)) == SW_OK &&
        (code = ensure_key(keys->broker, "broker", "", &broker, error)) == SW_OK &&
        (code = ensure_master_key(keys->secrets, error)) == SW_OK &&
        (code = ensure_folder(keys->service_keys, error)) == SW_OK)
        code = take_over_list(keys->service_keys, folder, error);
    snprintf(keys->server_key, sizeof(keys->server_key), "%s", broker.public_key);
    sw_key_file_wipe(&broker);
    return code;
}

/* Written anew at each start, so that it names what this version of the program offers. */
static sw_code allow_services(const sw_keys *keys, const char *name, sw_key_file *key, const char *services,
                              sw_error *error)
{
    char at[PATH_MAX];
    sw_code code = path(at, keys->service_keys, name, error);
    if (code != SW_OK)
        return code;
    snprintf(key->services, sizeof(key->services), "%s", services);
    unlink(at);
    return sw_cert_write_public(at, key, error);
}

sw_code sw_keys_program(const sw_keys *keys, const char *name, const char *services, char at[PATH_MAX],
                        sw_error *error)
{
    char file[64];
    sw_key_file key = {0};
    snprintf(file, sizeof(file), "%s.key", name);
    sw_code code = path(at, keys->folder, file, error);
    if (code == SW_OK)
        code = ensure_key(at, name, keys->server_key, &key, error);
    if (code == SW_OK && services != NULL)
        code = allow_services(keys, name, &key, services, error);
    sw_key_file_wipe(&key);
    return code;
}
