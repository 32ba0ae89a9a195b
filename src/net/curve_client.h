/* The client's half of CURVE (ZeroMQ RFC 26): HELLO, WELCOME, INITIATE, READY. Bytes in, bytes out;
 * no socket. Used by zmtp.c. The listener has the server's half. */
#ifndef SW_NET_CURVE_CLIENT_H
#define SW_NET_CURVE_CLIENT_H

#include "base/view.h"
#include "net/curve_box.h"

typedef struct sw_curve_keys {
    uint8_t public_key[SW_CURVE_KEY], secret_key[SW_CURVE_KEY]; /* the client's own */
    uint8_t server[SW_CURVE_KEY];                               /* the broker that it trusts */
} sw_curve_keys;

/* Holds secrets: wipe it. */
typedef struct sw_curve_client {
    sw_curve_keys keys;
    uint8_t public_key[SW_CURVE_KEY], secret_key[SW_CURVE_KEY]; /* of this connection */
    sw_curve_box box;                                           /* after WELCOME */
} sw_curve_client;

/* Makes a key for the connection, and the HELLO. False if the server's key is no good. */
bool sw_curve_client_hello(sw_curve_client *client, uint8_t hello[SW_CURVE_HELLO]);
/* Checks the WELCOME, which proves that the server has the secret half of keys.server, and makes
 * the INITIATE: SW_CURVE_INITIATE + metadata.size bytes, SW_CURVE_INITIATE_MAX at most. False if
 * the WELCOME is malformed or forged. */
bool sw_curve_client_welcome(sw_curve_client *client, sw_view welcome, sw_view metadata, uint8_t *initiate);
/* Checks the READY and writes its metadata, ready.size - SW_CURVE_READY bytes. False if it is
 * malformed, forged or replayed. */
bool sw_curve_client_ready(sw_curve_client *client, sw_view ready, uint8_t *metadata);

#endif
