/* The bytes of a one-time code (code.h), in base64url behind a prefix: the broker's key, the secret
 * key, the endpoints, and four bytes of a checksum, so that half a code is not taken for one. */
#include "enroll/code.h"

#include "base/error.h"
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#define PREFIX    "swc1-"
#define KEY       32
#define CHECK     4
#define BYTES_MAX (2 * KEY + SW_CODE_ENDPOINTS + CHECK)
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
    size_t length = strlen(content->endpoints), size = 2 * KEY + length;
    if (length == 0)
        return sw_fail(error, SW_INVALID_ARGUMENT, "a code needs an endpoint");
    if (!sw_key_from_text(content->key.server_key, bytes) ||
        !sw_key_from_text(content->key.secret_key, bytes + KEY))
        return sw_fail(error, SW_INVALID_ARGUMENT, "a code needs the broker's key and a key pair");
    memcpy(bytes + 2 * KEY, content->endpoints, length);
    checksum(bytes, size, bytes + size);
    strcpy(text, PREFIX);
    sodium_bin2base64(text + strlen(PREFIX), SW_CODE_SIZE - strlen(PREFIX), bytes, size + CHECK, VARIANT);
    explicit_bzero(bytes, sizeof(bytes));
    return SW_OK;
}

static bool read_bytes(const uint8_t *bytes, size_t size, sw_code_content *content)
{
    uint8_t check[CHECK];
    if (size <= 2 * KEY + CHECK || size > 2 * KEY + CHECK + SW_CODE_ENDPOINTS - 1)
        return false;
    size -= CHECK;
    checksum(bytes, size, check);
    if (memcmp(check, bytes + size, CHECK) != 0 || memchr(bytes + 2 * KEY, '\0', size - 2 * KEY) != NULL)
        return false;
    sw_key_to_text(bytes, content->key.server_key);
    sw_key_to_text(bytes + KEY, content->key.secret_key);
    memcpy(content->endpoints, bytes + 2 * KEY, size - 2 * KEY);
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
