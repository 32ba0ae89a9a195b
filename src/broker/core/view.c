/* What others may see of the core: for Health, Stats and mmi.service. */
#include "broker/core/state.h"

#include <string.h>

bool sw_core_is_known(const sw_core *core, sw_view name)
{
    uint32_t index = sw_core_service_find(core, name);
    return index != SW_NONE && sw_core_service_at(core, index)->known;
}

bool sw_core_is_serving(const sw_core *core, sw_view name)
{
    uint32_t index = sw_core_service_find(core, name);
    return index != SW_NONE && sw_core_service_is_live(core, sw_core_service_at(core, index));
}

bool sw_core_is_rpc(const sw_core *core, sw_view name)
{
    uint32_t index = sw_core_service_find(core, name);
    const sw_core_service *service = index == SW_NONE ? NULL : sw_core_service_at(core, index);
    return service != NULL && service->rpc_workers > 0 && service->rpc_workers == service->worker_count;
}

uint64_t sw_core_epoch(const sw_core *core)
{
    return core->epoch;
}

bool sw_core_each_service(const sw_core *core, uint32_t *at, sw_core_service_view *view)
{
    while (*at < core->services.top) {
        const sw_core_service *service = sw_slab_get(&core->services, (*at)++);
        if (service == NULL || service->instance || !service->known)
            continue;
        *view = (sw_core_service_view){
            .name = service->name,
            .workers = service->worker_count,
            .queued = service->queued,
            .in_flight = service->in_flight,
            .queued_bytes = service->queued_bytes,
            .calls = service->total,
            .local = service->local,
        };
        return true;
    }
    return false;
}

static void look_at_worker(const sw_core *core, const sw_core_worker *worker, sw_core_worker_view *view)
{
    *view = (sw_core_worker_view){
        .instance = worker->instance,
        .version = worker->version,
        .capacity = worker->capacity,
        .in_flight = worker->in_flight,
        .rpc = worker->rpc,
        .local = worker->local,
        .reserve = sw_core_worker_is_reserve(worker),
        .calls = worker->total,
    };
    for (uint32_t i = 0; i < worker->service_count; i++) {
        const sw_core_service *service = sw_core_service_at(core, worker->services[i]);
        if (!service->instance && view->service_count < SW_HELLO_SERVICES + 1)
            view->services[view->service_count++] = service->name;
    }
}

bool sw_core_each_worker(const sw_core *core, uint32_t *at, sw_core_worker_view *view)
{
    while (*at < core->workers.top) {
        const sw_core_worker *worker = sw_slab_get(&core->workers, (*at)++);
        if (worker == NULL)
            continue;
        look_at_worker(core, worker, view);
        return true;
    }
    return false;
}

bool sw_core_find_instance(const sw_core *core, sw_view name, uint32_t but, sw_core_worker_view *view)
{
    char target[1 + SW_INSTANCE_MAX] = "@";
    if (name.size > SW_INSTANCE_MAX)
        return false;
    memcpy(target + 1, name.data, name.size);
    uint32_t index = sw_core_service_find(core, (sw_view){target, 1 + name.size});
    const sw_core_service *service = index == SW_NONE ? NULL : sw_core_service_at(core, index);
    for (uint32_t i = 0; service != NULL && i < service->worker_count; i++)
        if (service->workers[i] != but) {
            look_at_worker(core, sw_core_worker_at(core, service->workers[i]), view);
            return true;
        }
    return false;
}

bool sw_core_find_worker(const sw_core *core, uint32_t number, sw_core_worker_view *view)
{
    const sw_core_worker *worker = sw_slab_get(&core->workers, number);
    if (worker != NULL)
        look_at_worker(core, worker, view);
    return worker != NULL;
}

const sw_core_counters *sw_core_get_counters(const sw_core *core)
{
    return &core->counters;
}

uint32_t sw_core_worker_in_flight(const sw_core *core, uint32_t number)
{
    const sw_core_worker *worker = sw_slab_get(&core->workers, number);
    return worker != NULL ? worker->in_flight : 0;
}

const char *sw_core_worker_instance(const sw_core *core, uint32_t number)
{
    const sw_core_worker *worker = sw_slab_get(&core->workers, number);
    return worker != NULL ? worker->instance : "";
}
