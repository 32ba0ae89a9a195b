/* Random numbers, drawn from the kernel in blocks: request ids and the jitter of pauses. Used by
 * the client's files. Not thread-safe. */
#ifndef SW_CLIENT_RANDOM_H
#define SW_CLIENT_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#define SW_UUID_SIZE 37 /* bytes of a UUID's text, NUL included */

/* All zeros is ready for use. */
typedef struct sw_random {
    uint8_t bytes[512];
    size_t left; /* bytes at the front that nobody has taken */
} sw_random;

/* A number from 0 to `bound`; 0 if the bound is not positive. Uniform enough for pauses. */
int64_t sw_random_upto(sw_random *random, int64_t bound);
/* A UUID, version 4. */
void sw_random_uuid(sw_random *random, char text[SW_UUID_SIZE]);

#endif
