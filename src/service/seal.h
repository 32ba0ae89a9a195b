/* Seals and opens secrets with a master key: XChaCha20-Poly1305 of libsodium, padded, and bound to
 * the row that they belong to. Used by vault.c, which has the keys, and secret.c. */
#ifndef SW_SERVICE_SEAL_H
#define SW_SERVICE_SEAL_H

#include "base/arena.h"
#include "base/keyring.h"
#include <sitewire/status.h>

#define SW_SECRET_MAX (64 * 1024) /* bytes of a secret */

/* What a secret belongs to. The owner is the number of a row, which no rename changes. */
typedef struct sw_subject {
    const char *type, *field;
    int64_t owner;
} sw_subject;

/* The sealed bytes, in the arena. RESOURCE_EXHAUSTED when out of memory, INVALID_ARGUMENT if the
 * text is too long. */
sw_code sw_seal(const sw_master_key *key, const sw_subject *subject, const char *text, sw_arena *arena,
                ProtobufCBinaryData *sealed, sw_error *error);
/* The text, NUL-terminated, in the arena. DATA_LOSS if it was not sealed with this key for this
 * subject, or is damaged. */
sw_code sw_unseal(const sw_master_key *key, const sw_subject *subject, const ProtobufCBinaryData *sealed,
                  sw_arena *arena, char **text, sw_error *error);

#endif
