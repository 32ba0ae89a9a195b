/* A server's CURVE commands, wrong in any way: WELCOME, READY and MESSAGE. The first byte says
 * which of them is fuzzed, behind those before it, which are good ones of our own server. */
#include "listen/curve.h"
#include "net/curve_client.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t server_secret[32] = {1};

typedef struct {
    sw_curve server;
    sw_curve_client client;
    uint8_t welcome[SW_CURVE_WELCOME];
} pair;

static sw_view view_of(const void *data, size_t size)
{
    return (sw_view){data, size};
}

static void greet(pair *p)
{
    uint8_t hello[SW_CURVE_HELLO];
    memset(p, 0, sizeof(*p));
    crypto_box_keypair(p->client.keys.public_key, p->client.keys.secret_key);
    crypto_scalarmult_base(p->client.keys.server, server_secret);
    if (!sw_curve_client_hello(&p->client, hello) ||
        !sw_curve_hello(&p->server, server_secret, view_of(hello, sizeof(hello)), p->welcome))
        abort();
}

static void initiate(pair *p)
{
    uint8_t bytes[SW_CURVE_INITIATE_MAX], metadata[SW_CURVE_INITIATE_MAX];
    size_t size;
    if (!sw_curve_client_welcome(&p->client, view_of(p->welcome, sizeof(p->welcome)), SW_VIEW("metadata"),
                                 bytes) ||
        !sw_curve_initiate(&p->server, server_secret, view_of(bytes, SW_CURVE_INITIATE + 8), metadata,
                           &size) ||
        size != 8 || memcmp(p->server.client, p->client.keys.public_key, 32) != 0)
        abort();
}

static void be_ready(pair *p)
{
    uint8_t ready[SW_CURVE_READY + 2], metadata[2];
    sw_curve_ready(&p->server, SW_VIEW("ok"), ready);
    if (!sw_curve_client_ready(&p->client, view_of(ready, sizeof(ready)), metadata) ||
        memcmp(metadata, "ok", 2) != 0)
        abort();
}

static void try_welcome(const uint8_t *data, size_t size)
{
    pair p;
    uint8_t bytes[SW_CURVE_INITIATE_MAX];
    greet(&p);
    if (sw_curve_client_welcome(&p.client, view_of(data, size), SW_VIEW("metadata"), bytes))
        abort(); /* nobody guesses the box */
}

static void try_ready(const uint8_t *data, size_t size)
{
    pair p;
    uint8_t *metadata = malloc(size + 1);
    greet(&p);
    initiate(&p);
    if (metadata == NULL || sw_curve_client_ready(&p.client, view_of(data, size), metadata))
        abort();
    free(metadata);
}

static void try_message(const uint8_t *data, size_t size)
{
    pair p;
    uint8_t *copy = malloc(size + 1), flags;
    greet(&p);
    initiate(&p);
    be_ready(&p);
    memcpy(copy, data, size);
    if (sw_curve_open_as(&p.client.box, SW_CURVE_BY_SERVER, copy, size, &flags))
        abort();
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 3 == 0)
        try_welcome(data + 1, size - 1);
    else if (data[0] % 3 == 1)
        try_ready(data + 1, size - 1);
    else
        try_message(data + 1, size - 1);
    return 0;
}
