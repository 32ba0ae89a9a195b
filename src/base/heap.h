/* A binary heap of nodes by time: finds the earliest, and moves or removes any node in O(log n). A
 * node is embedded in the caller's item and knows its place. Used for timers and deadlines. Not
 * thread-safe. */
#ifndef SW_BASE_HEAP_H
#define SW_BASE_HEAP_H

#include "base/deadline.h"
#include <stdbool.h>
#include <stddef.h>

/* All zeros is a node that is in no heap. */
typedef struct sw_heap_node {
    size_t place; /* in the heap, from 1; 0: in none */
} sw_heap_node;

typedef struct sw_heap_entry {
    int64_t at; /* any unit, the same for all */
    sw_heap_node *node;
} sw_heap_entry;

/* All zeros is an empty heap. */
typedef struct sw_heap {
    sw_heap_entry *entries;
    size_t count, capacity;
} sw_heap;

/* The item of a node that is its member `member`. */
#define SW_HEAP_ITEM(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

/* Room for `count` nodes in all, so that sw_heap_put cannot fail. Capacity at least doubles. False
 * when out of memory; the heap is then unchanged. */
bool sw_heap_reserve(sw_heap *heap, size_t count);
/* Adds the node, or moves it if it is in the heap. There is room for it. */
void sw_heap_put(sw_heap *heap, sw_heap_node *node, int64_t at);
/* Does nothing if the node is in no heap. */
void sw_heap_remove(sw_heap *heap, sw_heap_node *node);
/* Frees the heap's memory. Nodes are not touched: the caller frees them or sets them to zero. */
void sw_heap_clear(sw_heap *heap);

/* The node with the earliest time, NULL in an empty heap; of several with the same time, any. */
static inline sw_heap_node *sw_heap_first(const sw_heap *heap)
{
    return heap->count == 0 ? NULL : heap->entries[0].node;
}

/* Its time; SW_NEVER in an empty heap. */
static inline int64_t sw_heap_first_at(const sw_heap *heap)
{
    return heap->count == 0 ? SW_NEVER : heap->entries[0].at;
}

static inline bool sw_heap_has(const sw_heap_node *node)
{
    return node->place != 0;
}

/* The time of a node that is in the heap. */
static inline int64_t sw_heap_at(const sw_heap *heap, const sw_heap_node *node)
{
    return heap->entries[node->place - 1].at;
}

#endif
