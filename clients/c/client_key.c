/* Where a client's key comes from, see client_key.h. */
#include "c/client_key.h"
#include "base/error.h"
#include "c/endpoints.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A file that was named must exist. The one in the home folder is optional. */
sw_code sw_client_key_find(sw_client_key *key, const char *path, sw_error *error)
{
    const char *named = path != NULL ? path : secure_getenv("SITEWIRE_KEY"), *home = secure_getenv("HOME");
    bool is_named = named != NULL && *named != '\0';
    *key = (sw_client_key){0};
    if ((is_named && strcmp(named, "off") == 0) || (!is_named && home == NULL))
        return SW_OK;
    int size = is_named ? snprintf(key->path, sizeof(key->path), "%s", named)
                        : snprintf(key->path, sizeof(key->path), "%s/.config/sitewire/key", home);
    if (size < 0 || (size_t)size >= sizeof(key->path))
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "key_file", "the path of the key file is too long");
    sw_code code = sw_key_file_read(key->path, &key->file, error);
    if (code == SW_NOT_FOUND && !is_named)
        return SW_OK;
    if (code == SW_NOT_FOUND)
        return sw_fail_field(error, SW_FAILED_PRECONDITION, "key_file",
                             "there is no key file %s: `sitewire key enroll` makes one", key->path);
    if (code == SW_OK && key->file.server_key[0] == '\0')
        return sw_fail_field(error, SW_FAILED_PRECONDITION, "key_file",
                             "the key file %s has no server-key, the public key of the broker", key->path);
    return code;
}

void sw_client_key_clear(sw_client_key *key)
{
    sw_key_file_wipe(&key->file);
}

bool sw_client_key_is_set(const sw_client_key *key)
{
    return key->file.public_key[0] != '\0';
}

const sw_key_file *sw_client_key_for(const sw_client_key *key, const char *endpoint)
{
    return sw_client_key_is_set(key) && (key->on_ipc || sw_endpoint_is_tcp(endpoint)) ? &key->file : NULL;
}
