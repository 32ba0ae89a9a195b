/* Boxes of CURVE by libsodium (curve_box.h). */
#include "net/curve_box.h"

#include <sodium.h>
#include <string.h>

void sw_curve_put_number(uint8_t at[8], uint64_t number)
{
    for (int i = 7; i >= 0; i--, number >>= 8)
        at[i] = (uint8_t)number;
}

uint64_t sw_curve_number(const uint8_t at[8])
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++)
        number = number << 8 | at[i];
    return number;
}

void sw_curve_nonce(uint8_t nonce[24], const char *text, const uint8_t *sent)
{
    size_t size = strlen(text);
    memcpy(nonce, text, size);
    memcpy(nonce + size, sent, 24 - size);
}

bool sw_curve_take_nonce(sw_curve_box *box, uint8_t nonce[24], const char *text, const uint8_t sent[8])
{
    uint64_t number = sw_curve_number(sent);
    if (number <= box->heard)
        return false;
    box->heard = number;
    sw_curve_nonce(nonce, text, sent);
    return true;
}

/* --- a MESSAGE: a name, a nonce, a MAC, a byte of flags, and the payload --- */

#define MAC   16 /* its offset */
#define FLAGS 32

void sw_curve_seal_as(sw_curve_box *box, const char *text, uint8_t flags, uint8_t *bytes, size_t size)
{
    uint8_t nonce[24];
    memcpy(bytes, "\7MESSAGE", 8);
    sw_curve_put_number(bytes + 8, ++box->sent);
    sw_curve_nonce(nonce, text, bytes + 8);
    bytes[FLAGS] = flags;
    crypto_box_detached_afternm(bytes + FLAGS, bytes + MAC, bytes + FLAGS, size + 1, nonce, box->secret);
}

bool sw_curve_open_as(sw_curve_box *box, const char *text, uint8_t *bytes, size_t size, uint8_t *flags)
{
    uint8_t nonce[24];
    if (size < SW_CURVE_OVERHEAD || memcmp(bytes, "\7MESSAGE", 8) != 0 ||
        !sw_curve_take_nonce(box, nonce, text, bytes + 8) ||
        crypto_box_open_detached_afternm(bytes + FLAGS, bytes + FLAGS, bytes + MAC, size - FLAGS, nonce,
                                         box->secret) != 0)
        return false;
    *flags = bytes[FLAGS];
    return true;
}
