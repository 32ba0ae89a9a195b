/* Services: their names, their workers, and which of these is the least busy. `@instance` is a
 * service with one worker. */
#include "broker/core/state.h"

#include <stdlib.h>
#include <string.h>

uint32_t sw_core_service_find(const sw_core *core, sw_view name)
{
    uint32_t hash = sw_hash_bytes(core->secret, name.data, name.size), at = hash, index;
    while ((index = sw_hash_table_next(&core->service_names, hash, &at)) != SW_NONE)
        if (sw_view_equal(sw_core_service_name(core, index), name))
            return index;
    return SW_NONE;
}

uint32_t sw_core_service_find_or_add(sw_core *core, sw_view name, bool worker)
{
    uint32_t index = sw_core_service_find(core, name);
    /* Instances are bounded by the number of workers. */
    bool instance = name.size > 0 && name.data[0] == '@';
    /* Names that clients invent leave room for workers. */
    uint32_t bound = core->config.services / 2;
    if (worker)
        bound = core->config.services + (instance ? core->config.workers : 0);
    if (index != SW_NONE || name.size == 0 || name.size > SW_NAME_MAX || core->services.used >= bound)
        return index;
    uint32_t hash = sw_hash_bytes(core->secret, name.data, name.size);
    index = sw_slab_take(&core->services);
    if (index == SW_NONE)
        return SW_NONE;
    if (!sw_hash_table_insert(&core->service_names, hash, index)) {
        sw_slab_give(&core->services, index);
        return SW_NONE;
    }
    sw_core_service *service = sw_core_service_at(core, index);
    service->hash = hash;
    service->ring = SW_NONE;
    service->instance = instance;
    service->name_size = (uint32_t)name.size;
    memcpy(service->name, name.data, name.size);
    return index;
}

bool sw_core_service_join(sw_core *core, uint32_t index, uint32_t number)
{
    sw_core_service *service = sw_core_service_at(core, index);
    if (service->worker_count == service->worker_room) {
        uint32_t room = service->worker_room == 0 ? 4 : service->worker_room * 2;
        uint32_t *workers = realloc(service->workers, room * sizeof(*workers));
        if (workers == NULL)
            return false;
        service->workers = workers;
        service->worker_room = room;
    }
    service->workers[service->worker_count++] = number;
    service->rpc_workers += sw_core_worker_at(core, number)->rpc;
    service->known = true;
    return true;
}

void sw_core_service_leave(sw_core *core, uint32_t index, uint32_t number)
{
    sw_core_service *service = sw_core_service_at(core, index);
    for (uint32_t i = 0; i < service->worker_count; i++)
        if (service->workers[i] == number) {
            service->rpc_workers -= sw_core_worker_at(core, number)->rpc;
            service->workers[i] = service->workers[--service->worker_count];
            service->cursor = 0;
            return;
        }
}

uint32_t sw_core_service_pick(sw_core *core, sw_core_service *service)
{
    const sw_core_worker *best = NULL;
    bool others = false; /* there are workers that are not in reserve */
    uint32_t found = SW_NONE, at = service->cursor;
    for (uint32_t i = 0; i < service->worker_count; i++, at++) {
        if (at >= service->worker_count)
            at = 0;
        const sw_core_worker *worker = sw_core_worker_at(core, service->workers[at]);
        bool reserve = sw_core_worker_is_reserve(worker);
        if (worker->state == SW_WORKER_READY && !reserve && !others) {
            others = true;
            best = NULL;
        }
        if ((reserve && others) || worker->state != SW_WORKER_READY || worker->in_flight >= worker->capacity)
            continue;
        /* Compares shares without division. On a tie the first one after the cursor wins, so
         * ties go round. */
        if (best == NULL ||
            (uint64_t)worker->in_flight * best->capacity < (uint64_t)best->in_flight * worker->capacity) {
            best = worker;
            found = at;
            if (worker->in_flight == 0 && !reserve)
                break;
        }
    }
    if (best == NULL)
        return SW_NONE;
    service->cursor = found + 1;
    return service->workers[found];
}

bool sw_core_service_spares(const sw_core *core, const sw_core_service *service, const sw_core_worker *worker)
{
    for (uint32_t i = 0; i < service->worker_count && sw_core_worker_is_reserve(worker); i++) {
        const sw_core_worker *other = sw_core_worker_at(core, service->workers[i]);
        if (other->state == SW_WORKER_READY && !sw_core_worker_is_reserve(other))
            return true;
    }
    return false;
}

bool sw_core_service_is_live(const sw_core *core, const sw_core_service *service)
{
    for (uint32_t i = 0; i < service->worker_count; i++)
        if (sw_core_worker_at(core, service->workers[i])->state == SW_WORKER_READY)
            return true;
    return false;
}

void sw_core_service_flush(sw_core *core, uint32_t index, sw_answer answer, int64_t now_us)
{
    sw_core_service *service = sw_core_service_at(core, index);
    uint32_t call;
    while ((call = sw_core_queue_next(core, service)) != SW_NONE) {
        sw_core_call_answer(core, call, answer, now_us);
        sw_core_call_move(core, call, SW_CALL_DONE, SW_NONE, now_us);
    }
}

sw_answer sw_core_answer_unknown(sw_view name)
{
    static const char ours[] = "sitewire.";
    size_t size = sizeof(ours) - 1;
    bool is_ours = name.size > size && memcmp(name.data, ours, size) == 0;
    return is_ours ? SW_ANSWER_UNREGISTERED : SW_ANSWER_UNKNOWN_SERVICE;
}

typedef bool call_test(const sw_core_call *call);

/* Plain requests stay: MDP clients wait for a service to appear. */
static bool is_rpc(const sw_core_call *call)
{
    return call->framing != SW_FRAMING_PLAIN;
}

static bool can_go_elsewhere(const sw_core_call *call)
{
    return call->elsewhere;
}

/* Answers those calls that wait for a service and pass the test. */
static void flush_some(sw_core *core, uint32_t index, call_test *test, sw_answer answer, int64_t now_us)
{
    const sw_core_service *service = sw_core_service_at(core, index);
    for (uint32_t queue = service->ring, left = service->queued; left > 0 && queue != SW_NONE;) {
        uint32_t next_queue = sw_core_queue_at(core, queue)->ring_next;
        for (uint32_t call = sw_core_queue_at(core, queue)->head, next; call != SW_NONE;
             call = next, left--) {
            next = sw_core_call_at(core, call)->next;
            if (!test(sw_core_call_at(core, call)))
                continue;
            sw_core_call_answer(core, call, answer, now_us);
            sw_core_call_move(core, call, SW_CALL_DONE, SW_NONE, now_us);
        }
        queue = next_queue;
    }
}

void sw_core_service_end_grace(sw_core *core, int64_t now_us)
{
    for (uint32_t i = 0; i < core->services.top; i++) {
        const sw_core_service *service = sw_slab_get(&core->services, i);
        if (service != NULL && !service->known)
            flush_some(core, i, is_rpc, sw_core_answer_unknown(sw_core_service_name(core, i)), now_us);
    }
}

void sw_core_service_send_elsewhere(sw_core *core, uint32_t index, int64_t now_us)
{
    const sw_core_service *service = sw_core_service_at(core, index);
    if (service->queued > 0 && !sw_core_service_is_live(core, service))
        flush_some(core, index, can_go_elsewhere, SW_ANSWER_ELSEWHERE, now_us);
}

void sw_core_service_sweep(sw_core *core)
{
    for (uint32_t i = 0; i < core->services.top; i++) {
        sw_core_service *service = sw_slab_get(&core->services, i);
        if (service == NULL || service->worker_count > 0 || service->queued > 0 || service->in_flight > 0)
            continue;
        /* A service that had a worker once stays known while there is room for others. */
        if (service->known && !service->instance && core->services.used <= core->config.services / 4 * 3)
            continue;
        sw_hash_table_remove(&core->service_names, service->hash, i);
        free(service->workers);
        service->workers = NULL;
        sw_slab_give(&core->services, i);
    }
}
