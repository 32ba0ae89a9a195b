/* Values that commands need and nobody may read: they go from a private file into the
 * environment of commands, and are masked in the output. Used by job.c, environment.c and
 * attempt.c. */
#ifndef SW_RUNNER_SECRETS_H
#define SW_RUNNER_SECRETS_H

#include <sitewire/status.h>
#include <stddef.h>
#include <stdint.h>

#define SW_SECRETS_MAX       64
#define SW_SECRET_SIZE_MIN   4 /* a shorter value cannot be masked without masking everything */
#define SW_SECRET_SIZE_MAX   4096
#define SW_SECRETS_FILE_SIZE (64U << 10)

typedef struct sw_secret {
    const char *name, *value;
    size_t size;
} sw_secret;

typedef struct sw_secrets {
    char text[SW_SECRETS_FILE_SIZE]; /* what the secrets point into */
    sw_secret secrets[SW_SECRETS_MAX];
    size_t count;
    bool begins[256]; /* some value begins with this byte */
} sw_secrets;

/* Reads variables from a file (program/env_file.h) of mode 0600 or 0400. NULL or "" is an empty
 * set. FAILED_PRECONDITION says what is wrong with the file; its field is "secrets". *secrets is
 * the caller's, for sw_secrets_destroy. */
sw_code sw_secrets_load(const char *path, sw_secrets **secrets, sw_error *error);
/* Wipes and frees them, and nulls the pointer. */
void sw_secrets_destroy(sw_secrets **secrets);

/* Replaces each value among `size` bytes by `***`, in place. Returns how many bytes at the front
 * are final. *held more bytes follow them, which may be the beginning of a value: put them
 * before the next bytes of the same stream. `end`: no bytes follow, so nothing is held. */
size_t sw_secrets_mask(const sw_secrets *secrets, uint8_t *bytes, size_t size, bool end, size_t *held);

#endif
