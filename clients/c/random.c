/* Random numbers from the kernel, see random.h. */
#include "c/random.h"

#include <string.h>
#include <sys/random.h>

static void take(sw_random *random, void *to, size_t size)
{
    if (random->left < size) {
        /* Requests of up to 256 bytes are never cut short: getrandom(2). */
        for (size_t at = 0; at < sizeof(random->bytes);) {
            ssize_t got = getrandom(random->bytes + at, 256, 0);
            if (got > 0)
                at += (size_t)got;
        }
        random->left = sizeof(random->bytes);
    }
    random->left -= size;
    memcpy(to, random->bytes + random->left, size);
}

int64_t sw_random_upto(sw_random *random, int64_t bound)
{
    uint32_t number;
    take(random, &number, sizeof(number));
    return bound <= 0 ? 0 : (int64_t)number % (bound + 1);
}

void sw_random_uuid(sw_random *random, char text[SW_UUID_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[16];
    take(random, bytes, sizeof(bytes));
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40); /* version 4 */
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80); /* variant 1 */
    for (size_t i = 0; i < sizeof(bytes); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *text++ = '-';
        *text++ = digits[bytes[i] >> 4];
        *text++ = digits[bytes[i] & 15];
    }
    *text = '\0';
}
