/* Calls in flight: a slab of slots, the lists of those that wait and those that are sent, and a heap of when
 * each must be looked at. Nothing is allocated per call once the slab has grown. Used by all of clients/c. */
#include "c/core.h"

#include <stdlib.h>
#include <string.h>

/* --- Slots and ids: generation (32 bits), try (8), index (24) --- */

static sw_flight *slot(const sw_client *client, uint64_t id)
{
    uint32_t index = (uint32_t)id & (SW_FLIGHT_INDEX_MAX - 1);
    if (index / SW_FLIGHT_CHUNK >= client->chunk_count)
        return NULL;
    sw_flight *flight = &client->chunks[index / SW_FLIGHT_CHUNK][index % SW_FLIGHT_CHUNK];
    return flight->state != SW_FLIGHT_FREE && flight->generation == (uint32_t)(id >> 32) ? flight : NULL;
}

uint64_t sw_flight_id(const sw_flight *flight)
{
    return (uint64_t)flight->generation << 32 | flight->index;
}

uint64_t sw_flight_tag(const sw_flight *flight)
{
    uint32_t further = flight->tries > 0 ? flight->tries - 1 : 0;
    return sw_flight_id(flight) | (uint64_t)(further & 0xff) << 24;
}

sw_flight *sw_flight_of_id(const sw_client *client, uint64_t id)
{
    return slot(client, id);
}

sw_flight *sw_flight_of_tag(const sw_client *client, uint64_t tag)
{
    sw_flight *flight = slot(client, tag);
    return flight != NULL && flight->state == SW_FLIGHT_SENT && sw_flight_tag(flight) == tag ? flight : NULL;
}

static bool grow(sw_client *client)
{
    if (client->chunk_count == SW_FLIGHT_INDEX_MAX / SW_FLIGHT_CHUNK)
        return false;
    sw_flight **chunks = realloc(client->chunks, (client->chunk_count + 1) * sizeof(sw_flight *));
    if (chunks == NULL)
        return false;
    client->chunks = chunks;
    size_t capacity = ((size_t)client->chunk_count + 1) * SW_FLIGHT_CHUNK;
    sw_heap_entry *heap = realloc(client->heap, capacity * sizeof(sw_heap_entry));
    if (heap == NULL)
        return false;
    client->heap = heap;
    client->heap_capacity = capacity;
    sw_flight *chunk = calloc(SW_FLIGHT_CHUNK, sizeof(sw_flight));
    if (chunk == NULL)
        return false;
    uint32_t base = client->chunk_count * SW_FLIGHT_CHUNK;
    client->chunks[client->chunk_count++] = chunk;
    for (uint32_t i = SW_FLIGHT_CHUNK; i-- > 0;) {
        chunk[i].index = base + i;
        chunk[i].next = client->spare;
        client->spare = &chunk[i];
    }
    return true;
}

sw_flight *sw_flight_take(sw_client *client)
{
    if (client->spare == NULL && !grow(client))
        return NULL;
    sw_flight *flight = client->spare;
    client->spare = flight->next;
    uint32_t index = flight->index, generation = flight->generation + 1;
    memset(flight, 0, sizeof(*flight));
    flight->index = index;
    flight->generation = generation == 0 ? 1 : generation; /* ids are never 0 */
    flight->heap_index = UINT32_MAX;
    zmq_msg_init(&flight->frame);
    zmq_msg_init(&flight->payload);
    client->in_flight++;
    return flight;
}

/* --- Lists --- */

static sw_flight_list *list_of(sw_client *client, sw_flight_state state)
{
    return state == SW_FLIGHT_WAITING ? &client->waiting : state == SW_FLIGHT_SENT ? &client->sent : NULL;
}

void sw_flight_move(sw_client *client, sw_flight *flight, sw_flight_state state)
{
    sw_flight_list *from = list_of(client, flight->state), *to = list_of(client, state);
    if (from != NULL) {
        *(flight->previous != NULL ? &flight->previous->next : &from->first) = flight->next;
        *(flight->next != NULL ? &flight->next->previous : &from->last) = flight->previous;
        flight->previous = flight->next = NULL;
    }
    flight->state = state;
    if (to != NULL) {
        flight->previous = to->last;
        *(to->last != NULL ? &to->last->next : &to->first) = flight;
        to->last = flight;
    }
}

/* --- Heap, by due_us --- */

static void place(sw_client *client, size_t at, sw_heap_entry entry)
{
    client->heap[at] = entry;
    entry.flight->heap_index = (uint32_t)at;
}

static void sift_up(sw_client *client, size_t at, sw_heap_entry entry)
{
    while (at > 0 && client->heap[(at - 1) / 2].due_us > entry.due_us) {
        place(client, at, client->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(client, at, entry);
}

static void sift_down(sw_client *client, size_t at, sw_heap_entry entry)
{
    for (size_t child; (child = 2 * at + 1) < client->heap_count; at = child) {
        if (child + 1 < client->heap_count && client->heap[child + 1].due_us < client->heap[child].due_us)
            child++;
        if (client->heap[child].due_us >= entry.due_us)
            break;
        place(client, at, client->heap[child]);
    }
    place(client, at, entry);
}

static void settle(sw_client *client, size_t at, sw_heap_entry entry)
{
    if (at > 0 && client->heap[(at - 1) / 2].due_us > entry.due_us)
        sift_up(client, at, entry);
    else
        sift_down(client, at, entry);
}

void sw_flight_schedule(sw_client *client, sw_flight *flight, int64_t due_us)
{
    flight->due_us = due_us;
    sw_heap_entry entry = {due_us, flight};
    if (flight->heap_index == UINT32_MAX) /* the heap has room for every slot */
        sift_up(client, client->heap_count++, entry);
    else
        settle(client, flight->heap_index, entry);
}

void sw_flight_release(sw_client *client, sw_flight *flight)
{
    if (flight->heap_index != UINT32_MAX) {
        size_t at = flight->heap_index;
        sw_heap_entry last = client->heap[--client->heap_count];
        if (last.flight != flight)
            settle(client, at, last);
    }
    zmq_msg_close(&flight->frame);
    zmq_msg_close(&flight->payload);
    sw_flight_move(client, flight, SW_FLIGHT_FREE);
    if (flight->json != NULL)
        client->json_in_flight--;
    client->in_flight--;
    flight->next = client->spare;
    client->spare = flight;
}

void sw_flight_free_all(sw_client *client)
{
    for (uint32_t i = 0; i < client->chunk_count; i++)
        free(client->chunks[i]);
    free(client->chunks);
    free(client->heap);
}
