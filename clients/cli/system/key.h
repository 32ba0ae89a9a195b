/* Keys in the registry: what `sitewire key` asks of the user service. Used by key.c. */
#ifndef SW_CLI_SYSTEM_KEY_H
#define SW_CLI_SYSTEM_KEY_H

#include "cli/run/cli.h"
#include "net/keyfile.h"
#include <jansson.h>

/* Sets expires_at of a Key from --expires: a time, a date or a duration from now. */
sw_code sw_key_set_expiry(const sw_cli *cli, json_t *key, sw_error *error);
/* Consumes `key`, a Key. *stored is a new reference. */
sw_code sw_key_create(sw_cli *cli, json_t *key, json_t **stored, sw_error *error);
/* Proves that the key is ours, and enrolls it. Consumes `request`, an EnrollKeyRequest without a
 * proof; without a user, it is the caller. *stored is a new reference. */
sw_code sw_key_enroll(sw_cli *cli, json_t *request, const sw_key_file *key, json_t **stored, sw_error *error);
/* Makes a one-time code with the public half of its pair; --label and --expires (a duration) are
 * taken from the command line. *invitation is a new reference. */
sw_code sw_key_invite(sw_cli *cli, const char *user, const char *public_key, json_t **invitation,
                      sw_error *error);
/* The valid keys of a user, at most 1,000. *siblings is a new array. */
sw_code sw_key_siblings(sw_cli *cli, const char *user, json_t **siblings, sw_error *error);
/* Revokes at the database's current time: our clock may be ahead. *stored is a new reference. */
sw_code sw_key_revoke(sw_cli *cli, const char *public_key, json_t **stored, sw_error *error);
/* Finds the public key that a word names: itself, a key file, or a label that only one valid key
 * has. */
sw_code sw_key_find(sw_cli *cli, const char *word, char public_key[SW_KEY_SIZE], sw_error *error);

#endif
