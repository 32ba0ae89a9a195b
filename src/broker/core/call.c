/* Calls: their slots, their states, and the one function that changes these. */
#include "broker/core/state.h"

#include <stdlib.h>

/* Which moves are allowed: rows from, columns to. */
static const bool moves[SW_CALL_STATES][SW_CALL_STATES] = {
    [SW_CALL_NEW] = {[SW_CALL_QUEUED] = true, [SW_CALL_RUNNING] = true, [SW_CALL_DONE] = true},
    [SW_CALL_QUEUED] = {[SW_CALL_RUNNING] = true, [SW_CALL_DONE] = true},
    [SW_CALL_RUNNING] = {[SW_CALL_NEW] = true, [SW_CALL_ABANDONED] = true, [SW_CALL_DONE] = true},
    [SW_CALL_ABANDONED] = {[SW_CALL_DONE] = true},
};

uint64_t sw_core_call_route(const sw_core *core, uint32_t index)
{
    /* Never 0: the slot counts from 1. */
    return (uint64_t)sw_core_call_at(core, index)->slot.generation << 32 | (index + 1);
}

uint32_t sw_core_call_by_route(const sw_core *core, uint64_t route)
{
    uint32_t index = (uint32_t)route - 1;
    const sw_core_call *call = sw_slab_get(&core->calls, index);
    return call != NULL && call->slot.generation == (uint32_t)(route >> 32) ? index : SW_NONE;
}

static uint32_t hash_of(const sw_core *core, uint32_t client, uint64_t call_id)
{
    return sw_hash_numbers(core->secret, client, call_id);
}

uint32_t sw_core_call_find(const sw_core *core, uint32_t client, uint64_t call_id)
{
    uint32_t hash = hash_of(core, client, call_id), at = hash, index;
    while ((index = sw_hash_table_next(&core->call_ids, hash, &at)) != SW_NONE) {
        const sw_core_call *call = sw_core_call_at(core, index);
        if (call->client == client && call->call_id == call_id)
            return index;
    }
    return SW_NONE;
}

uint32_t sw_core_call_new(sw_core *core, const sw_core_request *request, uint32_t service, int64_t now_us)
{
    uint32_t index = sw_slab_take(&core->calls);
    if (index == SW_NONE)
        return SW_NONE;
    if (request->call_id != 0 &&
        !sw_hash_table_insert(&core->call_ids, hash_of(core, request->client, request->call_id), index)) {
        sw_slab_give(&core->calls, index);
        return SW_NONE;
    }
    const sw_core_config *config = &core->config;
    int64_t time_ms = request->framing == SW_FRAMING_PLAIN ? config->plain_wait_ms : request->time_left_ms;
    if (time_ms == 0)
        time_ms = config->time_default_ms;
    if (time_ms > config->time_max_ms)
        time_ms = config->time_max_ms;
    sw_core_client *client = sw_core_client_at(core, request->client);
    sw_core_call *call = sw_core_call_at(core, index);
    call->call_id = request->call_id;
    call->arrived_us = now_us;
    call->deadline_us = now_us + time_ms * 1000;
    call->body = request->body;
    call->bytes = (uint32_t)request->bytes;
    call->client = request->client;
    call->worker = call->queue = SW_NONE;
    call->service = service;
    call->framing = (uint8_t)request->framing;
    call->elsewhere = request->elsewhere;
    call->credit = (uint16_t)(request->credit < SW_CREDIT_MAX ? request->credit : SW_CREDIT_MAX);
    call->first_credit = call->credit;
    call->state = SW_CALL_NEW;
    call->client_previous = SW_NONE;
    call->client_next = client->calls;
    if (client->calls != SW_NONE)
        sw_core_call_at(core, client->calls)->client_previous = index;
    client->calls = index;
    return index;
}

void sw_core_call_forget_client(sw_core *core, uint32_t index)
{
    sw_core_call *call = sw_core_call_at(core, index);
    if (call->client == SW_NONE)
        return;
    if (call->call_id != 0)
        sw_hash_table_remove(&core->call_ids, hash_of(core, call->client, call->call_id), index);
    if (call->client_previous == SW_NONE)
        sw_core_client_at(core, call->client)->calls = call->client_next;
    else
        sw_core_call_at(core, call->client_previous)->client_next = call->client_next;
    if (call->client_next != SW_NONE)
        sw_core_call_at(core, call->client_next)->client_previous = call->client_previous;
    call->client = SW_NONE;
}

/* --- a place at a worker: while RUNNING or ABANDONED --- */

static void take_place(sw_core *core, sw_core_call *call, uint32_t index, uint32_t number)
{
    sw_core_worker *worker = sw_core_worker_at(core, number);
    call->worker = number;
    call->previous = SW_NONE;
    call->next = worker->calls;
    if (worker->calls != SW_NONE)
        sw_core_call_at(core, worker->calls)->previous = index;
    worker->calls = index;
    worker->in_flight++;
    *(worker->local ? &core->local_in_flight : &core->in_flight) += 1;
    sw_core_service_at(core, call->service)->in_flight++;
}

static void leave_place(sw_core *core, sw_core_call *call)
{
    sw_core_worker *worker = sw_core_worker_at(core, call->worker);
    if (call->previous == SW_NONE)
        worker->calls = call->next;
    else
        sw_core_call_at(core, call->previous)->next = call->next;
    if (call->next != SW_NONE)
        sw_core_call_at(core, call->next)->previous = call->previous;
    worker->in_flight--;
    *(worker->local ? &core->local_in_flight : &core->in_flight) -= 1;
    sw_core_service_at(core, call->service)->in_flight--;
    call->worker = SW_NONE;
}

static bool has_place(sw_call_state state)
{
    return state == SW_CALL_RUNNING || state == SW_CALL_ABANDONED;
}

static void set_timer(sw_core *core, const sw_core_call *call, uint32_t index, int64_t now_us)
{
    if (call->state == SW_CALL_QUEUED)
        sw_wheel_start(&core->wheel, index, call->deadline_us);
    else if (call->state == SW_CALL_RUNNING && call->framing != SW_FRAMING_PLAIN)
        sw_wheel_start(&core->wheel, index, call->deadline_us + core->config.late_ms * 1000);
    else if (call->state == SW_CALL_ABANDONED)
        sw_wheel_start(&core->wheel, index, now_us + core->config.abandoned_ms * 1000);
    else
        /* plain calls have no deadline while they run: MDP knows none */
        sw_wheel_stop(&core->wheel, index);
}

void sw_core_call_move(sw_core *core, uint32_t index, sw_call_state to, uint32_t worker, int64_t now_us)
{
    sw_core_call *call = sw_core_call_at(core, index);
    sw_call_state from = call->state;
    if (!moves[from][to])
        abort(); /* our bug: better no broker than one with wrong counts */
    if (from == SW_CALL_QUEUED)
        sw_core_queue_remove(core, index);
    if (has_place(from) && !has_place(to))
        leave_place(core, call);
    call->state = (uint8_t)to;
    set_timer(core, call, index, now_us);
    if (to == SW_CALL_QUEUED)
        sw_core_queue_add(core, index);
    if (has_place(to) && !has_place(from))
        take_place(core, call, index, worker);
    if (to == SW_CALL_ABANDONED || to == SW_CALL_DONE)
        sw_core_call_forget_client(core, index);
    if (to == SW_CALL_DONE)
        sw_slab_give(&core->calls, index);
}

/* --- the broker's own answers --- */

static uint32_t elapsed(int64_t from_us, int64_t now_us)
{
    int64_t us = now_us - from_us;
    return us < 0 ? 0 : us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

void sw_core_call_answer(sw_core *core, uint32_t index, sw_answer answer, int64_t now_us)
{
    sw_core_call *call = sw_core_call_at(core, index);
    void *body = call->body;
    call->body = NULL;
    /* MDP has no answer for errors. Only a plain request to an RPC service gets one, because it
     * can never work. */
    bool plain = call->framing == SW_FRAMING_PLAIN;
    bool told = call->client != SW_NONE && (!plain || answer == SW_ANSWER_NOT_RPC);
    if (call->client != SW_NONE && !told)
        core->counters.plain_dropped++;
    if (!told && body == NULL)
        return;
    sw_action *action = sw_core_action_add(core, told ? SW_ACTION_ANSWER : SW_ACTION_DISCARD);
    action->body = body;
    if (!told)
        return;
    action->answer = (uint8_t)answer;
    action->framing = plain ? SW_FRAMING_MDP : call->framing;
    action->call_id = call->call_id;
    action->peer = sw_core_client_at(core, call->client)->token;
    action->route = sw_core_call_route(core, index);
    action->service = sw_core_service_name(core, call->service);
    action->queue_us = elapsed(call->arrived_us, now_us);
}

void sw_core_call_abandon(sw_core *core, uint32_t index, int64_t now_us)
{
    sw_core_call *call = sw_core_call_at(core, index);
    sw_core_worker *worker = sw_core_worker_at(core, call->worker);
    if (worker->rpc)
        sw_core_action_add_for(core, SW_ACTION_CANCEL, worker, now_us)->route =
            sw_core_call_route(core, index);
    sw_core_call_move(core, index, SW_CALL_ABANDONED, SW_NONE, now_us);
}
