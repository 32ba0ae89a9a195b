/* A client's CURVE commands, wrong in any way: HELLO, INITIATE and MESSAGE. The first byte says
 * which of them is fuzzed, behind those before it, which are good ones made with keys that never
 * change. */
#include "listen/curve.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t server_secret[32] = {1}, client_secret[32] = {2}, short_secret[32] = {3};

static void nonce_of(uint8_t nonce[24], const char *text, uint8_t number)
{
    memset(nonce, 0, 24);
    memcpy(nonce, text, 16);
    nonce[23] = number;
}

static void make_hello(uint8_t hello[SW_CURVE_HELLO])
{
    uint8_t server[32], nonce[24], zeros[64] = {0};
    crypto_scalarmult_base(server, server_secret);
    memset(hello, 0, SW_CURVE_HELLO);
    memcpy(hello, "\5HELLO\1", 7);
    crypto_scalarmult_base(hello + 80, short_secret);
    hello[119] = 1;
    nonce_of(nonce, "CurveZMQHELLO---", 1);
    if (crypto_box_easy(hello + 120, zeros, sizeof(zeros), nonce, server, short_secret) != 0)
        abort();
}

/* What the client takes from a WELCOME: the server's short-term key, and a cookie. */
static void open_welcome(const uint8_t *welcome, uint8_t plain[128])
{
    uint8_t server[32], nonce[24] = "WELCOME-";
    crypto_scalarmult_base(server, server_secret);
    memcpy(nonce + 8, welcome + 8, 16);
    if (crypto_box_open_easy(plain, welcome + 24, 144, nonce, server, short_secret) != 0)
        abort();
}

static size_t make_initiate(const uint8_t welcome[128], uint8_t *initiate)
{
    uint8_t nonce[24], vouch[64], server[32], plain[32 + 96 + 10] = {0};
    crypto_scalarmult_base(server, server_secret);
    crypto_scalarmult_base(plain, client_secret);
    crypto_scalarmult_base(vouch, short_secret);
    memcpy(vouch + 32, server, 32);
    memset(nonce, 0, sizeof(nonce));
    memcpy(nonce, "VOUCH---", 8);
    if (crypto_box_easy(plain + 48, vouch, sizeof(vouch), nonce, welcome, client_secret) != 0)
        abort();
    memcpy(initiate, "\10INITIATE", 9);
    memcpy(initiate + 9, welcome + 32, 96);
    memset(initiate + 105, 0, 8);
    initiate[112] = 2;
    nonce_of(nonce, "CurveZMQINITIATE", 2);
    if (crypto_box_easy(initiate + 113, plain, sizeof(plain), nonce, welcome, short_secret) != 0)
        abort();
    return 113 + 16 + sizeof(plain);
}

static void try_hello(const uint8_t *data, size_t size)
{
    sw_curve curve = {.client = {0}};
    uint8_t welcome[SW_CURVE_WELCOME];
    sw_curve_hello(&curve, server_secret, (sw_view){(const char *)data, size}, welcome);
}

static void try_rest(bool message, const uint8_t *data, size_t size)
{
    sw_curve curve = {.client = {0}};
    uint8_t hello[SW_CURVE_HELLO], welcome[SW_CURVE_WELCOME], plain[128], metadata[SW_CURVE_INITIATE_MAX];
    uint8_t initiate[SW_CURVE_INITIATE_MAX], flags;
    size_t metadata_size;
    make_hello(hello);
    if (!sw_curve_hello(&curve, server_secret, (sw_view){(const char *)hello, sizeof(hello)}, welcome))
        abort();
    open_welcome(welcome, plain);
    if (!message) {
        if (sw_curve_initiate(&curve, server_secret, (sw_view){(const char *)data, size}, metadata,
                              &metadata_size))
            abort(); /* nobody guesses the cookie */
        return;
    }
    size_t initiate_size = make_initiate(plain, initiate);
    if (!sw_curve_initiate(&curve, server_secret, (sw_view){(const char *)initiate, initiate_size}, metadata,
                           &metadata_size) ||
        metadata_size != 10)
        abort();
    uint8_t *copy = malloc(size + 1);
    memcpy(copy, data, size);
    if (sw_curve_open(&curve, copy, size, &flags))
        abort();
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 3 == 0)
        try_hello(data + 1, size - 1);
    else
        try_rest(data[0] % 3 == 2, data + 1, size - 1);
    return 0;
}
