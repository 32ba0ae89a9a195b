/* Sealed boxes, and the key pair of a master key (transit.h). The pair comes from BLAKE2b under the
 * master key, so it reveals nothing about that. */
#include "service/transit.h"

#include "base/error.h"
#include "service/seal.h"
#include <sodium.h>
#include <string.h>

#define CONTEXT    "swtransi" /* of crypto_kdf: 8 bytes, for this use of a master key alone */
#define NAMES      4096       /* bytes of a content besides the secret: type, key and field */
#define SEALED_MAX (crypto_box_SEALBYTES + SW_SECRET_MAX + NAMES)

_Static_assert(SW_MASTER_KEY_BYTES == crypto_kdf_KEYBYTES, "a master key is one of crypto_kdf");
_Static_assert(sizeof(CONTEXT) - 1 == crypto_kdf_CONTEXTBYTES, "a context has 8 bytes");
_Static_assert(crypto_box_PUBLICKEYBYTES == 32, "a public key of CURVE is one of a sealed box");

typedef struct key_pair {
    uint8_t public_key[crypto_box_PUBLICKEYBYTES], secret_key[crypto_box_SECRETKEYBYTES];
} key_pair;

/* To be wiped. */
static void derive(const sw_master_key *key, key_pair *pair)
{
    uint8_t seed[crypto_box_SEEDBYTES];
    crypto_kdf_derive_from_key(seed, sizeof(seed), 1, CONTEXT, key->bytes);
    crypto_box_seed_keypair(pair->public_key, pair->secret_key, seed);
    sodium_memzero(seed, sizeof(seed));
}

void sw_transit_public_key(const sw_master_key *key, char text[SW_KEY_SIZE])
{
    key_pair pair;
    derive(key, &pair);
    sw_key_to_text(pair.public_key, text);
    sodium_memzero(&pair, sizeof(pair));
}

static sw_code no_memory(sw_error *error)
{
    return sw_fail(error, SW_RESOURCE_EXHAUSTED, "the request needs too much memory");
}

sw_code sw_transit_open(const sw_master_key *key, const ProtobufCBinaryData *sealed, sw_arena *arena,
                        ProtobufCBinaryData *content, sw_error *error)
{
    key_pair pair;
    if (sealed->len > SEALED_MAX)
        return sw_fail(error, SW_INVALID_ARGUMENT, "it has %zu bytes; a secret has at most %d", sealed->len,
                       SW_SECRET_MAX);
    size_t size = sealed->len < crypto_box_SEALBYTES ? 0 : sealed->len - crypto_box_SEALBYTES;
    *content = (ProtobufCBinaryData){size, sw_arena_alloc(arena, size + 1)};
    if (content->data == NULL)
        return no_memory(error);
    derive(key, &pair);
    bool good =
        sealed->len >= crypto_box_SEALBYTES &&
        crypto_box_seal_open(content->data, sealed->data, sealed->len, pair.public_key, pair.secret_key) == 0;
    sodium_memzero(&pair, sizeof(pair));
    return good ? SW_OK
                : sw_fail(error, SW_INVALID_ARGUMENT,
                          "it was not sealed for the key of GetSealingKey with the id `%s`, or is damaged",
                          key->id);
}

/* libsodium refuses weak keys. */
sw_code sw_transit_seal(const char *reader, const char *text, sw_arena *arena, ProtobufCBinaryData *sealed,
                        sw_error *error)
{
    uint8_t key[crypto_box_PUBLICKEYBYTES];
    size_t size = strlen(text);
    *sealed = (ProtobufCBinaryData){crypto_box_SEALBYTES + size,
                                    sw_arena_alloc(arena, crypto_box_SEALBYTES + size)};
    if (sealed->data == NULL)
        return no_memory(error);
    if (!sw_key_from_text(reader, key) ||
        crypto_box_seal(sealed->data, (const uint8_t *)text, size, key) != 0)
        return sw_fail(error, SW_INVALID_ARGUMENT, "nobody can hold the other half of this key");
    return SW_OK;
}
