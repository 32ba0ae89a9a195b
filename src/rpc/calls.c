/* The calls of a dispatch (calls.h). A call in flight has a slot, whose number the hash table
 * knows. */
#include "rpc/calls.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_FIRST 256
#define SPARE_MAX   1024                /* calls kept for reuse */
#define ARENA_MAX   (64U * 1024 * 1024) /* bytes of one call */

/* --- Made and kept --- */

static sw_call *make_call(void)
{
    sw_call *call = malloc(sizeof(*call));
    sw_arena *arena = call == NULL ? NULL : sw_arena_new(ARENA_MAX);
    if (arena == NULL) {
        free(call);
        return NULL;
    }
    call->arena = arena;
    return call;
}

sw_call *sw_calls_take(sw_calls *calls)
{
    sw_call *call = calls->spare;
    if (call != NULL) {
        calls->spare = call->later;
        calls->spare_count--;
    } else if ((call = make_call()) == NULL) {
        return NULL;
    }
    sw_arena *arena = call->arena;
    memset(call, 0, offsetof(sw_call, header));
    call->calls = calls;
    call->arena = arena;
    call->number = SW_NONE;
    call->header.call_id = 0;
    call->header.metadata_count = 0;
    return call;
}

static void free_call(sw_call *call)
{
    sw_arena_destroy(&call->arena);
    free(call);
}

void sw_calls_give(sw_call *call)
{
    sw_calls *calls = call->calls;
    sw_calls_remove(call);
    if (calls->spare_count == SPARE_MAX) {
        free_call(call);
        return;
    }
    sw_arena_reset(call->arena);
    call->later = calls->spare;
    calls->spare = call;
    calls->spare_count++;
}

static void free_list(sw_call *first)
{
    for (sw_call *call = first, *later; call != NULL; call = later) {
        later = call->later;
        free_call(call);
    }
}

void sw_calls_clear(sw_calls *calls)
{
    free_list(calls->first);
    free_list(calls->spare);
    free(calls->slots);
    sw_heap_clear(&calls->deadlines);
    sw_hash_table_clear(&calls->table);
    *calls = (sw_calls){0};
}

/* --- In flight --- */

static uint32_t hash_of(const sw_transport *transport, const sw_route *route)
{
    uint64_t owner = (uintptr_t)transport;
    return route->address.size == 0
               ? sw_hash_numbers(0, owner, route->tag)
               : sw_hash_bytes(owner ^ route->tag, route->address.data, route->address.size);
}

static bool reserve_slot(sw_calls *calls)
{
    if (calls->slot_free != 0 || calls->slot_count < calls->slot_capacity)
        return true;
    uint32_t capacity = calls->slot_capacity == 0 ? SLOTS_FIRST : calls->slot_capacity * 2;
    sw_call_slot *slots = reallocarray(calls->slots, capacity, sizeof(*slots));
    if (slots == NULL)
        return false;
    calls->slots = slots;
    calls->slot_capacity = capacity;
    return true;
}

static uint32_t take_slot(sw_calls *calls)
{
    if (calls->slot_free == 0)
        return calls->slot_count++;
    uint32_t number = calls->slot_free - 1;
    calls->slot_free = calls->slots[number].next_free;
    return number;
}

static void give_slot(sw_calls *calls, uint32_t number)
{
    calls->slots[number].next_free = calls->slot_free;
    calls->slot_free = number + 1;
}

static void link_call(sw_calls *calls, sw_call *call)
{
    call->earlier = NULL;
    call->later = calls->first;
    if (calls->first != NULL)
        calls->first->earlier = call;
    calls->first = call;
    calls->count++;
}

bool sw_calls_add(sw_call *call)
{
    sw_calls *calls = call->calls;
    if (!reserve_slot(calls) || !sw_heap_reserve(&calls->deadlines, calls->count + 1))
        return false;
    uint32_t number = take_slot(calls);
    if (!sw_hash_table_insert(&calls->table, hash_of(call->transport, &call->route), number)) {
        give_slot(calls, number);
        return false;
    }
    call->number = number;
    calls->slots[number].call = call;
    sw_heap_put(&calls->deadlines, &call->deadline, call->deadline_ms);
    link_call(calls, call);
    return true;
}

static void unlink_call(sw_calls *calls, sw_call *call)
{
    if (calls->cursor == call)
        calls->cursor = call->later;
    if (call->later != NULL)
        call->later->earlier = call->earlier;
    *(call->earlier != NULL ? &call->earlier->later : &calls->first) = call->later;
    calls->count--;
}

void sw_calls_remove(sw_call *call)
{
    if (call->number == SW_NONE)
        return;
    sw_calls *calls = call->calls;
    unlink_call(calls, call);
    sw_heap_remove(&calls->deadlines, &call->deadline);
    sw_hash_table_remove(&calls->table, hash_of(call->transport, &call->route), call->number);
    give_slot(calls, call->number);
    call->number = SW_NONE;
}

sw_call *sw_calls_find(const sw_calls *calls, const sw_transport *transport, const sw_route *route)
{
    uint32_t hash = hash_of(transport, route), at = hash, number;
    while ((number = sw_hash_table_next(&calls->table, hash, &at)) != SW_NONE) {
        sw_call *call = calls->slots[number].call;
        if (call->transport == transport && call->route.tag == route->tag &&
            sw_view_equal(call->route.address, route->address))
            return call;
    }
    return NULL;
}
