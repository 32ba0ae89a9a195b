/* A bump allocator: the memory of one call or one piece of work, freed at once.
 * Also a ProtobufCAllocator, so that unpacked messages need no free. Not thread-safe. */
#ifndef SW_BASE_ARENA_H
#define SW_BASE_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct sw_arena sw_arena;

/* `limit`: bytes that may be taken between two resets (0: 64 MiB). NULL when out of memory. */
sw_arena *sw_arena_new(size_t limit);
/* The same with a first block of `first` bytes, which resets keep. */
sw_arena *sw_arena_new_with(size_t first, size_t limit);
void sw_arena_destroy(sw_arena **arena);

/* Zeroed memory, aligned for any type; NULL at the limit or when out of memory. */
void *sw_arena_alloc(sw_arena *arena, size_t size);
/* The same, not zeroed. */
void *sw_arena_take(sw_arena *arena, size_t size);
char *sw_arena_strndup(sw_arena *arena, const char *text, size_t length);
char *sw_arena_printf(sw_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Frees everything except the first block, which is used again. */
void sw_arena_reset(sw_arena *arena);

/* Whether an allocation has failed since the last reset. */
bool sw_arena_is_short(const sw_arena *arena);

/* The next reset overwrites the memory before it is freed: for arenas that hold a secret. */
void sw_arena_wipe_on_reset(sw_arena *arena);

/* Allocates in the arena, and lives as long; its free does nothing. */
ProtobufCAllocator *sw_arena_allocator(sw_arena *arena);

#endif
