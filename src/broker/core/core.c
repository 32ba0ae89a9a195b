/* The core as its caller sees it: what clients do, time, draining, and the list of actions. */
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
    sw_table_clear(&c->call_ids);
    sw_table_clear(&c->service_names);
    free(c->to_clients.items);
    free(c->to_workers.items);
    free(c);
    *core = NULL;
}

/* --- actions --- */

sw_action *sw_core_act(sw_core *core, sw_action_kind kind)
{
    sw_actions *actions = kind <= SW_ACTION_ANSWER ? &core->to_clients : &core->to_workers;
    if (actions->count == actions->room) {
        size_t room = actions->room == 0 ? 64 : actions->room * 2;
        sw_action *items = realloc(actions->items, room * sizeof(*items));
        if (items == NULL)
            abort();
        actions->items = items;
        actions->room = room;
    }
    sw_action *action = &actions->items[actions->count++];
    *action = (sw_action){.kind = (uint8_t)kind};
    return action;
}

static bool take(sw_actions *actions, sw_action *action)
{
    if (actions->first == actions->count) {
        actions->first = actions->count = 0;
        return false;
    }
    *action = actions->items[actions->first++];
    return true;
}

bool sw_core_next_action(sw_core *core, sw_action *action)
{
    return take(&core->to_clients, action) || take(&core->to_workers, action);
}

bool sw_core_has_actions(const sw_core *core)
{
    return core->to_clients.first < core->to_clients.count || core->to_workers.first < core->to_workers.count;
}

/* --- clients --- */

uint32_t sw_core_client_open(sw_core *core, void *token)
{
    if (core->clients.used >= core->config.clients)
        return SW_NONE;
    uint32_t index = sw_slab_take(&core->clients);
    if (index == SW_NONE)
        return SW_NONE;
    sw_core_client *client = sw_core_client_at(core, index);
    client->token = token;
    client->calls = client->queues = SW_NONE;
    return index;
}

void sw_core_client_lost(sw_core *core, uint32_t number, int64_t now_us)
{
    sw_core_client *client = sw_slab_get(&core->clients, number);
    if (client == NULL)
        return;
    while (client->calls != SW_NONE) {
        uint32_t index = client->calls;
        sw_core_call *call = sw_core_call_at(core, index);
        core->counters.cancelled++;
        if (call->state == SW_CALL_RUNNING) {
            sw_core_call_abandon(core, index, now_us);
            continue;
        }
        sw_core_act(core, SW_ACTION_DISCARD)->body = call->body;
        sw_core_call_move(core, index, SW_CALL_DONE, SW_NONE, now_us);
    }
    sw_slab_give(&core->clients, number);
}

void sw_core_refuse(sw_core *core, const sw_core_request *request, sw_answer answer)
{
    bool plain = request->framing == SW_FRAMING_PLAIN;
    bool told = !plain || answer == SW_ANSWER_NOT_RPC;
    sw_action *action = sw_core_act(core, told ? SW_ACTION_ANSWER : SW_ACTION_DISCARD);
    action->body = request->body;
    core->counters.plain_dropped += !told;
    if (!told)
        return;
    action->answer = (uint8_t)answer;
    action->framing = plain ? SW_FRAMING_MDP : (uint8_t)request->framing;
    action->call_id = request->call_id;
    action->peer = sw_core_client_at(core, request->client)->token;
    action->service = request->service;
}

/* Finds the service of a request, or says why there is none. A name that nobody knows gets a place to wait at
 * in the grace after the start, and for plain requests always. */
static bool find_service(sw_core *core, const sw_core_request *request, uint32_t *index, sw_answer *answer)
{
    sw_view name = request->service;
    bool plain = request->framing == SW_FRAMING_PLAIN, instance = name.size > 0 && name.data[0] == '@';
    *index = sw_core_service_find(core, name);
    const sw_core_service *service = *index == SW_NONE ? NULL : sw_core_service_at(core, *index);
    if (instance && (service == NULL || service->worker_count == 0)) {
        *answer = SW_ANSWER_NO_INSTANCE;
        return false;
    }
    if (service != NULL && (service->known || plain || core->in_grace))
        return true;
    *answer = SW_ANSWER_UNKNOWN_SERVICE;
    if (!plain && !core->in_grace)
        return false;
    *index = sw_core_service_need(core, name, false);
    return *index != SW_NONE;
}

uint64_t sw_core_request_in(sw_core *core, const sw_core_request *request, int64_t now_us)
{
    bool plain = request->framing == SW_FRAMING_PLAIN;
    uint32_t number, worker = SW_NONE;
    sw_answer answer;
    core->counters.calls++;
    if (!plain && request->call_id == 0)
        answer = SW_ANSWER_BAD_CALL_ID;
    else if (!plain && sw_core_call_find(core, request->client, request->call_id) != SW_NONE)
        answer = SW_ANSWER_CALL_EXISTS;
    else if (find_service(core, request, &number, &answer)) {
        sw_core_service *service = sw_core_service_at(core, number);
        if (service->queued == 0)
            worker = sw_core_service_pick(core, service);
        if (plain && service->rpc_workers > 0)
            answer = SW_ANSWER_NOT_RPC;
        else if (core->draining && !service->local)
            answer = SW_ANSWER_DRAINING;
        else if (worker != SW_NONE ||
                 sw_core_queue_admits(core, request->client, number, request->bytes, &answer)) {
            uint32_t index = sw_core_call_new(core, request, number, now_us);
            if (index != SW_NONE && worker != SW_NONE) {
                sw_core_hand(core, index, worker, now_us);
                return 0;
            }
            if (index != SW_NONE && sw_core_queue_ensure(core, index)) {
                sw_core_call_move(core, index, SW_CALL_QUEUED, SW_NONE, now_us);
                return sw_core_route_of(core, index);
            }
            if (index != SW_NONE)
                sw_core_call_move(core, index, SW_CALL_DONE, SW_NONE, now_us);
            answer = SW_ANSWER_BROKER_FULL;
        } else {
            core->counters.queue_full++;
        }
    }
    sw_core_refuse(core, request, answer);
    return 0;
}

void sw_core_hold(sw_core *core, uint64_t route, void *body)
{
    uint32_t index = sw_core_call_of(core, route);
    if (index != SW_NONE)
        sw_core_call_at(core, index)->body = body;
}

void sw_core_cancel(sw_core *core, uint32_t client, uint64_t call_id, int64_t now_us)
{
    uint32_t index = sw_core_call_find(core, client, call_id);
    if (index == SW_NONE)
        return;
    sw_core_call *call = sw_core_call_at(core, index);
    if (call->state == SW_CALL_QUEUED) {
        core->counters.cancelled++;
        sw_core_call_answer(core, index, SW_ANSWER_CANCELLED_QUEUED, now_us);
        sw_core_call_move(core, index, SW_CALL_DONE, SW_NONE, now_us);
        return;
    }
    sw_core_worker *worker = sw_core_worker_at(core, call->worker);
    if (call->cancelled)
        return;
    call->cancelled = true;
    core->counters.cancelled++;
    if (!worker->rpc) { /* it knows no CANCEL */
        sw_core_call_answer(core, index, SW_ANSWER_CANCELLED_RUNNING, now_us);
        sw_core_call_abandon(core, index, now_us);
        return;
    }
    sw_action *action = sw_core_act(core, SW_ACTION_CANCEL);
    action->rpc = true;
    action->framing = worker->compact ? SW_FRAMING_COMPACT : SW_FRAMING_MDP;
    action->peer = worker->token;
    action->route = sw_core_route_of(core, index);
    worker->sent_us = now_us;
}

void sw_core_credit(sw_core *core, uint32_t client, uint64_t call_id, uint32_t credit, int64_t now_us)
{
    uint32_t index = sw_core_call_find(core, client, call_id);
    if (index == SW_NONE)
        return;
    sw_core_call *call = sw_core_call_at(core, index);
    uint32_t room = (uint32_t)(SW_CREDIT_MAX - call->credit), more = credit < room ? credit : room;
    call->credit = (uint16_t)(call->credit + more);
    if (call->state == SW_CALL_QUEUED) {
        call->granted = (uint16_t)(call->granted + more);
        return;
    }
    sw_core_worker *worker = sw_core_worker_at(core, call->worker);
    if (more == 0 || !worker->rpc)
        return;
    sw_action *action = sw_core_act(core, SW_ACTION_CREDIT);
    action->rpc = true;
    action->framing = worker->compact ? SW_FRAMING_COMPACT : SW_FRAMING_MDP;
    action->peer = worker->token;
    action->route = sw_core_route_of(core, index);
    action->call_id = call_id;
    action->credit = more;
    worker->sent_us = now_us;
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
    case SW_CALL_ABANDONED: /* its worker has forgotten it */
        sw_core_call_move(core, index, SW_CALL_DONE, SW_NONE, now_us);
        sw_core_dispatch_worker(core, worker, now_us);
        break;
    default:
        break;
    }
}

/* While the broker drains nobody new may come for what waits without a worker. */
static void flush_forsaken(sw_core *core, int64_t now_us)
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
        sw_core_liveness(core, now_us);
    if (core->draining)
        flush_forsaken(core, now_us);
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
        sw_core_act(core, SW_ACTION_DISCONNECT)->peer = worker->token;
        sw_core_worker_lost(core, i, now_us);
    }
}
