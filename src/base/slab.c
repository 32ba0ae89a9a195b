/* Chunked slots with a free list. */
#include "base/slab.h"

#include <stdlib.h>
#include <string.h>

static bool grow(sw_slab *slab)
{
    uint32_t chunk = slab->capacity / SW_SLAB_CHUNK;
    if (slab->capacity > UINT32_MAX / 2)
        return false;
    char **chunks = realloc(slab->chunks, (chunk + 1) * sizeof(*chunks));
    if (chunks == NULL)
        return false;
    slab->chunks = chunks;
    chunks[chunk] = calloc(SW_SLAB_CHUNK, slab->size);
    if (chunks[chunk] == NULL)
        return false;
    slab->capacity += SW_SLAB_CHUNK;
    return true;
}

uint32_t sw_slab_take(sw_slab *slab)
{
    uint32_t index;
    if (slab->free != 0) {
        index = slab->free - 1;
        sw_slot *slot = sw_slab_at(slab, index);
        slab->free = slot->free_next;
        memset(slot + 1, 0, slab->size - sizeof(*slot));
        slot->free_next = SW_SLOT_LIVE;
    } else {
        if (slab->top == slab->capacity && !grow(slab))
            return SW_NONE;
        index = slab->top++;
        ((sw_slot *)sw_slab_at(slab, index))->free_next = SW_SLOT_LIVE;
    }
    slab->used++;
    return index;
}

void sw_slab_give(sw_slab *slab, uint32_t index)
{
    sw_slot *slot = sw_slab_at(slab, index);
    slot->generation++;
    slot->free_next = slab->free;
    slab->free = index + 1;
    slab->used--;
}

void sw_slab_clear(sw_slab *slab)
{
    for (uint32_t i = 0; i < slab->capacity / SW_SLAB_CHUNK; i++)
        free(slab->chunks[i]);
    free(slab->chunks);
    *slab = (sw_slab){.size = slab->size};
}
