/* Waiting calls. Each service has a ring with a queue per client, so that calls are taken from
 * the clients in turn, and a client that floods the service delays only itself. Bounded per
 * service, per client and in all, in calls and bytes. */
#include "broker/core/state.h"

bool sw_core_queue_admits(const sw_core *core, uint32_t client, uint32_t service, size_t bytes,
                          sw_answer *answer)
{
    const sw_core_config *config = &core->config;
    const sw_core_client *c = sw_core_client_at(core, client);
    const sw_core_service *s = sw_core_service_at(core, service);
    if (c->queued >= config->client_calls || c->queued_bytes + bytes > config->client_bytes)
        *answer = SW_ANSWER_CLIENT_FULL;
    else if (s->queued >= config->service_calls || s->queued_bytes + bytes > config->service_bytes)
        *answer = SW_ANSWER_SERVICE_FULL;
    else if (core->queued >= config->calls || core->queued_bytes + bytes > config->bytes)
        *answer = SW_ANSWER_BROKER_FULL;
    else
        return true;
    return false;
}

static void ring_insert(sw_core *core, sw_core_service *service, uint32_t index)
{
    sw_core_queue *queue = sw_core_queue_at(core, index);
    if (service->ring == SW_NONE) {
        service->ring = queue->ring_next = queue->ring_previous = index;
        return;
    }
    /* Its turn comes last: before the queue whose turn it is. */
    sw_core_queue *first = sw_core_queue_at(core, service->ring);
    queue->ring_next = service->ring;
    queue->ring_previous = first->ring_previous;
    sw_core_queue_at(core, first->ring_previous)->ring_next = index;
    first->ring_previous = index;
}

static void drop_queue(sw_core *core, uint32_t index)
{
    sw_core_queue *queue = sw_core_queue_at(core, index);
    sw_core_service *service = sw_core_service_at(core, queue->service);
    if (queue->ring_next == index) {
        service->ring = SW_NONE;
    } else {
        sw_core_queue_at(core, queue->ring_previous)->ring_next = queue->ring_next;
        sw_core_queue_at(core, queue->ring_next)->ring_previous = queue->ring_previous;
        if (service->ring == index)
            service->ring = queue->ring_next;
    }
    if (queue->client_previous == SW_NONE)
        sw_core_client_at(core, queue->client)->queues = queue->client_next;
    else
        sw_core_queue_at(core, queue->client_previous)->client_next = queue->client_next;
    if (queue->client_next != SW_NONE)
        sw_core_queue_at(core, queue->client_next)->client_previous = queue->client_previous;
    sw_slab_give(&core->queues, index);
}

bool sw_core_queue_find_or_add(sw_core *core, uint32_t index)
{
    sw_core_call *call = sw_core_call_at(core, index);
    sw_core_client *client = sw_core_client_at(core, call->client);
    /* A client rarely waits for more than one or two services. */
    for (uint32_t at = client->queues; at != SW_NONE; at = sw_core_queue_at(core, at)->client_next)
        if (sw_core_queue_at(core, at)->service == call->service) {
            call->queue = at;
            return true;
        }
    uint32_t at = sw_slab_take(&core->queues);
    if (at == SW_NONE)
        return false;
    sw_core_queue *queue = sw_core_queue_at(core, at);
    queue->client = call->client;
    queue->service = call->service;
    queue->head = queue->tail = queue->client_previous = SW_NONE;
    queue->client_next = client->queues;
    if (client->queues != SW_NONE)
        sw_core_queue_at(core, client->queues)->client_previous = at;
    client->queues = at;
    ring_insert(core, sw_core_service_at(core, call->service), at);
    call->queue = at;
    return true;
}

static void count(sw_core *core, const sw_core_call *call, bool in)
{
    sw_core_client *client = sw_core_client_at(core, call->client);
    sw_core_service *service = sw_core_service_at(core, call->service);
    uint32_t one = in ? 1 : UINT32_MAX; /* modulo 2^32 */
    uint64_t bytes = in ? call->bytes : -(uint64_t)call->bytes;
    client->queued += one;
    client->queued_bytes += bytes;
    service->queued += one;
    service->queued_bytes += bytes;
    core->queued += one;
    core->queued_bytes += bytes;
}

void sw_core_queue_add(sw_core *core, uint32_t index)
{
    sw_core_call *call = sw_core_call_at(core, index);
    sw_core_queue *queue = sw_core_queue_at(core, call->queue);
    /* In order of arrival: a call that never reached its worker goes before younger ones. */
    uint32_t after = queue->tail;
    while (after != SW_NONE && sw_core_call_at(core, after)->arrived_us > call->arrived_us)
        after = sw_core_call_at(core, after)->previous;
    call->previous = after;
    call->next = after == SW_NONE ? queue->head : sw_core_call_at(core, after)->next;
    if (after == SW_NONE)
        queue->head = index;
    else
        sw_core_call_at(core, after)->next = index;
    if (call->next == SW_NONE)
        queue->tail = index;
    else
        sw_core_call_at(core, call->next)->previous = index;
    count(core, call, true);
}

void sw_core_queue_remove(sw_core *core, uint32_t index)
{
    sw_core_call *call = sw_core_call_at(core, index);
    sw_core_queue *queue = sw_core_queue_at(core, call->queue);
    if (call->previous == SW_NONE)
        queue->head = call->next;
    else
        sw_core_call_at(core, call->previous)->next = call->next;
    if (call->next == SW_NONE)
        queue->tail = call->previous;
    else
        sw_core_call_at(core, call->next)->previous = call->previous;
    count(core, call, false);
    if (queue->head == SW_NONE)
        drop_queue(core, call->queue);
    call->queue = SW_NONE;
}

uint32_t sw_core_queue_next(sw_core *core, sw_core_service *service)
{
    if (service->ring == SW_NONE)
        return SW_NONE;
    sw_core_queue *queue = sw_core_queue_at(core, service->ring);
    service->ring = queue->ring_next;
    return queue->head;
}
