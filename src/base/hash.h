/* A fast hash of bytes for tables that compare what they find: not for hostile input that could flood a bucket without
 * bound, nor for anything stored. */
#ifndef SW_BASE_HASH_H
#define SW_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Eight bytes at a time; all bits of the result are usable. */
static inline uint64_t sw_hash(const char *bytes, size_t size)
{
    uint64_t hash = 0x9e3779b97f4a7c15U ^ size, word;
    for (; size >= 8; bytes += 8, size -= 8) {
        memcpy(&word, bytes, 8);
        hash = (hash ^ word) * 0xff51afd7ed558ccdU;
        hash ^= hash >> 32;
    }
    word = 0;
    if (size > 0)
        memcpy(&word, bytes, size);
    hash = (hash ^ word) * 0xff51afd7ed558ccdU;
    return hash ^ hash >> 32;
}

#endif
