/* Slots of one size with stable addresses, named by number. A slot's generation tells a new item
 * from the one that had the slot before. Memory is taken in chunks and kept. Not thread-safe. */
#ifndef SW_BASE_SLAB_H
#define SW_BASE_SLAB_H

#include "base/hash_table.h"

#define SW_SLAB_CHUNK 128U /* slots */

/* First member of an item in a slab. */
typedef struct sw_slot {
    uint32_t generation; /* goes up when the slot is freed */
    uint32_t free_next;  /* SW_SLOT_LIVE while it is in use */
} sw_slot;

#define SW_SLOT_LIVE (UINT32_MAX - 1)

/* All zeros but for `size` is an empty slab. */
typedef struct sw_slab {
    size_t size; /* of a slot, bytes; set once */
    char **chunks;
    uint32_t capacity, top, free, used; /* top: slots ever used; free: first freed slot, plus 1 */
} sw_slab;

/* A slot with everything behind its sw_slot zeroed; SW_NONE when out of memory. */
uint32_t sw_slab_take(sw_slab *slab);
/* Frees a slot that is in use. */
void sw_slab_give(sw_slab *slab, uint32_t index);
void sw_slab_clear(sw_slab *slab);

/* The slot, which exists. */
static inline void *sw_slab_at(const sw_slab *slab, uint32_t index)
{
    return slab->chunks[index / SW_SLAB_CHUNK] + slab->size * (index % SW_SLAB_CHUNK);
}

/* The slot if it is in use, or NULL: for numbers that a peer sent. */
static inline void *sw_slab_get(const sw_slab *slab, uint32_t index)
{
    if (index >= slab->top)
        return NULL;
    sw_slot *slot = sw_slab_at(slab, index);
    return slot->free_next == SW_SLOT_LIVE ? slot : NULL;
}

#endif
