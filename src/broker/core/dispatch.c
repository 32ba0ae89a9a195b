/* Calls on their way to workers, and replies on their way back. */
#include "broker/core/state.h"

void sw_core_call_hand_over(sw_core *core, uint32_t index, uint32_t number, int64_t now_us)
{
    sw_core_call *call = sw_core_call_at(core, index);
    sw_core_worker *worker = sw_core_worker_at(core, number);
    sw_action *action = sw_core_action_add_for(core, SW_ACTION_REQUEST, worker, now_us);
    int64_t waited_us = now_us - call->arrived_us, left_ms = (call->deadline_us - now_us) / 1000;
    action->body = call->body;
    action->caller = sw_core_client_at(core, call->client)->token;
    action->call_id = call->call_id;
    action->route = sw_core_call_route(core, index);
    action->worker = number;
    if (worker->behind) {
        action->database = worker->database;
        action->timeline = sw_core_database_newest(core, worker);
    }
    action->queue_us = waited_us > UINT32_MAX ? UINT32_MAX : (uint32_t)waited_us;
    action->time_left_ms = left_ms < 1 ? 1 : (uint32_t)left_ms;
    call->body = NULL;
    worker->total++;
    sw_core_service_at(core, call->service)->total++;
    if (call->granted > 0 && worker->rpc) {
        sw_action *credit = sw_core_action_add_for(core, SW_ACTION_CREDIT, worker, now_us);
        credit->route = sw_core_call_route(core, index);
        credit->call_id = call->call_id;
        credit->credit = call->granted;
    }
    call->granted = 0;
    sw_core_call_move(core, index, SW_CALL_RUNNING, number, now_us);
}

/* Hands the next call of a service to this worker. False if no call waits that it can take. */
static bool hand_next(sw_core *core, uint32_t service, uint32_t number, int64_t now_us)
{
    uint32_t index;
    while ((index = sw_core_queue_next(core, sw_core_service_at(core, service))) != SW_NONE) {
        const sw_core_call *call = sw_core_call_at(core, index);
        bool late = call->deadline_us <= now_us;
        if (!late && (call->framing != SW_FRAMING_PLAIN || !sw_core_worker_at(core, number)->rpc)) {
            sw_core_call_hand_over(core, index, number, now_us);
            return true;
        }
        core->counters.deadlines_exceeded += late;
        sw_core_call_answer(core, index, late ? SW_ANSWER_EXPIRED_QUEUED : SW_ANSWER_NOT_RPC, now_us);
        sw_core_call_move(core, index, SW_CALL_DONE, SW_NONE, now_us);
    }
    return false;
}

void sw_core_service_dispatch(sw_core *core, uint32_t service, int64_t now_us)
{
    uint32_t worker;
    while (sw_core_service_at(core, service)->queued > 0 &&
           (worker = sw_core_service_pick(core, sw_core_service_at(core, service))) != SW_NONE)
        hand_next(core, service, worker, now_us);
}

static bool has_room(const sw_core_worker *worker)
{
    return worker->state == SW_WORKER_READY && worker->in_flight < worker->capacity;
}

void sw_core_worker_dispatch(sw_core *core, uint32_t number, int64_t now_us)
{
    sw_core_worker *worker = sw_core_worker_at(core, number);
    if (core->queued == 0)
        return;
    for (uint32_t idle = 0; idle < worker->service_count && has_room(worker); idle++) {
        uint32_t service = worker->services[worker->cursor % worker->service_count];
        worker->cursor = (worker->cursor + 1) % worker->service_count;
        if (!sw_core_service_spares(core, sw_core_service_at(core, service), worker) &&
            hand_next(core, service, number, now_us))
            idle = UINT32_MAX; /* 0 in the next turn: look at all of them again */
    }
}

bool sw_core_worker_reply(sw_core *core, uint32_t number, uint64_t route, bool final, void *body,
                          int64_t now_us)
{
    uint32_t index = sw_core_call_by_route(core, route);
    sw_core_call *call = index == SW_NONE ? NULL : sw_core_call_at(core, index);
    sw_core_worker *worker = sw_slab_get(&core->workers, number);
    if (worker != NULL)
        worker->seen_us = now_us;
    if (call == NULL || call->worker != number) {
        core->counters.stale_replies++;
        sw_core_action_add(core, SW_ACTION_DISCARD)->body = body;
        return false;
    }
    bool streams = call->framing != SW_FRAMING_PLAIN && !final;
    if (call->state == SW_CALL_ABANDONED) {
        sw_core_action_add(core, SW_ACTION_DISCARD)->body = body;
    } else if (streams && call->credit == 0) {
        core->counters.credit_exceeded++;
        sw_core_action_add(core, SW_ACTION_DISCARD)->body = body;
        sw_core_call_answer(core, index, SW_ANSWER_CREDIT, now_us);
        sw_core_call_abandon(core, index, now_us);
        return true;
    } else {
        call->credit = (uint16_t)(call->credit - streams);
        core->counters.replies += final;
        sw_action *action = sw_core_action_add(core, SW_ACTION_REPLY);
        action->framing = call->framing;
        action->final = final;
        action->peer = sw_core_client_at(core, call->client)->token;
        action->body = body;
        action->call_id = call->call_id;
        action->route = sw_core_call_route(core, index);
        action->service = sw_core_service_name(core, call->service);
    }
    if (final) {
        sw_core_call_move(core, index, SW_CALL_DONE, SW_NONE, now_us);
        sw_core_worker_dispatch(core, number, now_us);
    }
    return true;
}

void sw_core_call_undelivered(sw_core *core, uint64_t route, void *body, int64_t now_us)
{
    uint32_t index = sw_core_call_by_route(core, route);
    sw_core_call *call = index == SW_NONE ? NULL : sw_core_call_at(core, index);
    if (call == NULL || call->state != SW_CALL_RUNNING) {
        sw_core_action_add(core, SW_ACTION_DISCARD)->body = body;
        if (call != NULL && call->state == SW_CALL_ABANDONED)
            sw_core_call_move(core, index, SW_CALL_DONE, SW_NONE, now_us);
        return;
    }
    sw_core_call_move(core, index, SW_CALL_NEW, SW_NONE, now_us);
    call->body = body;
    call->arrived_us--; /* so it goes before calls of the same batch */
    call->granted =
        /* CREDITs that were sent after it are lost too */
        (uint16_t)(call->credit - call->first_credit);
    if (call->cancelled) {
        sw_core_call_answer(core, index, SW_ANSWER_CANCELLED_QUEUED, now_us);
        sw_core_call_move(core, index, SW_CALL_DONE, SW_NONE, now_us);
        return;
    }
    if (sw_core_queue_find_or_add(core, index)) {
        sw_core_call_move(core, index, SW_CALL_QUEUED, SW_NONE, now_us);
        return;
    }
    sw_core_call_answer(core, index, SW_ANSWER_BROKER_FULL, now_us);
    sw_core_call_move(core, index, SW_CALL_DONE, SW_NONE, now_us);
}
