/* The master keys of a running service, read again whenever their file changes. Used by secret.c;
 * main.c owns it. */
#ifndef SW_SERVICE_VAULT_H
#define SW_SERVICE_VAULT_H

#include "service/seal.h"

typedef struct sw_vault sw_vault;

/* FAILED_PRECONDITION or NOT_FOUND, with the remedy, if something is wrong with the file. With an
 * empty path every use fails. */
sw_code sw_vault_new(const char *path, sw_vault **vault, sw_error *error);
void sw_vault_destroy(sw_vault **vault);

/* The newest key, lent until the next call of the vault. FAILED_PRECONDITION, with the remedy, if
 * there is none. */
sw_code sw_vault_newest(sw_vault *vault, const sw_master_key **key, sw_error *error);
/* The key with which a secret is sealed. FAILED_PRECONDITION names a missing key, and the
 * remedy. */
sw_code sw_vault_find(sw_vault *vault, const char *id, const sw_master_key **key, sw_error *error);

#endif
