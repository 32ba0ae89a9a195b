/* The folder of certificates (cert_store.h). A digest of names, sizes and times tells whether it
 * has changed; then it is loaded anew. */
#include "cert/cert_store.h"

#include "base/error.h"
#include "base/hash.h"
#include <czmq.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MAX 1024

struct sw_cert_store {
    char *folder;
    uint64_t digest; /* of names, sizes and times when `keys` was loaded */
    uint64_t seen;   /* the digest when it was last asked whether it has changed */
    zhash_t *keys;   /* names of services by public key */
    FILE *discard;   /* CZMQ's own log: it would print the lines of broken files */
};

/* What is looked at for each file. */
typedef struct {
    const sw_cert_store *store;
    uint64_t digest;
    int count;
    bool loads; /* each file must be a certificate */
} scan;

static sw_code check_status(const struct stat *status, const char *folder, const char *name, sw_error *error)
{
    if ((status->st_mode & 022) == 0 && (status->st_uid == geteuid() || status->st_uid == 0))
        return SW_OK;
    return sw_fail(error, SW_FAILED_PRECONDITION,
                   "%s%s%s can be written by others: it must belong to this user or root, with chmod go-w",
                   folder, *name != '\0' ? "/" : "", name);
}

static void add(scan *s, const char *bytes, size_t size)
{
    s->digest = sw_hash_64(s->digest, bytes, size);
}

static sw_code check_file(scan *s, int fd, const char *name, sw_error *error)
{
    struct stat status;
    if (fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return SW_OK;             /* removed just now */
    if (!S_ISREG(status.st_mode)) /* a link or a folder would lead to where others may write */
        return sw_fail(error, SW_FAILED_PRECONDITION, "%s/%s is not a regular file: remove it",
                       s->store->folder, name);
    sw_code code = check_status(&status, s->store->folder, name, error);
    if (code == SW_OK && ++s->count > FILES_MAX)
        code =
            sw_fail(error, SW_FAILED_PRECONDITION, "%s has more than %d files", s->store->folder, FILES_MAX);
    add(s, name, strlen(name) + 1);
    add(s, (const char *)&status.st_ino, sizeof(status.st_ino));
    add(s, (const char *)&status.st_size, sizeof(status.st_size));
    add(s, (const char *)&status.st_mtim, sizeof(status.st_mtim));
    return code;
}

static sw_code check_certificate(const sw_cert_store *store, const char *name, sw_error *error)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", store->folder, name);
    zcert_t *cert = zcert_load(path);
    if (cert == NULL)
        return sw_fail(error, SW_FAILED_PRECONDITION,
                       "%s is not a certificate: `sitewire key public` writes one; remove what is none",
                       path);
    zcert_destroy(&cert);
    return SW_OK;
}

/* In the order of the folder, which stays as long as the folder does. */
static sw_code check_all(scan *s, DIR *folder, sw_error *error)
{
    sw_code code = SW_OK;
    for (struct dirent *entry; code == SW_OK && (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        code = check_file(s, dirfd(folder), entry->d_name, error);
        if (code == SW_OK && s->loads)
            code = check_certificate(s->store, entry->d_name, error);
    }
    return code;
}

static sw_code look(scan *s, sw_error *error)
{
    struct stat status;
    DIR *folder = opendir(s->store->folder);
    if (folder == NULL)
        return sw_fail(error, SW_FAILED_PRECONDITION, "cannot open the folder of certificates %s: %s",
                       s->store->folder, strerror(errno));
    sw_code code = fstat(dirfd(folder), &status) == 0
                       ? check_status(&status, s->store->folder, "", error)
                       : sw_fail(error, SW_INTERNAL, "%s: %s", s->store->folder, strerror(errno));
    if (code == SW_OK)
        code = check_all(s, folder, error);
    closedir(folder);
    return code;
}

/* A key that has two certificates may offer what either names. False when out of memory. */
static bool insert(zhash_t *keys, zcert_t *cert)
{
    const char *key = zcert_public_txt(cert), *more = zcert_meta(cert, "services");
    const char *old = zhash_lookup(keys, key);
    char *both =
        zsys_sprintf("%s%s%s", old != NULL ? old : "", old != NULL ? " " : "", more != NULL ? more : "");
    if (both != NULL)
        zhash_update(keys, key, both);
    zstr_free(&both);
    return zhash_lookup(keys, key) != NULL;
}

/* zcertstore would end the process if a key has two files. NULL if the folder cannot be read. */
static zhash_t *load_all(const char *path)
{
    char name[4096];
    DIR *folder = opendir(path);
    zhash_t *keys = folder != NULL ? zhash_new() : NULL;
    if (keys != NULL)
        zhash_autofree(keys);
    for (struct dirent *entry; keys != NULL && (entry = readdir(folder)) != NULL;) {
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        zcert_t *cert = entry->d_name[0] == '.' ? NULL : zcert_load(name);
        if (cert != NULL && !insert(keys, cert))
            zhash_destroy(&keys);
        zcert_destroy(&cert);
    }
    if (folder != NULL)
        closedir(folder);
    return keys;
}

/* Loads the certificates if they have changed. */
static sw_code refresh(sw_cert_store *store, bool loads, sw_error *error)
{
    scan s = {.store = store, .loads = loads};
    sw_code code = look(&s, error);
    if (code != SW_OK || (store->keys != NULL && s.digest == store->digest))
        return code;
    zhash_destroy(&store->keys);
    store->keys = load_all(store->folder);
    store->digest = s.digest;
    return store->keys != NULL ? SW_OK : sw_fail(error, SW_RESOURCE_EXHAUSTED, "no memory for certificates");
}

sw_code sw_cert_store_new(const char *folder, sw_cert_store **store, sw_error *error)
{
    sw_cert_store *made = *store = calloc(1, sizeof(*made));
    if (made == NULL || (made->folder = strdup(folder)) == NULL ||
        (made->discard = fopen("/dev/null", "we")) == NULL) {
        sw_cert_store_destroy(store);
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "no memory for certificates");
    }
    zsys_set_logstream(made->discard);
    sw_code code = refresh(made, true, error);
    if (code != SW_OK)
        sw_cert_store_destroy(store);
    return code;
}

void sw_cert_store_destroy(sw_cert_store **store)
{
    sw_cert_store *s = *store;
    if (s == NULL)
        return;
    zhash_destroy(&s->keys);
    if (s->discard != NULL) {
        zsys_set_logstream(stderr);
        fclose(s->discard);
    }
    free(s->folder);
    free(s);
    *store = NULL;
}

sw_code sw_cert_store_find(sw_cert_store *store, const char *public_key, sw_error *error)
{
    sw_code code = refresh(store, false, error);
    if (code == SW_OK && zhash_lookup(store->keys, public_key) == NULL)
        code = sw_fail(error, SW_NOT_FOUND, "no certificate in %s has this key", store->folder);
    return code;
}

bool sw_cert_store_changed(sw_cert_store *store)
{
    if (refresh(store, false, NULL) != SW_OK || store->digest == store->seen)
        return false;
    store->seen = store->digest;
    return true;
}

const char *sw_cert_store_services(sw_cert_store *store, const char *public_key)
{
    const char *names = store->keys != NULL ? zhash_lookup(store->keys, public_key) : NULL;
    return names != NULL ? names : "";
}
