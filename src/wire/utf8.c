/* UTF-8 validation: eight ASCII bytes at a time, then by RFC 3629's table. */
#include "wire/utf8.h"

#include <stdint.h>
#include <string.h>

bool sw_utf8_valid(const char *text, size_t size)
{
    const uint8_t *at = (const uint8_t *)text;
    const uint8_t *end = at == NULL ? at : at + size;
    while (at < end) {
        uint64_t word;
        if (end - at >= 8) {
            memcpy(&word, at, 8);
            /* No high bit, and no zero byte. */
            if ((word & 0x8080808080808080U) == 0 &&
                ((word - 0x0101010101010101U) & ~word & 0x8080808080808080U) == 0) {
                at += 8;
                continue;
            }
        }
        uint8_t byte = *at++;
        if (byte == 0 || (byte >= 0x80 && byte < 0xc2) || byte > 0xf4)
            return false;
        if (byte < 0x80)
            continue;
        int more = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
        if (end - at < more)
            return false;
        uint8_t low = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
        uint8_t high = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
        if (at[0] < low || at[0] > high)
            return false;
        for (int i = 1; i < more; i++)
            if ((at[i] & 0xc0) != 0x80)
                return false;
        at += more;
    }
    return true;
}
