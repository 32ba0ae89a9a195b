/* The core as a whole: made, driven by time, drained and stopped. */
#include "broker/core/state.h"

#include <stdlib.h>

const sw_core_config sw_core_defaults = {
    .heartbeat_ms = 500,
    .plain_silence_ms = 10000,
    .grace_ms = 5000,
    .time_default_ms = 30000,
    .time_max_ms = 86400000,
    .late_ms = 250,
    .abandoned_ms = 30000,
    .plain_wait_ms = 60000,
    .service_calls = 20000,
    .client_calls = 16000,
    .calls = 100000,
    .service_bytes = 256U << 20,
    .client_bytes = 64U << 20,
    .bytes = 512U << 20,
    .services = 1024,
    .clients = 65536,
    .workers = 4096,
};

sw_core *sw_core_new(const sw_core_config *config, uint64_t secret, int64_t now_us)
{
    sw_core *core = calloc(1, sizeof(*core));
    if (core == NULL)
        return NULL;
    core->config = *config;
    core->secret = secret;
    core->start_us = core->tick_us = now_us;
    core->liveness_us = SW_NEVER;
    core->in_grace = true;
    core->calls.size = sizeof(sw_core_call);
    core->queues.size = sizeof(sw_core_queue);
    core->clients.size = sizeof(sw_core_client);
    core->workers.size = sizeof(sw_core_worker);
    core->services.size = sizeof(sw_core_service);
    sw_wheel_init(&core->wheel, &core->calls, offsetof(sw_core_call, timer), now_us);
    return core;
}

void sw_core_destroy(sw_core **core)
{
    sw_core *c = *core;
    if (c == NULL)
        return;
    for (uint32_t i = 0; i < c->services.top; i++) {
        sw_core_service *service = sw_slab_get(&c->services, i);
        if (service != NULL)
            free(service->workers);
    }
    sw_slab *const slabs[] = {&c->calls, &c->queues, &c->clients, &c->workers, &c->services};
    for (size_t i = 0; i < sizeof(slabs) / sizeof(slabs[0]); i++)
        sw_slab_clear(slabs[i]);
    sw_hash_table_clear(&c->call_ids);
    sw_hash_table_clear(&c->service_names);
    free(c->to_clients.items);
    free(c->to_workers.items);
    free(c);
    *core = NULL;
}

/* --- time --- */

static void expire(sw_core *core, uint32_t index, int64_t now_us)
{
    const sw_core_call *call = sw_core_call_at(core, index);
    const sw_core_service *service = sw_core_service_at(core, call->service);
    uint32_t worker = call->worker;
    switch ((sw_call_state)call->state) {
    case SW_CALL_QUEUED:
        core->counters.deadlines_exceeded++;
        sw_core_call_answer(
            core, index,
            sw_core_service_is_live(core, service) ? SW_ANSWER_EXPIRED_QUEUED : SW_ANSWER_NO_WORKER, now_us);
        sw_core_call_move(core, index, SW_CALL_DONE, SW_NONE, now_us);
        break;
    case SW_CALL_RUNNING:
        core->counters.deadlines_exceeded++;
        sw_core_call_answer(core, index, SW_ANSWER_EXPIRED_RUNNING, now_us);
        sw_core_call_abandon(core, index, now_us);
        break;
    case SW_CALL_ABANDONED: /* its worker never answered */
        sw_core_call_move(core, index, SW_CALL_DONE, SW_NONE, now_us);
        sw_core_worker_dispatch(core, worker, now_us);
        break;
    default:
        break;
    }
}

/* While the broker drains, calls without a worker are answered: no new worker can be expected. */
static void flush_without_worker(sw_core *core, int64_t now_us)
{
    for (uint32_t i = 0; core->queued > 0 && i < core->services.top; i++) {
        const sw_core_service *service = sw_slab_get(&core->services, i);
        if (service != NULL && service->queued > 0 && service->worker_count == 0)
            sw_core_service_flush(core, i, SW_ANSWER_DRAINING, now_us);
    }
}

int64_t sw_core_tick(sw_core *core, int64_t now_us)
{
    uint32_t index;
    while ((index = sw_wheel_due(&core->wheel, now_us)) != SW_NONE)
        expire(core, index, now_us);
    if (core->in_grace && now_us >= core->start_us + core->config.grace_ms * 1000) {
        core->in_grace = false;
        sw_core_service_end_grace(core, now_us);
    }
    if (now_us >= core->liveness_us)
        sw_core_check_liveness(core, now_us);
    if (core->draining)
        flush_without_worker(core, now_us);
    sw_core_service_sweep(core);
    core->tick_us = now_us;
    return sw_core_next_us(core);
}

int64_t sw_core_next_us(const sw_core *core)
{
    int64_t next_us = core->wheel.earliest_us, grace_us = core->start_us + core->config.grace_ms * 1000;
    if (core->liveness_us < next_us)
        next_us = core->liveness_us;
    return core->in_grace && grace_us < next_us ? grace_us : next_us;
}

/* --- life --- */

void sw_core_drain(sw_core *core)
{
    core->draining = true;
    core->epoch++;
}

bool sw_core_is_draining(const sw_core *core)
{
    return core->draining;
}

uint32_t sw_core_in_flight(const sw_core *core)
{
    return core->queued + core->in_flight;
}

void sw_core_stop(sw_core *core, int64_t now_us)
{
    sw_core_drain(core);
    for (uint32_t i = 0; i < core->services.top; i++)
        if (sw_slab_get(&core->services, i) != NULL)
            sw_core_service_flush(core, i, SW_ANSWER_DRAINING, now_us);
    for (uint32_t i = 0; i < core->workers.top; i++) {
        const sw_core_worker *worker = sw_slab_get(&core->workers, i);
        if (worker == NULL)
            continue;
        sw_core_action_add(core, SW_ACTION_DISCONNECT)->peer = worker->token;
        sw_core_worker_lost(core, i, now_us);
    }
}
