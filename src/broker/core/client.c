/* Clients: their requests, cancellations and credit. */
#include "broker/core/state.h"

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
        sw_core_action_add(core, SW_ACTION_DISCARD)->body = call->body;
        sw_core_call_move(core, index, SW_CALL_DONE, SW_NONE, now_us);
    }
    sw_slab_give(&core->clients, number);
}

void sw_core_client_refuse(sw_core *core, const sw_core_request *request, sw_answer answer)
{
    bool plain = request->framing == SW_FRAMING_PLAIN;
    bool told = !plain || answer == SW_ANSWER_NOT_RPC;
    sw_action *action = sw_core_action_add(core, told ? SW_ACTION_ANSWER : SW_ACTION_DISCARD);
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

/* Finds the service of a request, or the answer if there is none. An unknown name is added, so
 * that calls can wait for it: during the grace time after the start, and always for plain
 * requests. */
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
    *answer = sw_core_answer_unknown(name);
    if (!plain && !core->in_grace)
        return false;
    *index = sw_core_service_find_or_add(core, name, false);
    return *index != SW_NONE;
}

/* The answer to a request that is refused, or SW_ANSWER_NONE: it goes to *worker, or waits if
 * that is SW_NONE. */
static sw_answer admit(sw_core *core, const sw_core_request *request, uint32_t *number, uint32_t *worker)
{
    bool plain = request->framing == SW_FRAMING_PLAIN;
    sw_answer answer = SW_ANSWER_NONE;
    if (!plain && request->call_id == 0)
        return SW_ANSWER_BAD_CALL_ID;
    if (!plain && sw_core_call_find(core, request->client, request->call_id) != SW_NONE)
        return SW_ANSWER_CALL_EXISTS;
    if (!find_service(core, request, number, &answer))
        return answer;
    sw_core_service *service = sw_core_service_at(core, *number);
    *worker = service->queued == 0 ? sw_core_service_pick(core, service) : SW_NONE;
    if (plain && service->rpc_workers > 0)
        return SW_ANSWER_NOT_RPC;
    if (core->draining && !service->local)
        return SW_ANSWER_DRAINING;
    if (*worker == SW_NONE && request->elsewhere && !sw_core_service_is_live(core, service))
        return SW_ANSWER_ELSEWHERE;
    if (*worker != SW_NONE || sw_core_queue_admits(core, request->client, *number, request->bytes, &answer))
        return SW_ANSWER_NONE;
    core->counters.queue_full++;
    return answer;
}

uint64_t sw_core_client_request(sw_core *core, const sw_core_request *request, int64_t now_us)
{
    uint32_t service, worker = SW_NONE;
    core->counters.calls++;
    sw_answer answer = admit(core, request, &service, &worker);
    if (answer != SW_ANSWER_NONE) {
        sw_core_client_refuse(core, request, answer);
        return 0;
    }
    uint32_t index = sw_core_call_new(core, request, service, now_us);
    if (index != SW_NONE && worker != SW_NONE) {
        sw_core_call_hand_over(core, index, worker, now_us);
        return 0;
    }
    if (index != SW_NONE && sw_core_queue_find_or_add(core, index)) {
        sw_core_call_move(core, index, SW_CALL_QUEUED, SW_NONE, now_us);
        return sw_core_call_route(core, index);
    }
    if (index != SW_NONE)
        sw_core_call_move(core, index, SW_CALL_DONE, SW_NONE, now_us);
    sw_core_client_refuse(core, request, SW_ANSWER_BROKER_FULL);
    return 0;
}

void sw_core_call_set_body(sw_core *core, uint64_t route, void *body)
{
    uint32_t index = sw_core_call_by_route(core, route);
    if (index != SW_NONE)
        sw_core_call_at(core, index)->body = body;
}

void sw_core_client_cancel(sw_core *core, uint32_t client, uint64_t call_id, int64_t now_us)
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
    if (!worker->rpc) { /* a plain worker knows no CANCEL */
        sw_core_call_answer(core, index, SW_ANSWER_CANCELLED_RUNNING, now_us);
        sw_core_call_abandon(core, index, now_us);
        return;
    }
    sw_core_action_add_for(core, SW_ACTION_CANCEL, worker, now_us)->route = sw_core_call_route(core, index);
}

void sw_core_client_credit(sw_core *core, uint32_t client, uint64_t call_id, uint32_t credit, int64_t now_us)
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
    sw_action *action = sw_core_action_add_for(core, SW_ACTION_CREDIT, worker, now_us);
    action->route = sw_core_call_route(core, index);
    action->call_id = call_id;
    action->credit = more;
}
