/* The hash of all hash tables, seeded. A table whose keys come from peers takes a random seed, so
 * that nobody can choose keys that collide; any other takes 0. Results may differ between versions
 * of the program: never store them. */
#ifndef SW_BASE_HASH_H
#define SW_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SW_HASH_FACTOR 0xa0761d6478bd642fU

/* The 128-bit product, its halves combined by XOR. */
static inline uint64_t sw_hash_mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t sw_hash_pair(uint64_t seed, uint64_t a, uint64_t b)
{
    return sw_hash_mix(a ^ seed ^ SW_HASH_FACTOR, b ^ 0x9e3779b97f4a7c15U ^ seed << 1) * 0xd6e8feb86659fd93U;
}

/* All 64 bits of the result are usable. `data` may be NULL if size is 0. */
static inline uint64_t sw_hash_64(uint64_t seed, const void *data, size_t size)
{
    const unsigned char *at = (const unsigned char *)data;
    uint64_t hash = seed ^ size * 0x9e3779b97f4a7c15U, word;
    for (; size >= 8; size -= 8, at += 8) {
        memcpy(&word, at, 8);
        hash = sw_hash_mix(hash ^ word, SW_HASH_FACTOR) + seed;
    }
    word = 0;
    if (size > 0)
        memcpy(&word, at, size);
    return sw_hash_pair(seed, hash, word);
}

/* The same for the hash tables of hash_table.h. */
static inline uint32_t sw_hash_bytes(uint64_t seed, const void *data, size_t size)
{
    return (uint32_t)(sw_hash_64(seed, data, size) >> 32);
}

static inline uint32_t sw_hash_numbers(uint64_t seed, uint64_t a, uint64_t b)
{
    return (uint32_t)(sw_hash_pair(seed, a, b) >> 32);
}

#endif
