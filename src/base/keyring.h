/* The master keys of secrets, in a file: lines `ID = "64 hexadecimal digits"`, the newest last. The
 * newest one seals, all of them open. Read by services that keep secrets (service/vault.c), written
 * by the command line. */
#ifndef SW_BASE_KEYRING_H
#define SW_BASE_KEYRING_H

#include <sitewire/status.h>
#include <stddef.h>
#include <stdint.h>

#define SW_MASTER_KEY_BYTES 32
#define SW_MASTER_KEY_ID    33 /* with its NUL: a-z 0-9 and - */
#define SW_MASTER_KEYS_MAX  32

typedef struct sw_master_key {
    char id[SW_MASTER_KEY_ID];
    uint8_t bytes[SW_MASTER_KEY_BYTES];
} sw_master_key;

/* Holds secrets: sw_keyring_wipe when it is done with. */
typedef struct sw_keyring {
    size_t count;
    sw_master_key keys[SW_MASTER_KEYS_MAX];
} sw_keyring;

/* NOT_FOUND if there is no file; FAILED_PRECONDITION with the remedy if others can read it
 * (base/private_file.h), or if it is not a file of at least one key, each with an id of its own.
 * The ring is empty after a failure. */
sw_code sw_keyring_read(const char *path, sw_keyring *ring, sw_error *error);
void sw_keyring_wipe(sw_keyring *ring);
/* The key of that id, or NULL. */
const sw_master_key *sw_keyring_find(const sw_keyring *ring, const char *id);
/* Adds a new key at the end of the file, which is made with mode 0600 if there is none, and
 * replaced as a whole. `id` gets the new key's. */
sw_code sw_keyring_add(const char *path, char id[SW_MASTER_KEY_ID], sw_error *error);
/* Takes a key out of the file, which is replaced as a whole. NOT_FOUND if it has none of that id;
 * FAILED_PRECONDITION if it is the newest, with which everything is sealed. */
sw_code sw_keyring_remove(const char *path, const char *id, sw_error *error);

#endif
