/* The chain of hashes: see chain.h. A hash is the SHA-256 of the previous hash and the text of
 * the change, which users.text_of makes in the database and `hash_change` here. */
#include "cli/system/chain.h"
#include "base/error.h"
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void hash_change(const uint8_t before[SW_CHAIN_HASH], const sw_sealed *sealed,
                        uint8_t hash[SW_CHAIN_HASH])
{
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, before, SW_CHAIN_HASH);
    for (int i = 0; i < SW_CHANGE_FIELDS; i++) {
        const char *value = sealed->values[i];
        char mark[32];
        int size = value == NULL ? snprintf(mark, sizeof(mark), "%s-", i > 0 ? "," : "")
                                 : snprintf(mark, sizeof(mark), "%s%zu:", i > 0 ? "," : "", strlen(value));
        crypto_hash_sha256_update(&state, (const uint8_t *)mark, (unsigned long long)size);
        if (value != NULL)
            crypto_hash_sha256_update(&state, (const uint8_t *)value, strlen(value));
    }
    crypto_hash_sha256_final(&state, hash);
}

static bool read_hash(const char *text, uint8_t hash[SW_CHAIN_HASH])
{
    size_t size;
    const char *end;
    return sodium_hex2bin(hash, SW_CHAIN_HASH, text, strlen(text), NULL, &size, &end) == 0 &&
           size == SW_CHAIN_HASH && *end == '\0';
}

sw_code sw_chain_init(sw_chain *chain, const char *head, sw_error *error)
{
    *chain = (sw_chain){0};
    if (head == NULL)
        return SW_OK;
    char *end;
    chain->kept = strtoll(head, &end, 10);
    if (*head < '0' || *head > '9' || *end != ':' || chain->kept == INT64_MAX ||
        !read_hash(end + 1, chain->kept_hash))
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "head",
                             "--head takes POSITION:HASH as `sitewire audit verify` prints it, not '%s'",
                             head);
    return SW_OK;
}

/* Looks at the position after a doubtful one. If it continues from the stored hash, the seals
 * are unaltered and the sealed change is not. */
static sw_code judge(const sw_chain *chain, const sw_sealed *next, sw_error *error)
{
    uint8_t hash[SW_CHAIN_HASH], stands[SW_CHAIN_HASH];
    bool goes_on = false;
    if (next != NULL && !next->gone && read_hash(next->hash, stands)) {
        hash_change(chain->doubtful_hash, next, hash);
        goes_on = memcmp(hash, stands, SW_CHAIN_HASH) == 0;
    }
    return sw_fail(error, SW_DATA_LOSS, "position %lld: %schange %lld %s", (long long)chain->count + 1,
                   goes_on ? "" : "the seal of ", (long long)chain->doubtful_change,
                   goes_on ? "was altered after it was sealed, or one before it was removed"
                           : "does not follow from what is before it: it was altered, or changes were "
                             "removed, reordered or inserted");
}

sw_code sw_chain_add(sw_chain *chain, const sw_sealed *sealed, sw_error *error)
{
    long long expected = (long long)chain->count + 1;
    uint8_t hash[SW_CHAIN_HASH], stands[SW_CHAIN_HASH];
    if (chain->doubtful)
        return judge(chain, sealed, error);
    if (sealed->position != expected)
        return sw_fail(error, SW_DATA_LOSS, "position %lld: it was removed; position %lld comes next",
                       expected, (long long)sealed->position);
    if (sealed->gone)
        return sw_fail(error, SW_DATA_LOSS, "position %lld: change %lld was removed after it was sealed",
                       expected, (long long)sealed->change);
    hash_change(chain->hash, sealed, hash);
    bool is_hash = read_hash(sealed->hash, stands);
    if (!is_hash || memcmp(hash, stands, SW_CHAIN_HASH) != 0) {
        chain->doubtful = true;
        chain->doubtful_change = sealed->change;
        memset(chain->doubtful_hash, 0, SW_CHAIN_HASH);
        if (is_hash)
            memcpy(chain->doubtful_hash, stands, SW_CHAIN_HASH);
        return SW_OK;
    }
    chain->count++;
    memcpy(chain->hash, hash, SW_CHAIN_HASH);
    if (chain->count == chain->kept && memcmp(chain->hash, chain->kept_hash, SW_CHAIN_HASH) != 0)
        return sw_fail(
            error, SW_DATA_LOSS,
            "position %lld: the hash is not the one that you kept: somebody has made the chain again",
            expected);
    return SW_OK;
}

sw_code sw_chain_end(sw_chain *chain, sw_error *error)
{
    if (chain->doubtful)
        return judge(chain, NULL, error);
    if (chain->count < chain->kept)
        return sw_fail(error, SW_DATA_LOSS,
                       "position %lld: it was removed; the chain ends before the head that you kept, %lld",
                       (long long)chain->count + 1, (long long)chain->kept);
    return SW_OK;
}

void sw_chain_head(const sw_chain *chain, char text[SW_CHAIN_HEAD_TEXT])
{
    char hex[2 * SW_CHAIN_HASH + 1];
    sodium_bin2hex(hex, sizeof(hex), chain->hash, SW_CHAIN_HASH);
    snprintf(text, SW_CHAIN_HEAD_TEXT, "%lld:%s", (long long)chain->count, hex);
}
