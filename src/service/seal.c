/* A sealed secret is a version, a nonce, and the ciphertext with its tag (seal.h). Its subject and
 * the key's id are additional data, so it cannot be opened as the secret of another row. Lengths
 * are rounded up first, so that they do not reveal how long a password is. */
#include "service/seal.h"

#include "base/error.h"
#include <sodium.h>
#include <string.h>

#define VERSION 1
#define BLOCK   64 /* lengths are multiples of it */
#define NONCE   crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG     crypto_aead_xchacha20poly1305_ietf_ABYTES
#define HEAD    (1 + NONCE)

_Static_assert(SW_MASTER_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
               "a master key is the cipher's");

/* Unambiguous: types, fields and ids contain no line ends. */
static const char *additional_data(const sw_master_key *key, const sw_subject *subject, sw_arena *arena)
{
    return sw_arena_printf(arena, "sitewire secret %d\n%s\n%s\n%lld\n%s", VERSION, subject->type,
                           subject->field, (long long)subject->owner, key->id);
}

static sw_code fail_memory(sw_error *error)
{
    return sw_fail(error, SW_RESOURCE_EXHAUSTED, "the request needs too much memory");
}

sw_code sw_seal(const sw_master_key *key, const sw_subject *subject, const char *text, sw_arena *arena,
                ProtobufCBinaryData *sealed, sw_error *error)
{
    size_t size = strlen(text), padded = 0;
    if (size > SW_SECRET_MAX)
        return sw_fail(error, SW_INVALID_ARGUMENT, "it has %zu bytes; at most %d", size, SW_SECRET_MAX);
    uint8_t *data = sw_arena_alloc(arena, HEAD + size + BLOCK + TAG);
    const char *additional = additional_data(key, subject, arena);
    if (data == NULL || additional == NULL)
        return fail_memory(error);
    data[0] = VERSION;
    randombytes_buf(data + 1, NONCE);
    memcpy(data + HEAD, text, size);
    if (sodium_pad(&padded, data + HEAD, size, BLOCK, size + BLOCK) != 0)
        return sw_fail(error, SW_INTERNAL, "a secret cannot be padded");
    crypto_aead_xchacha20poly1305_ietf_encrypt(data + HEAD, NULL, data + HEAD, padded,
                                               (const uint8_t *)additional, strlen(additional), NULL,
                                               data + 1, key->bytes);
    *sealed = (ProtobufCBinaryData){HEAD + padded + TAG, data};
    return SW_OK;
}

sw_code sw_unseal(const sw_master_key *key, const sw_subject *subject, const ProtobufCBinaryData *sealed,
                  sw_arena *arena, char **text, sw_error *error)
{
    const char *additional = additional_data(key, subject, arena);
    bool whole = sealed->len >= HEAD + TAG && sealed->data[0] == VERSION;
    uint8_t *plain = sw_arena_alloc(arena, whole ? sealed->len : 1);
    unsigned long long padded = 0;
    size_t size = 0;
    if (additional == NULL || plain == NULL)
        return fail_memory(error);
    if (!whole ||
        crypto_aead_xchacha20poly1305_ietf_decrypt(plain, &padded, NULL, sealed->data + HEAD,
                                                   sealed->len - HEAD, (const uint8_t *)additional,
                                                   strlen(additional), sealed->data + 1, key->bytes) != 0 ||
        sodium_unpad(&size, plain, (size_t)padded, BLOCK) != 0)
        return sw_fail(error, SW_DATA_LOSS,
                       "the secret was damaged, or sealed for another row or with another key of the id "
                       "`%s`: set it anew",
                       key->id);
    plain[size] = '\0';
    *text = (char *)plain;
    return SW_OK;
}
