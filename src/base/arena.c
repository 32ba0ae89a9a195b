/* A bump allocator: a list of blocks, the newest first. Resets keep the first block. */
#include "base/arena.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BLOCK   4096
#define LARGEST_BLOCK (256 * 1024) /* blocks double up to this; larger pieces get their own */
#define DEFAULT_LIMIT (64UL * 1024 * 1024)
#define ALIGNMENT     _Alignof(max_align_t)

typedef struct block {
    struct block *next;
    size_t used, size;
    _Alignas(max_align_t) char data[];
} block;

struct sw_arena {
    ProtobufCAllocator allocator;
    size_t limit, taken;
    bool wipes, is_short;
    block *newest, *first;
};

static block *block_new(size_t size)
{
    block *made = malloc(sizeof(block) + size);
    if (made != NULL)
        *made = (block){.size = size};
    return made;
}

static void *take(sw_arena *arena, size_t size)
{
    if (size > arena->limit) /* also keeps the rounding below from wrapping */
        return NULL;
    size = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    if (size == 0)
        size = ALIGNMENT;
    if (size > arena->limit - arena->taken)
        return NULL;
    block *from = arena->newest;
    if (size > from->size - from->used) {
        size_t wanted = from->size < LARGEST_BLOCK / 2 ? from->size * 2 : LARGEST_BLOCK;
        from = block_new(size > wanted ? size : wanted);
        if (from == NULL)
            return NULL;
        from->next = arena->newest;
        arena->newest = from;
    }
    void *piece = from->data + from->used;
    from->used += size;
    arena->taken += size;
    return piece;
}

void *sw_arena_take(sw_arena *arena, size_t size)
{
    void *piece = take(arena, size);
    arena->is_short |= piece == NULL;
    return piece;
}

static void *allocator_alloc(void *data, size_t size)
{
    return sw_arena_take(data, size); /* protobuf-c fills in what it asks for */
}

static void allocator_free(void *data, void *piece)
{
    (void)data;
    (void)piece;
}

sw_arena *sw_arena_new(size_t limit)
{
    return sw_arena_new_with(FIRST_BLOCK, limit);
}

sw_arena *sw_arena_new_with(size_t first, size_t limit)
{
    sw_arena *arena = calloc(1, sizeof(*arena));
    if (arena == NULL)
        return NULL;
    arena->newest = arena->first = block_new(first);
    if (arena->first == NULL) {
        free(arena);
        return NULL;
    }
    if (limit == 0)
        limit = DEFAULT_LIMIT;
    /* A multiple of the alignment, so that rounding up a size that fits cannot pass it. */
    arena->limit =
        limit > SIZE_MAX / 2 ? SIZE_MAX / 2 + 1 - ALIGNMENT : (limit + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    arena->allocator = (ProtobufCAllocator){allocator_alloc, allocator_free, arena};
    return arena;
}

void sw_arena_destroy(sw_arena **arena)
{
    if (*arena == NULL)
        return;
    sw_arena_reset(*arena);
    free((*arena)->first);
    free(*arena);
    *arena = NULL;
}

void *sw_arena_alloc(sw_arena *arena, size_t size)
{
    void *piece = sw_arena_take(arena, size);
    if (piece != NULL)
        memset(piece, 0, size);
    return piece;
}

char *sw_arena_strndup(sw_arena *arena, const char *text, size_t length)
{
    if (length == SIZE_MAX)
        return NULL;
    char *copy = sw_arena_take(arena, length + 1);
    if (copy == NULL)
        return NULL;
    if (length > 0)
        memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *sw_arena_printf(sw_arena *arena, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    char *text = length < 0 ? NULL : sw_arena_take(arena, (size_t)length + 1);
    if (text != NULL)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(arguments);
    return text;
}

void sw_arena_wipe_on_reset(sw_arena *arena)
{
    arena->wipes = true;
}

void sw_arena_reset(sw_arena *arena)
{
    for (block *each = arena->wipes ? arena->newest : NULL; each != NULL; each = each->next)
        explicit_bzero(each->data, each->used);
    arena->wipes = false;
    while (arena->newest != arena->first) {
        block *old = arena->newest;
        arena->newest = old->next;
        free(old);
    }
    arena->first->used = 0;
    arena->taken = 0;
    arena->is_short = false;
}

bool sw_arena_is_short(const sw_arena *arena)
{
    return arena->is_short;
}

ProtobufCAllocator *sw_arena_allocator(sw_arena *arena)
{
    return &arena->allocator;
}
