/* The server's half of CURVE (ZeroMQ RFC 26): HELLO, WELCOME, INITIATE, READY, MESSAGE. Bytes in,
 * bytes out; no socket. Used by session.c.
 *
 * Between HELLO and INITIATE the server keeps only a key for the cookie, and no key of the client.
 * Each connection has its own: with a common one, a recorded INITIATE and the messages behind it
 * could be replayed on another connection. */
#ifndef SW_LISTEN_CURVE_H
#define SW_LISTEN_CURVE_H

#include "base/view.h"
#include "net/curve_box.h"

typedef struct sw_curve {
    sw_curve_box box;             /* until INITIATE its secret encrypts the cookie */
    uint8_t client[SW_CURVE_KEY]; /* the client's key, once INITIATE has proved it */
} sw_curve;

/* Answers a HELLO. False if it is malformed or not encrypted for this key. */
bool sw_curve_hello(sw_curve *curve, const uint8_t secret_key[SW_CURVE_KEY], sw_view hello,
                    uint8_t welcome[SW_CURVE_WELCOME]);
/* Checks an INITIATE, which proves that the client has the secret key of curve->client. Copies its
 * metadata to a buffer of SW_CURVE_INITIATE_MAX bytes. False if it is malformed, forged or
 * replayed. */
bool sw_curve_initiate(sw_curve *curve, const uint8_t secret_key[SW_CURVE_KEY], sw_view initiate,
                       uint8_t *metadata, size_t *size);
/* Writes a READY, SW_CURVE_READY + metadata.size bytes. */
void sw_curve_ready(sw_curve *curve, sw_view metadata, uint8_t *to);

/* Encrypts in place: the payload, `size` bytes, is at bytes + SW_CURVE_OVERHEAD. The MESSAGE begins
 * at `bytes`. */
void sw_curve_seal(sw_curve *curve, uint8_t flags, uint8_t *bytes, size_t size);
/* Decrypts a MESSAGE of `size` bytes in place: the payload is then at bytes + SW_CURVE_OVERHEAD.
 * False if it is malformed, forged or replayed. */
bool sw_curve_open(sw_curve *curve, uint8_t *bytes, size_t size, uint8_t *flags);

#endif
