/* The bytes of a one-time code (code.h), in base64url behind a prefix: the broker's key, the one
 * that replaces it (zeros if none does), the secret key, the endpoints, and four bytes of a
 * checksum, so that half a code is not taken for one. */
#include "enroll/code.h"

#include "base/error.h"
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#define PREFIX    "swc1-"
#define KEY       32
#define CHECK     4
#define KEYS      (3 * KEY)
#define BYTES_MAX (KEYS + SW_CODE_ENDPOINTS + CHECK)
#define VARIANT   sodium_base64_VARIANT_URLSAFE_NO_PADDING

static void checksum(const uint8_t *bytes, size_t size, uint8_t check[CHECK])
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, bytes, size);
    memcpy(check, hash, CHECK);
}

sw_code sw_code_write(const sw_code_content *content, char text[SW_CODE_SIZE], sw_error *error)
{
    uint8_t bytes[BYTES_MAX];
    size_t length = strlen(content->endpoints), size = KEYS + length;
    if (length == 0)
        return sw_fail(error, SW_INVALID_ARGUMENT, "a code needs an endpoint");
    memset(bytes + KEY, 0, KEY);
    if (!sw_key_from_text(content->key.server_key, bytes) ||
        (content->key.next_server_key[0] != '\0' &&
         !sw_key_from_text(content->key.next_server_key, bytes + KEY)) ||
        !sw_key_from_text(content->key.secret_key, bytes + 2 * KEY))
        return sw_fail(error, SW_INVALID_ARGUMENT, "a code needs the broker's key and a key pair");
    memcpy(bytes + KEYS, content->endpoints, length);
    checksum(bytes, size, bytes + size);
    strcpy(text, PREFIX);
    sodium_bin2base64(text + strlen(PREFIX), SW_CODE_SIZE - strlen(PREFIX), bytes, size + CHECK, VARIANT);
    explicit_bzero(bytes, sizeof(bytes));
    return SW_OK;
}

static bool read_bytes(const uint8_t *bytes, size_t size, sw_code_content *content)
{
    uint8_t check[CHECK];
    static const uint8_t none[KEY];
    if (size <= KEYS + CHECK || size > KEYS + CHECK + SW_CODE_ENDPOINTS - 1)
        return false;
    size -= CHECK;
    checksum(bytes, size, check);
    if (memcmp(check, bytes + size, CHECK) != 0 || memchr(bytes + KEYS, '\0', size - KEYS) != NULL)
        return false;
    sw_key_to_text(bytes, content->key.server_key);
    if (memcmp(bytes + KEY, none, KEY) != 0)
        sw_key_to_text(bytes + KEY, content->key.next_server_key);
    sw_key_to_text(bytes + 2 * KEY, content->key.secret_key);
    memcpy(content->endpoints, bytes + KEYS, size - KEYS);
    return zmq_curve_public(content->key.public_key, content->key.secret_key) == 0;
}

sw_code sw_code_read(const char *text, sw_code_content *content, sw_error *error)
{
    uint8_t bytes[BYTES_MAX];
    size_t size = 0;
    memset(content, 0, sizeof(*content));
    bool good = strncmp(text, PREFIX, strlen(PREFIX)) == 0 &&
                sodium_base642bin(bytes, sizeof(bytes), text + strlen(PREFIX), strlen(text + strlen(PREFIX)),
                                  NULL, &size, NULL, VARIANT) == 0 &&
                read_bytes(bytes, size, content);
    explicit_bzero(bytes, sizeof(bytes));
    if (!good)
        explicit_bzero(content, sizeof(*content));
    return good ? SW_OK
                : sw_fail(error, SW_INVALID_ARGUMENT,
                          "this is not a whole one-time code: it is the last line that `sitewire key invite` "
                          "prints, and begins with " PREFIX);
}
