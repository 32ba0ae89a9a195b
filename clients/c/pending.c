/* The slab, the lists and the heap of pending calls, see pending.h. */
#include "c/pending.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK 256U /* slots allocated at once */

/* --- Ids: generation (32 bits), try (8), index (24) --- */

uint64_t sw_pending_id(const sw_pending_call *call)
{
    return (uint64_t)call->generation << 32 | call->index;
}

uint64_t sw_pending_tag(const sw_pending_call *call)
{
    uint32_t further = call->tries > 0 ? call->tries - 1 : 0;
    return sw_pending_id(call) | (uint64_t)(further & 0xff) << 24;
}

sw_pending_call *sw_pending_find(const sw_pending_calls *calls, uint64_t id)
{
    uint32_t index = (uint32_t)id & (SW_PENDING_MAX - 1);
    if (index / CHUNK >= calls->chunk_count)
        return NULL;
    sw_pending_call *call = &calls->chunks[index / CHUNK][index % CHUNK];
    return call->state != SW_PENDING_FREE && call->generation == (uint32_t)(id >> 32) ? call : NULL;
}

sw_pending_call *sw_pending_find_tag(const sw_pending_calls *calls, uint64_t tag)
{
    sw_pending_call *call = sw_pending_find(calls, tag);
    return call != NULL && call->state == SW_PENDING_SENT && sw_pending_tag(call) == tag ? call : NULL;
}

/* --- Slots --- */

/* The heap has room for every slot, so that scheduling cannot fail. */
static bool grow(sw_pending_calls *calls)
{
    if (calls->chunk_count == SW_PENDING_MAX / CHUNK)
        return false;
    sw_pending_call **chunks = realloc(calls->chunks, (calls->chunk_count + 1) * sizeof(*chunks));
    if (chunks == NULL)
        return false;
    calls->chunks = chunks;
    if (!sw_heap_reserve(&calls->heap, ((size_t)calls->chunk_count + 1) * CHUNK))
        return false;
    sw_pending_call *chunk = calloc(CHUNK, sizeof(*chunk));
    if (chunk == NULL)
        return false;
    uint32_t base = calls->chunk_count * CHUNK;
    calls->chunks[calls->chunk_count++] = chunk;
    for (uint32_t i = CHUNK; i-- > 0;) {
        chunk[i].index = base + i;
        chunk[i].next = calls->spare;
        calls->spare = &chunk[i];
    }
    return true;
}

sw_pending_call *sw_pending_take(sw_pending_calls *calls)
{
    if (calls->spare == NULL && !grow(calls))
        return NULL;
    sw_pending_call *call = calls->spare;
    calls->spare = call->next;
    uint32_t index = call->index, generation = call->generation + 1;
    memset(call, 0, sizeof(*call));
    call->index = index;
    call->generation = generation == 0 ? 1 : generation; /* ids are never 0 */
    zmq_msg_init(&call->frame);
    zmq_msg_init(&call->payload);
    calls->count++;
    return call;
}

void sw_pending_release(sw_pending_calls *calls, sw_pending_call *call)
{
    sw_heap_remove(&calls->heap, &call->due);
    zmq_msg_close(&call->frame);
    zmq_msg_close(&call->payload);
    sw_pending_move(calls, call, SW_PENDING_FREE);
    if (call->json != NULL)
        calls->json_count--;
    calls->count--;
    call->next = calls->spare;
    calls->spare = call;
}

void sw_pending_clear(sw_pending_calls *calls)
{
    for (uint32_t i = 0; i < calls->chunk_count; i++)
        free(calls->chunks[i]);
    free(calls->chunks);
    sw_heap_clear(&calls->heap);
    *calls = (sw_pending_calls){0};
}

/* --- States and due times --- */

static sw_pending_list *list_of(sw_pending_calls *calls, sw_pending_state state)
{
    return state == SW_PENDING_WAITING ? &calls->waiting : state == SW_PENDING_SENT ? &calls->sent : NULL;
}

void sw_pending_move(sw_pending_calls *calls, sw_pending_call *call, sw_pending_state state)
{
    sw_pending_list *from = list_of(calls, call->state), *to = list_of(calls, state);
    if (from != NULL) {
        *(call->previous != NULL ? &call->previous->next : &from->first) = call->next;
        *(call->next != NULL ? &call->next->previous : &from->last) = call->previous;
        call->previous = call->next = NULL;
    }
    call->state = state;
    if (to != NULL) {
        call->previous = to->last;
        *(to->last != NULL ? &to->last->next : &to->first) = call;
        to->last = call;
    }
}

void sw_pending_schedule(sw_pending_calls *calls, sw_pending_call *call, int64_t due_us)
{
    sw_heap_put(&calls->heap, &call->due, due_us);
}

sw_pending_call *sw_pending_first_due(const sw_pending_calls *calls)
{
    sw_heap_node *node = sw_heap_first(&calls->heap);
    return node != NULL ? SW_HEAP_ITEM(node, sw_pending_call, due) : NULL;
}

int64_t sw_pending_due_us(const sw_pending_calls *calls)
{
    return sw_heap_first_at(&calls->heap);
}
