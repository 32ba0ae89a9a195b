/* Randomness of a client: request ids and jitter. Drawn from the kernel in blocks. Used by call.c and
 * outcome.c. */
#include "c/core.h"

#include <string.h>
#include <sys/random.h>

void sw_client_random(sw_client *client, void *to, size_t size)
{
    if (client->random_left < size) {
        /* Up to 256 bytes come whole once the kernel's pool is ready: getrandom(2). */
        for (size_t at = 0; at < sizeof(client->random);) {
            ssize_t got = getrandom(client->random + at, 256, 0);
            if (got > 0)
                at += (size_t)got;
        }
        client->random_left = sizeof(client->random);
    }
    client->random_left -= size;
    memcpy(to, client->random + client->random_left, size);
}

int64_t sw_client_jitter(sw_client *client, int64_t bound)
{
    uint32_t number;
    sw_client_random(client, &number, sizeof(number));
    return bound <= 0 ? 0 : (int64_t)number % (bound + 1);
}

void sw_client_uuid(sw_client *client, char text[37])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[16];
    sw_client_random(client, bytes, sizeof(bytes));
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
