/* Checks for UTF-8 (utf8.h). */
#include "base/utf8.h"
#include <stdint.h>
#include <string.h>

static bool is_tail(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

size_t sw_utf8_next(const char *text, size_t size)
{
    const unsigned char *s = (const unsigned char *)text;
    if (size == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xC2 || s[0] > 0xF4 || size < 2)
        return 0;
    /* Only the second byte's range depends on the first. */
    unsigned char low = s[0] == 0xE0 ? 0xA0 : s[0] == 0xF0 ? 0x90 : 0x80;
    unsigned char high = s[0] == 0xED ? 0x9F : s[0] == 0xF4 ? 0x8F : 0xBF;
    if (s[1] < low || s[1] > high)
        return 0;
    size_t length = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    if (size < length)
        return 0;
    for (size_t i = 2; i < length; i++)
        if (!is_tail(s[i]))
            return 0;
    return length;
}

bool sw_utf8_valid(const char *text, size_t size)
{
    size_t at = 0;
    while (at < size) {
        uint64_t word;
        while (size - at >= sizeof(word)) { /* most text is ASCII */
            memcpy(&word, text + at, sizeof(word));
            /* Neither a high bit nor a zero byte. */
            if (((word | ((word - UINT64_C(0x0101010101010101)) & ~word)) & UINT64_C(0x8080808080808080)) !=
                0)
                break;
            at += sizeof(word);
        }
        if (at == size)
            break;
        size_t length = sw_utf8_next(text + at, size - at);
        if (length == 0 || text[at] == '\0')
            return false;
        at += length;
    }
    return true;
}

size_t sw_utf8_cut(const char *text, size_t size, size_t limit)
{
    if (size <= limit)
        return size;
    /* At most three tail bytes belong to the character that is split; more of them are no UTF-8
     * anyway. */
    for (size_t back = 0; back < 4 && back <= limit; back++)
        if (!is_tail((unsigned char)text[limit - back]))
            return limit - back;
    return limit;
}
