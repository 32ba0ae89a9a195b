/* The key that a client shows to brokers: finds and reads its file. Used by
 * client.c and link.c. */
#ifndef SW_CLIENT_KEY_H
#define SW_CLIENT_KEY_H

#include "net/keyfile.h"

/* All zeros is no key: nothing is encrypted. */
typedef struct sw_client_key {
    sw_key_file file;
    char path[256]; /* where it was read from, for messages */
    bool on_ipc;    /* shown on ipc, too */
} sw_client_key;

/* Reads the file `path`, or if that is NULL $SITEWIRE_KEY, or ~/.config/sitewire/key if it
 * exists. "off" is no key. FAILED_PRECONDITION says why a file cannot be used and what to do,
 * INVALID_ARGUMENT that the path is too long. The key is to be cleared. */
sw_code sw_client_key_find(sw_client_key *key, const char *path, sw_error *error);
/* Wipes the secret. */
void sw_client_key_clear(sw_client_key *key);

bool sw_client_key_is_set(const sw_client_key *key);
/* The key for an endpoint; NULL: none, so nothing is encrypted. */
const sw_key_file *sw_client_key_for(const sw_client_key *key, const char *endpoint);

#endif
