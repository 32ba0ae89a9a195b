/* CURVE by libsodium (curve.h). Words in quotes name productions of ZeroMQ RFC 26. */
#include "listen/curve.h"

#include <sodium.h>
#include <string.h>

#define COOKIE 96 /* bytes: a nonce of 16, and a box of the client's and our short-term key */
#define VOUCH  96 /* bytes: a nonce of 16, and a box of the client's short-term key and our key */
#define SHORT  8  /* bytes of a nonce that is sent; the other 16 are a constant */
#define LONG   16

/* --- nonces --- */

static void put_u64(uint8_t *at, uint64_t value)
{
    for (int i = 7; i >= 0; i--, value >>= 8)
        at[i] = (uint8_t)value;
}

static uint64_t get_u64(const uint8_t *at)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | at[i];
    return value;
}

/* A constant text of 16 or 8 bytes, and what is sent of the nonce. */
static void make_nonce(uint8_t nonce[24], const char *text, const uint8_t *sent)
{
    size_t size = strlen(text);
    memcpy(nonce, text, size);
    memcpy(nonce + size, sent, 24 - size);
}

/* A nonce that the client sends grows with each command. */
static bool take_nonce(sw_curve *curve, uint8_t nonce[24], const char *text, const uint8_t *sent)
{
    uint64_t number = get_u64(sent);
    if (number <= curve->heard)
        return false;
    curve->heard = number;
    make_nonce(nonce, text, sent);
    return true;
}

/* --- handshake --- */

/* "cookie-box": both short-term keys, so that nothing else of the handshake is kept. */
static void bake_cookie(sw_curve *curve, const uint8_t *client, const uint8_t *own, uint8_t cookie[COOKIE])
{
    uint8_t nonce[24], plain[2 * SW_CURVE_KEY];
    randombytes_buf(curve->secret, sizeof(curve->secret));
    randombytes_buf(cookie, LONG);
    make_nonce(nonce, "COOKIE--", cookie);
    memcpy(plain, client, SW_CURVE_KEY);
    memcpy(plain + SW_CURVE_KEY, own, SW_CURVE_KEY);
    crypto_secretbox_easy(cookie + LONG, plain, sizeof(plain), nonce, curve->secret);
    sodium_memzero(plain, sizeof(plain));
}

bool sw_curve_hello(sw_curve *curve, const uint8_t secret_key[SW_CURVE_KEY], sw_view hello,
                    uint8_t welcome[SW_CURVE_WELCOME])
{
    const uint8_t *at = (const uint8_t *)hello.data, *client = at + 80;
    uint8_t nonce[24], zeros[64], own_public[SW_CURVE_KEY], own_secret[SW_CURVE_KEY];
    uint8_t plain[SW_CURVE_KEY + COOKIE];
    if (hello.size != SW_CURVE_HELLO || memcmp(at, "\5HELLO\1\0", 8) != 0)
        return false;
    curve->heard = get_u64(at + 112);
    make_nonce(nonce, "CurveZMQHELLO---", at + 112);
    if (crypto_box_open_easy(zeros, at + 120, 80, nonce, client, secret_key) != 0)
        return false;
    crypto_box_keypair(own_public, own_secret);
    memcpy(plain, own_public, SW_CURVE_KEY);
    bake_cookie(curve, client, own_secret, plain + SW_CURVE_KEY);
    memcpy(welcome, "\7WELCOME", 8);
    randombytes_buf(welcome + 8, LONG);
    make_nonce(nonce, "WELCOME-", welcome + 8);
    bool good = crypto_box_easy(welcome + 24, plain, sizeof(plain), nonce, client, secret_key) == 0;
    sodium_memzero(own_secret, sizeof(own_secret));
    return good;
}

/* "vouch-box": the client, with its long-term key, names its short-term key and the server. */
static bool is_vouched(const uint8_t *vouch, const uint8_t *key, const uint8_t *client,
                       const uint8_t *own_secret, const uint8_t *secret_key)
{
    uint8_t nonce[24], plain[2 * SW_CURVE_KEY], public_key[SW_CURVE_KEY];
    make_nonce(nonce, "VOUCH---", vouch);
    return crypto_box_open_easy(plain, vouch + LONG, VOUCH - LONG, nonce, key, own_secret) == 0 &&
           crypto_scalarmult_base(public_key, secret_key) == 0 &&
           sodium_memcmp(plain, client, SW_CURVE_KEY) == 0 &&
           sodium_memcmp(plain + SW_CURVE_KEY, public_key, SW_CURVE_KEY) == 0;
}

bool sw_curve_initiate(sw_curve *curve, const uint8_t secret_key[SW_CURVE_KEY], sw_view initiate,
                       uint8_t *metadata, size_t *size)
{
    const uint8_t *at = (const uint8_t *)initiate.data;
    uint8_t nonce[24], keys[2 * SW_CURVE_KEY], plain[SW_CURVE_INITIATE_MAX];
    const uint8_t *client = keys, *own_secret = keys + SW_CURVE_KEY;
    if (initiate.size < SW_CURVE_INITIATE || initiate.size > SW_CURVE_INITIATE_MAX ||
        memcmp(at, "\10INITIATE", 9) != 0)
        return false;
    make_nonce(nonce, "COOKIE--", at + 9);
    bool good =
        crypto_secretbox_open_easy(keys, at + 9 + LONG, COOKIE - LONG, nonce, curve->secret) == 0 &&
        take_nonce(curve, nonce, "CurveZMQINITIATE", at + 9 + COOKIE) &&
        crypto_box_beforenm(curve->secret, client, own_secret) == 0 &&
        crypto_box_open_easy_afternm(plain, at + 113, initiate.size - 113, nonce, curve->secret) == 0 &&
        is_vouched(plain + SW_CURVE_KEY, plain, client, own_secret, secret_key);
    if (good) {
        memcpy(curve->client, plain, SW_CURVE_KEY);
        *size = initiate.size - SW_CURVE_INITIATE;
        memcpy(metadata, plain + SW_CURVE_KEY + VOUCH, *size);
    }
    sodium_memzero(keys, sizeof(keys));
    return good;
}

void sw_curve_ready(sw_curve *curve, sw_view metadata, uint8_t *to)
{
    uint8_t nonce[24];
    memcpy(to, "\5READY", 6);
    put_u64(to + 6, ++curve->sent);
    make_nonce(nonce, "CurveZMQREADY---", to + 6);
    crypto_box_easy_afternm(to + 6 + SHORT, (const uint8_t *)metadata.data, metadata.size, nonce,
                            curve->secret);
}

/* --- traffic: a name, a nonce, a MAC, a byte of flags, and the payload --- */

#define MAC   16 /* its offset */
#define FLAGS 32

void sw_curve_seal(sw_curve *curve, uint8_t flags, uint8_t *bytes, size_t size)
{
    uint8_t nonce[24];
    memcpy(bytes, "\7MESSAGE", 8);
    put_u64(bytes + 8, ++curve->sent);
    make_nonce(nonce, "CurveZMQMESSAGES", bytes + 8);
    bytes[FLAGS] = flags;
    crypto_box_detached_afternm(bytes + FLAGS, bytes + MAC, bytes + FLAGS, size + 1, nonce, curve->secret);
}

bool sw_curve_open(sw_curve *curve, uint8_t *bytes, size_t size, uint8_t *flags)
{
    uint8_t nonce[24];
    if (size < SW_CURVE_OVERHEAD || memcmp(bytes, "\7MESSAGE", 8) != 0 ||
        !take_nonce(curve, nonce, "CurveZMQMESSAGEC", bytes + 8) ||
        crypto_box_open_detached_afternm(bytes + FLAGS, bytes + FLAGS, bytes + MAC, size - FLAGS, nonce,
                                         curve->secret) != 0)
        return false;
    *flags = bytes[FLAGS];
    return true;
}
