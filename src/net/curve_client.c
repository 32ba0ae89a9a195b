/* The client's half of CURVE by libsodium (curve_client.h). Words in quotes name productions of
 * ZeroMQ RFC 26. */
#include "net/curve_client.h"

#include <sodium.h>
#include <string.h>

#define COOKIE 96 /* bytes: a nonce of 16, and what only the server can read */
#define VOUCH  96 /* bytes: a nonce of 16, and a box of our short-term key and the server's key */
#define LONG   16 /* bytes of a nonce that is sent; the other 8 are a constant */

/* "hello-box": zeros, which show the server that we have the key of this connection. */
bool sw_curve_client_hello(sw_curve_client *client, uint8_t hello[SW_CURVE_HELLO])
{
    static const uint8_t zeros[64];
    uint8_t nonce[24];
    crypto_box_keypair(client->public_key, client->secret_key);
    client->box = (sw_curve_box){.sent = 1};
    memset(hello, 0, SW_CURVE_HELLO);
    memcpy(hello, "\5HELLO\1", 7);
    memcpy(hello + 80, client->public_key, SW_CURVE_KEY);
    sw_curve_put_number(hello + 112, client->box.sent);
    sw_curve_nonce(nonce, "CurveZMQHELLO---", hello + 112);
    return crypto_box_easy(hello + 120, zeros, sizeof(zeros), nonce, client->keys.server,
                           client->secret_key) == 0;
}

/* "vouch-box": our long-term key says that the key of this connection is ours, and for which
 * server. */
static bool vouch(const sw_curve_client *client, const uint8_t *server_short, uint8_t to[VOUCH])
{
    uint8_t nonce[24], plain[2 * SW_CURVE_KEY];
    randombytes_buf(to, LONG);
    sw_curve_nonce(nonce, "VOUCH---", to);
    memcpy(plain, client->public_key, SW_CURVE_KEY);
    memcpy(plain + SW_CURVE_KEY, client->keys.server, SW_CURVE_KEY);
    return crypto_box_easy(to + LONG, plain, sizeof(plain), nonce, server_short, client->keys.secret_key) ==
           0;
}

static bool initiate(sw_curve_client *client, const uint8_t *server_short, const uint8_t *cookie,
                     sw_view metadata, uint8_t *to)
{
    uint8_t nonce[24], plain[SW_CURVE_INITIATE_MAX];
    size_t size = SW_CURVE_KEY + VOUCH + metadata.size;
    if (SW_CURVE_INITIATE + metadata.size > SW_CURVE_INITIATE_MAX)
        return false;
    memcpy(plain, client->keys.public_key, SW_CURVE_KEY);
    memcpy(plain + SW_CURVE_KEY + VOUCH, metadata.data, metadata.size);
    memcpy(to, "\10INITIATE", 9);
    memcpy(to + 9, cookie, COOKIE);
    sw_curve_put_number(to + 9 + COOKIE, ++client->box.sent);
    sw_curve_nonce(nonce, "CurveZMQINITIATE", to + 9 + COOKIE);
    return vouch(client, server_short, plain + SW_CURVE_KEY) &&
           crypto_box_easy_afternm(to + 113, plain, size, nonce, client->box.secret) == 0;
}

bool sw_curve_client_welcome(sw_curve_client *client, sw_view welcome, sw_view metadata, uint8_t *to)
{
    const uint8_t *at = (const uint8_t *)welcome.data;
    uint8_t nonce[24], plain[SW_CURVE_KEY + COOKIE];
    if (welcome.size != SW_CURVE_WELCOME || memcmp(at, "\7WELCOME", 8) != 0)
        return false;
    sw_curve_nonce(nonce, "WELCOME-", at + 8);
    return crypto_box_open_easy(plain, at + 24, SW_CURVE_WELCOME - 24, nonce, client->keys.server,
                                client->secret_key) == 0 &&
           crypto_box_beforenm(client->box.secret, plain, client->secret_key) == 0 &&
           initiate(client, plain, plain + SW_CURVE_KEY, metadata, to);
}

bool sw_curve_client_ready(sw_curve_client *client, sw_view ready, uint8_t *metadata)
{
    const uint8_t *at = (const uint8_t *)ready.data;
    uint8_t nonce[24];
    return ready.size >= SW_CURVE_READY && memcmp(at, "\5READY", 6) == 0 &&
           sw_curve_take_nonce(&client->box, nonce, "CurveZMQREADY---", at + 6) &&
           crypto_box_open_easy_afternm(metadata, at + 14, ready.size - 14, nonce, client->box.secret) == 0;
}
