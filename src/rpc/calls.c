/* The calls in flight of a dispatch: a hash table by route, a heap by deadline, a list of all. All intrusive;
 * only the two arrays are allocated, and they only grow. */
#include "rpc/call.h"

#include "base/clock.h"
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 256

static size_t bucket_of(const sw_calls *calls, const sw_transport *transport, const sw_route *route)
{
    uint64_t hash = (uint64_t)(uintptr_t)transport ^ route->tag;
    for (size_t i = 0; i < route->address.size; i++)
        hash = (hash ^ (uint8_t)route->address.data[i]) * 0x100000001b3U;
    hash *= 0x9e3779b97f4a7c15U;
    return (hash >> 32) & (calls->bucket_count - 1);
}

/* --- the heap: the first is the first to expire --- */

static void put(sw_calls *calls, size_t place, sw_call *call)
{
    calls->heap[place] = call;
    call->place = place;
}

static void sift(sw_calls *calls, size_t place)
{
    sw_call *call = calls->heap[place];
    for (; place > 0; place = (place - 1) / 2) {
        sw_call *parent = calls->heap[(place - 1) / 2];
        if (parent->expires_ms <= call->expires_ms)
            break;
        put(calls, place, parent);
    }
    for (size_t child; (child = 2 * place + 1) < calls->count; place = child) {
        if (child + 1 < calls->count && calls->heap[child + 1]->expires_ms < calls->heap[child]->expires_ms)
            child++;
        if (calls->heap[child]->expires_ms >= call->expires_ms)
            break;
        put(calls, place, calls->heap[child]);
    }
    put(calls, place, call);
}

void sw_calls_move(sw_calls *calls, sw_call *call, int64_t expires_ms)
{
    call->expires_ms = expires_ms;
    sift(calls, call->place);
}

/* --- the table --- */

static void link_bucket(sw_calls *calls, sw_call *call)
{
    sw_call **bucket = &calls->buckets[bucket_of(calls, call->transport, &call->route)];
    call->next = *bucket;
    *bucket = call;
}

static bool grow(sw_calls *calls)
{
    size_t capacity = calls->capacity == 0 ? FIRST_CAPACITY : calls->capacity * 2;
    sw_call **heap = realloc(calls->heap, capacity * sizeof(sw_call *));
    if (heap == NULL)
        return false;
    calls->heap = heap; /* larger than it says, if the next one fails: no harm */
    sw_call **buckets = calloc(capacity, sizeof(sw_call *));
    if (buckets == NULL)
        return false;
    free(calls->buckets);
    calls->buckets = buckets;
    calls->bucket_count = calls->capacity = capacity;
    for (size_t i = 0; i < calls->count; i++)
        link_bucket(calls, heap[i]);
    return true;
}

bool sw_calls_add(sw_calls *calls, sw_call *call)
{
    if (calls->count == calls->capacity && !grow(calls))
        return false;
    link_bucket(calls, call);
    call->earlier = NULL;
    call->later = calls->first;
    if (calls->first != NULL)
        calls->first->earlier = call;
    calls->first = call;
    call->expires_ms = call->deadline_ms;
    put(calls, calls->count++, call);
    sift(calls, call->place);
    call->shared = true;
    return true;
}

void sw_calls_remove(sw_calls *calls, sw_call *call)
{
    sw_call **at = &calls->buckets[bucket_of(calls, call->transport, &call->route)];
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    if (calls->cursor == call)
        calls->cursor = call->later;
    if (call->later != NULL)
        call->later->earlier = call->earlier;
    *(call->earlier != NULL ? &call->earlier->later : &calls->first) = call->later;
    sw_call *last = calls->heap[--calls->count];
    if (last != call) {
        put(calls, call->place, last);
        sift(calls, last->place);
    }
    call->shared = false;
}

sw_call *sw_calls_find(const sw_calls *calls, const sw_transport *transport, const sw_route *route)
{
    if (calls->count == 0)
        return NULL;
    sw_call *call = calls->buckets[bucket_of(calls, transport, route)];
    while (call != NULL && (call->transport != transport || call->route.tag != route->tag ||
                            !sw_view_equal(call->route.address, route->address)))
        call = call->next;
    return call;
}

void sw_calls_clear(sw_calls *calls)
{
    free(calls->heap);
    free(calls->buckets);
    *calls = (sw_calls){0};
}
