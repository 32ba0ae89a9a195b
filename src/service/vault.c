/* The ring of master keys, in memory that is neither swapped nor dumped (vault.h). The file
 * decides: if it cannot be read any more, or others can read it, the keys in memory are not
 * used. */
#include "service/vault.h"

#include "base/error.h"
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

struct sw_vault {
    char *path;
    struct stat seen; /* the state of the file when it was read */
    bool was_young;   /* it had changed within the second before that */
    sw_keyring *ring; /* of sodium_malloc */
};

/* Whether the file is unchanged, its mode included. File times have a resolution of milliseconds,
 * so a file that was young when it was read may have changed without a trace. */
static bool is_same(const sw_vault *vault, const struct stat *a)
{
    const struct stat *b = &vault->seen;
    return !vault->was_young && a->st_ino == b->st_ino && a->st_dev == b->st_dev &&
           a->st_size == b->st_size && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static sw_code refresh(sw_vault *vault, sw_error *error)
{
    struct stat now;
    if (vault->path[0] == '\0')
        return sw_fail(
            error, SW_FAILED_PRECONDITION,
            "this service has no master key for secrets: start it with --secret-key FILE; `sitewire secret "
            "new-key FILE` makes one");
    if (stat(vault->path, &now) != 0)
        memset(&now, 0, sizeof(now));
    if (vault->ring->count > 0 && is_same(vault, &now))
        return SW_OK;
    vault->seen = now; /* taken before reading: a change in between is noticed next time */
    vault->was_young = time(NULL) - now.st_ctim.tv_sec <= 1;
    sw_code code = sw_keyring_read(vault->path, vault->ring, error);
    if (code != SW_OK && error != NULL)
        error->code = SW_FAILED_PRECONDITION;
    return code == SW_OK ? SW_OK : SW_FAILED_PRECONDITION;
}

sw_code sw_vault_new(const char *path, sw_vault **out, sw_error *error)
{
    *out = NULL;
    if (sodium_init() < 0)
        return sw_fail(error, SW_INTERNAL, "libsodium cannot be initialised");
    sw_vault *vault = calloc(1, sizeof(*vault));
    if (vault != NULL) {
        vault->path = strdup(path);
        vault->ring = sodium_malloc(sizeof(*vault->ring));
    }
    if (vault == NULL || vault->path == NULL || vault->ring == NULL) {
        sw_vault_destroy(&vault);
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    }
    sw_keyring_wipe(vault->ring);
    sw_code code = *path == '\0' ? SW_OK : refresh(vault, error);
    if (code != SW_OK)
        sw_vault_destroy(&vault);
    *out = vault;
    return code;
}

void sw_vault_destroy(sw_vault **vault)
{
    if (*vault == NULL)
        return;
    sodium_free((*vault)->ring); /* wipes it */
    free((*vault)->path);
    free(*vault);
    *vault = NULL;
}

sw_code sw_vault_newest(sw_vault *vault, const sw_master_key **key, sw_error *error)
{
    sw_code code = refresh(vault, error);
    if (code == SW_OK)
        *key = &vault->ring->keys[vault->ring->count - 1];
    return code;
}

sw_code sw_vault_find(sw_vault *vault, const char *id, const sw_master_key **key, sw_error *error)
{
    sw_code code = refresh(vault, error);
    if (code != SW_OK)
        return code;
    *key = sw_keyring_find(vault->ring, id);
    return *key != NULL ? SW_OK
                        : sw_fail(error, SW_FAILED_PRECONDITION,
                                  "it is sealed with the master key `%s`, which is not in the service's key "
                                  "file: put that "
                                  "key back until `sitewire secret rotate` is done, or set the secret anew",
                                  id);
}
