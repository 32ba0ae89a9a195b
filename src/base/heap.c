/* The entries hold the times, so that sifting does not touch the items it compares. */
#include "base/heap.h"

#include <stdlib.h>

#define CAPACITY_FIRST 8

bool sw_heap_reserve(sw_heap *heap, size_t count)
{
    if (count <= heap->capacity)
        return true;
    size_t capacity = heap->capacity == 0 ? CAPACITY_FIRST : heap->capacity * 2;
    if (capacity < count)
        capacity = count;
    sw_heap_entry *entries = reallocarray(heap->entries, capacity, sizeof(*entries));
    if (entries == NULL)
        return false;
    heap->entries = entries;
    heap->capacity = capacity;
    return true;
}

static void put(sw_heap *heap, size_t index, sw_heap_entry entry)
{
    heap->entries[index] = entry;
    entry.node->place = index + 1;
}

/* Puts an entry where it belongs, starting from a free index. */
static void sift(sw_heap *heap, size_t index, sw_heap_entry entry)
{
    const sw_heap_entry *entries = heap->entries;
    for (; index > 0 && entry.at < entries[(index - 1) / 2].at; index = (index - 1) / 2)
        put(heap, index, entries[(index - 1) / 2]);
    for (size_t child; (child = 2 * index + 1) < heap->count; index = child) {
        if (child + 1 < heap->count && entries[child + 1].at < entries[child].at)
            child++;
        if (entries[child].at >= entry.at)
            break;
        put(heap, index, entries[child]);
    }
    put(heap, index, entry);
}

void sw_heap_put(sw_heap *heap, sw_heap_node *node, int64_t at)
{
    size_t index = sw_heap_has(node) ? node->place - 1 : heap->count++;
    sift(heap, index, (sw_heap_entry){at, node});
}

void sw_heap_remove(sw_heap *heap, sw_heap_node *node)
{
    if (!sw_heap_has(node))
        return;
    sw_heap_entry last = heap->entries[--heap->count];
    if (last.node != node)
        sift(heap, node->place - 1, last);
    node->place = 0;
}

void sw_heap_clear(sw_heap *heap)
{
    free(heap->entries);
    *heap = (sw_heap){0};
}
