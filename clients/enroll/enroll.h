/* Enrolls keys: proves that this machine has the secret half, and uses one-time codes (code.h).
 * Blocks. Used by `sitewire key` and the runner. */
#ifndef SW_ENROLL_ENROLL_H
#define SW_ENROLL_ENROLL_H

#include "net/keyfile.h"
#include <stddef.h>
#include <stdint.h>

#define SW_PROOF_MAX 600 /* bytes of a proof */

/* Makes the proof that EnrollKey asks for: `registry_key`, `user` and `time_s` are of
 * GetEnrolment's reply, unless another user is asked for. Returns its size; 0 if the key or the
 * user is none. */
size_t sw_enroll_prove(const sw_key_file *key, const char *registry_key, const char *user, int64_t time_s,
                       uint8_t proof[SW_PROOF_MAX]);

/* Makes a key in the file `path`, or takes the one that is there, and enrolls it with a code. A
 * file that was made is removed if the code is refused. Returns the public key; *user (or NULL) is
 * malloc'ed. The failures of the calls: UNAUTHENTICATED if the code has expired or was used. */
sw_code sw_enroll_accept(const char *code, const char *path, const char *label, char public_key[SW_KEY_SIZE],
                         char **user, sw_error *error);

#endif
