/* The file of master keys, which seal secrets: lines `ID = "64 hexadecimal digits"`, the newest
 * last. The newest key seals; any of them opens. Services that keep secrets read the file
 * (service/vault.c), the command line writes it. */
#ifndef SW_BASE_KEYRING_H
#define SW_BASE_KEYRING_H

#include <sitewire/status.h>
#include <stddef.h>
#include <stdint.h>

#define SW_MASTER_KEY_BYTES 32
#define SW_MASTER_KEY_ID    33 /* bytes with the NUL; characters a-z 0-9 and - */
#define SW_MASTER_KEYS_MAX  32

typedef struct sw_master_key {
    char id[SW_MASTER_KEY_ID];
    uint8_t bytes[SW_MASTER_KEY_BYTES];
} sw_master_key;

/* Holds secrets: wipe it with sw_keyring_wipe after use. */
typedef struct sw_keyring {
    size_t count;
    sw_master_key keys[SW_MASTER_KEYS_MAX];
} sw_keyring;

/* NOT_FOUND if there is no file; FAILED_PRECONDITION with the remedy if others can read it
 * (base/private_file.h), or if it does not hold at least one key, each with an id of its own. After
 * a failure the ring is empty. */
sw_code sw_keyring_read(const char *path, sw_keyring *ring, sw_error *error);
void sw_keyring_wipe(sw_keyring *ring);
/* The key of that id, or NULL. */
const sw_master_key *sw_keyring_find(const sw_keyring *ring, const char *id);
/* Adds a new key at the end of the file, whose id is written to `id`. Creates the file with mode
 * 0600 if necessary, and replaces it as a whole. */
sw_code sw_keyring_add(const char *path, char id[SW_MASTER_KEY_ID], sw_error *error);
/* Removes a key, and replaces the file as a whole. NOT_FOUND without such a key;
 * FAILED_PRECONDITION if it is the newest, which seals. */
sw_code sw_keyring_remove(const char *path, const char *id, sw_error *error);

#endif
