/* The keys of a system that `sitewire up` runs: made at the first start, kept in DATA/keys. Used
 * by up.c. */
#ifndef SW_CLI_SYSTEM_UP_KEYS_H
#define SW_CLI_SYSTEM_UP_KEYS_H

#include "net/keyfile.h"
#include <limits.h>
#include <stdbool.h>

typedef struct sw_keys {
    char folder[PATH_MAX];
    char broker[PATH_MAX];        /* the broker's key file */
    char secrets[PATH_MAX];       /* the master keys of secrets */
    char service_keys[PATH_MAX];  /* the folder of certificates that may serve */
    char server_key[SW_KEY_SIZE]; /* the broker's public key */
} sw_keys;

/* Finds the files in `folder`, and creates what is missing; the folder gets mode 0700. */
sw_code sw_keys_open(sw_keys *keys, const char *folder, sw_error *error);

/* Finds the key file of a program, FOLDER/<name>.key, and creates it if it is missing. With
 * `services`, its certificate for these is added to those that may serve; NULL: it does not. */
sw_code sw_keys_program(const sw_keys *keys, const char *name, const char *services, char path[PATH_MAX],
                        sw_error *error);

#endif
