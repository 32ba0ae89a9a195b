/* The boxes of CURVE (ZeroMQ RFC 26) that both sides make: nonces, and MESSAGEs of a connection
 * whose handshake is done. Bytes in, bytes out. Used by curve_client.c here and by the listener. */
#ifndef SW_NET_CURVE_BOX_H
#define SW_NET_CURVE_BOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SW_CURVE_KEY          32
#define SW_CURVE_HELLO        200  /* bytes of a HELLO */
#define SW_CURVE_WELCOME      168  /* bytes of a WELCOME */
#define SW_CURVE_INITIATE     257  /* bytes of an INITIATE without metadata */
#define SW_CURVE_INITIATE_MAX 1024 /* bytes of an INITIATE */
#define SW_CURVE_READY        30   /* bytes of a READY without metadata */
#define SW_CURVE_OVERHEAD     33   /* bytes that a MESSAGE adds to its payload */

enum { SW_CURVE_MORE = 1, SW_CURVE_COMMAND = 2 }; /* flags in a MESSAGE */

/* What both sides share, once each knows the other's short-term key. */
typedef struct sw_curve_box {
    uint8_t secret[SW_CURVE_KEY]; /* of crypto_box_beforenm */
    uint64_t sent, heard;         /* nonces of the last command each way */
} sw_curve_box;

uint64_t sw_curve_number(const uint8_t at[8]);
void sw_curve_put_number(uint8_t at[8], uint64_t number);
/* A constant text of 16 or 8 bytes, and what is sent of the nonce. */
void sw_curve_nonce(uint8_t nonce[24], const char *text, const uint8_t *sent);
/* The nonce of a command that came; it grows with each one. False if this one does not. */
bool sw_curve_take_nonce(sw_curve_box *box, uint8_t nonce[24], const char *text, const uint8_t sent[8]);

/* Encrypts in place: the payload, `size` bytes, is at bytes + SW_CURVE_OVERHEAD. The MESSAGE begins
 * at `bytes`. `text` is the constant of the sender's nonces. */
void sw_curve_seal_as(sw_curve_box *box, const char *text, uint8_t flags, uint8_t *bytes, size_t size);
/* Decrypts a MESSAGE of `size` bytes in place: the payload is then at bytes + SW_CURVE_OVERHEAD.
 * False if it is malformed, forged or replayed. */
bool sw_curve_open_as(sw_curve_box *box, const char *text, uint8_t *bytes, size_t size, uint8_t *flags);

#define SW_CURVE_BY_CLIENT "CurveZMQMESSAGEC"
#define SW_CURVE_BY_SERVER "CurveZMQMESSAGES"

#endif
