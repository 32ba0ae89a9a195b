/* CURVE by libsodium (curve.h). Words in quotes name productions of ZeroMQ RFC 26. */
#include "listen/curve.h"

#include <sodium.h>
#include <string.h>

#define COOKIE 96 /* bytes: a nonce of 16, and a box of the client's and our short-term key */
#define VOUCH  96 /* bytes: a nonce of 16, and a box of the client's short-term key and our key */
#define SHORT  8  /* bytes of a nonce that is sent; the other 16 are a constant */
#define LONG   16

/* --- handshake --- */

/* "cookie-box": both short-term keys, so that nothing else of the handshake is kept. */
static void bake_cookie(sw_curve *curve, const uint8_t *client, const uint8_t *own, uint8_t cookie[COOKIE])
{
    uint8_t nonce[24], plain[2 * SW_CURVE_KEY];
    randombytes_buf(curve->box.secret, sizeof(curve->box.secret));
    randombytes_buf(cookie, LONG);
    sw_curve_nonce(nonce, "COOKIE--", cookie);
    memcpy(plain, client, SW_CURVE_KEY);
    memcpy(plain + SW_CURVE_KEY, own, SW_CURVE_KEY);
    crypto_secretbox_easy(cookie + LONG, plain, sizeof(plain), nonce, curve->box.secret);
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
    curve->box.heard = sw_curve_number(at + 112);
    sw_curve_nonce(nonce, "CurveZMQHELLO---", at + 112);
    if (crypto_box_open_easy(zeros, at + 120, 80, nonce, client, secret_key) != 0)
        return false;
    crypto_box_keypair(own_public, own_secret);
    memcpy(plain, own_public, SW_CURVE_KEY);
    bake_cookie(curve, client, own_secret, plain + SW_CURVE_KEY);
    memcpy(welcome, "\7WELCOME", 8);
    randombytes_buf(welcome + 8, LONG);
    sw_curve_nonce(nonce, "WELCOME-", welcome + 8);
    bool good = crypto_box_easy(welcome + 24, plain, sizeof(plain), nonce, client, secret_key) == 0;
    sodium_memzero(own_secret, sizeof(own_secret));
    return good;
}

/* "vouch-box": the client, with its long-term key, names its short-term key and the server. */
static bool is_vouched(const uint8_t *vouch, const uint8_t *key, const uint8_t *client,
                       const uint8_t *own_secret, const uint8_t *secret_key)
{
    uint8_t nonce[24], plain[2 * SW_CURVE_KEY], public_key[SW_CURVE_KEY];
    sw_curve_nonce(nonce, "VOUCH---", vouch);
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
    sw_curve_nonce(nonce, "COOKIE--", at + 9);
    bool good =
        crypto_secretbox_open_easy(keys, at + 9 + LONG, COOKIE - LONG, nonce, curve->box.secret) == 0 &&
        sw_curve_take_nonce(&curve->box, nonce, "CurveZMQINITIATE", at + 9 + COOKIE) &&
        crypto_box_beforenm(curve->box.secret, client, own_secret) == 0 &&
        crypto_box_open_easy_afternm(plain, at + 113, initiate.size - 113, nonce, curve->box.secret) == 0 &&
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
    sw_curve_put_number(to + 6, ++curve->box.sent);
    sw_curve_nonce(nonce, "CurveZMQREADY---", to + 6);
    crypto_box_easy_afternm(to + 6 + SHORT, (const uint8_t *)metadata.data, metadata.size, nonce,
                            curve->box.secret);
}

/* --- traffic --- */

void sw_curve_seal(sw_curve *curve, uint8_t flags, uint8_t *bytes, size_t size)
{
    sw_curve_seal_as(&curve->box, SW_CURVE_BY_SERVER, flags, bytes, size);
}

bool sw_curve_open(sw_curve *curve, uint8_t *bytes, size_t size, uint8_t *flags)
{
    return sw_curve_open_as(&curve->box, SW_CURVE_BY_CLIENT, bytes, size, flags);
}
