/* Workers: registration, handing calls over, their replies, heartbeats and loss. */
#include "broker/core/state.h"

#include "base/utf8.h"
#include <stdlib.h>
#include <string.h>

/* Heartbeats that may be missing before a worker is lost. */
#define LIVENESS 4

/* Which moves are allowed: rows from, columns to. */
static const bool moves[SW_WORKER_STATES][SW_WORKER_STATES] = {
    [SW_WORKER_NEW] = {[SW_WORKER_READY] = true, [SW_WORKER_DRAINING] = true, [SW_WORKER_GONE] = true},
    [SW_WORKER_READY] = {[SW_WORKER_READY] = true, [SW_WORKER_DRAINING] = true, [SW_WORKER_GONE] = true},
    [SW_WORKER_DRAINING] = {[SW_WORKER_READY] = true, [SW_WORKER_DRAINING] = true, [SW_WORKER_GONE] = true},
};

/* The only function that changes a worker's state. */
static void move(sw_core *core, sw_core_worker *worker, sw_worker_state to)
{
    if (!moves[worker->state][to])
        abort(); /* our bug: better no broker than one that loses count */
    worker->state = (uint8_t)to;
    core->epoch++;
}

static bool starts_with(sw_view name, const char *prefix)
{
    size_t size = strlen(prefix);
    return name.size >= size && memcmp(name.data, prefix, size) == 0;
}

static bool printable(sw_view name, size_t most)
{
    if (name.size == 0 || name.size > most)
        return false;
    for (size_t i = 0; i < name.size; i++)
        if ((unsigned char)name.data[i] <= ' ' || name.data[i] == 0x7f)
            return false;
    return sw_utf8_valid(name.data, name.size); /* Stats shows it */
}

static bool hello_is_good(const sw_core_hello *hello)
{
    if (hello->service_count == 0 || hello->service_count > SW_HELLO_SERVICES + 1)
        return false;
    if (hello->rpc && (!printable(hello->instance, SW_INSTANCE_MAX) || hello->capacity > SW_CAPACITY_MAX ||
                       (hello->version.size > 0 && !printable(hello->version, SW_VERSION_MAX))))
        return false;
    for (size_t i = 0; i < hello->service_count; i++) {
        sw_view name = hello->services[i];
        if (!printable(name, SW_NAME_MAX) || name.data[0] == '@' || starts_with(name, "mmi."))
            return false;
        /* These are each process's own, and the broker's where no instance is named. */
        if (!hello->local && starts_with(name, "sitewire.rpc.v1."))
            return false;
    }
    return true;
}

static bool serves(const sw_core_worker *worker, uint32_t service)
{
    for (uint32_t i = 0; i < worker->service_count; i++)
        if (worker->services[i] == service)
            return true;
    return false;
}

static bool join(sw_core *core, uint32_t number, sw_view name)
{
    sw_core_worker *worker = sw_core_worker_at(core, number);
    uint32_t service = sw_core_service_need(core, name, true);
    if (service == SW_NONE)
        return false;
    if (serves(worker, service))
        return true;
    if (!sw_core_service_join(core, service, number))
        return false;
    sw_core_service_at(core, service)->local |= worker->local;
    worker->services[worker->service_count++] = service;
    return true;
}

static void leave_all(sw_core *core, uint32_t number)
{
    sw_core_worker *worker = sw_core_worker_at(core, number);
    for (uint32_t i = 0; i < worker->service_count; i++)
        sw_core_service_leave(core, worker->services[i], number);
    worker->service_count = 0;
    worker->cursor = 0;
}

static sw_action *act(sw_core *core, sw_action_kind kind, sw_core_worker *worker, int64_t now_us)
{
    sw_action *action = sw_core_act(core, kind);
    action->peer = worker->token;
    action->rpc = worker->rpc;
    action->framing = !worker->rpc ? SW_FRAMING_PLAIN : worker->compact ? SW_FRAMING_COMPACT : SW_FRAMING_MDP;
    worker->sent_us = now_us;
    return action;
}

/* The core's own decision: the peer is told to go. */
static void dismiss(sw_core *core, uint32_t number, int64_t now_us)
{
    act(core, SW_ACTION_DISCONNECT, sw_core_worker_at(core, number), now_us);
    sw_core_worker_lost(core, number, now_us);
}

/* A process that was restarted under its old name comes before its old connection is known to be dead. */
static void displace(sw_core *core, uint32_t number, sw_view name, int64_t now_us)
{
    const sw_core_service *service = sw_core_service_at(core, sw_core_service_find(core, name));
    for (uint32_t i = 0; i < service->worker_count; i++)
        if (service->workers[i] != number) {
            dismiss(core, service->workers[i], now_us);
            return; /* there was one at the most */
        }
}

static void copy(char *to, size_t room, sw_view from)
{
    size_t size = from.size < room ? from.size : room - 1;
    if (size > 0)
        memcpy(to, from.data, size);
    to[size] = '\0';
}

static bool settle(sw_core *core, uint32_t number, const sw_core_hello *hello, int64_t now_us)
{
    sw_core_worker *worker = sw_core_worker_at(core, number);
    leave_all(core, number);
    worker->rpc = hello->rpc;
    worker->compact = hello->rpc && hello->compact;
    worker->local = hello->local;
    worker->capacity = hello->rpc ? hello->capacity : 1;
    copy(worker->instance, sizeof(worker->instance), hello->instance);
    copy(worker->version, sizeof(worker->version), hello->version);
    for (size_t i = 0; i < hello->service_count; i++)
        if (!join(core, number, hello->services[i]))
            return false;
    if (!hello->rpc)
        return true;
    char name[SW_INSTANCE_MAX + 2] = "@";
    copy(name + 1, sizeof(name) - 1, hello->instance);
    if (!join(core, number, sw_view_of(name)))
        return false;
    displace(core, number, sw_view_of(name), now_us);
    return true;
}

bool sw_core_ready(sw_core *core, uint32_t *number, const sw_core_hello *hello, void *token, int64_t now_us)
{
    bool fresh = *number == SW_NONE;
    if (fresh && core->workers.used < core->config.workers) {
        *number = sw_slab_take(&core->workers);
        if (*number != SW_NONE) {
            sw_core_worker *worker = sw_core_worker_at(core, *number);
            worker->token = token;
            worker->calls = SW_NONE;
        }
    }
    if (*number == SW_NONE)
        return false;
    if (!hello_is_good(hello) || !settle(core, *number, hello, now_us)) {
        sw_core_worker_lost(core, *number, now_us);
        *number = SW_NONE;
        return false;
    }
    sw_core_worker *worker = sw_core_worker_at(core, *number);
    worker->seen_us = now_us;
    if (fresh)
        worker->sent_us = now_us;
    move(core, worker, worker->capacity > 0 ? SW_WORKER_READY : SW_WORKER_DRAINING);
    int64_t look_us = now_us + core->config.heartbeat_ms * 1000;
    if (look_us < core->liveness_us)
        core->liveness_us = look_us;
    for (uint32_t i = 0; i < worker->service_count; i++)
        sw_core_dispatch(core, worker->services[i], now_us);
    return true;
}

void sw_core_worker_seen(sw_core *core, uint32_t number, int64_t now_us)
{
    sw_core_worker *worker = sw_slab_get(&core->workers, number);
    if (worker != NULL)
        worker->seen_us = now_us;
}

void sw_core_worker_lost(sw_core *core, uint32_t number, int64_t now_us)
{
    sw_core_worker *worker = sw_slab_get(&core->workers, number);
    if (worker == NULL)
        return;
    uint32_t services[SW_HELLO_SERVICES + 2], count = worker->service_count;
    memcpy(services, worker->services, sizeof(services));
    leave_all(core, number);
    if (worker->calls != SW_NONE)
        core->counters.workers_lost++;
    while (worker->calls != SW_NONE) {
        uint32_t call = worker->calls;
        sw_core_call_answer(core, call, SW_ANSWER_WORKER_LOST,
                            now_us); /* says nothing for an abandoned one */
        sw_core_call_move(core, call, SW_CALL_DONE, SW_NONE, now_us);
    }
    move(core, worker, SW_WORKER_GONE);
    sw_slab_give(&core->workers, number);
    for (uint32_t i = 0; i < count; i++) {
        const sw_core_service *service = sw_core_service_at(core, services[i]);
        if (service->instance && service->worker_count == 0)
            sw_core_service_flush(core, services[i], SW_ANSWER_NO_INSTANCE, now_us);
        else if (service->queued > 0)
            sw_core_dispatch(core, services[i], now_us); /* what could not be delivered goes to others */
    }
}

/* --- calls --- */

void sw_core_hand(sw_core *core, uint32_t index, uint32_t number, int64_t now_us)
{
    sw_core_call *call = sw_core_call_at(core, index);
    sw_core_worker *worker = sw_core_worker_at(core, number);
    sw_action *action = act(core, SW_ACTION_REQUEST, worker, now_us);
    int64_t waited_us = now_us - call->arrived_us, left_ms = (call->deadline_us - now_us) / 1000;
    action->body = call->body;
    action->caller = sw_core_client_at(core, call->client)->token;
    action->call_id = call->call_id;
    action->route = sw_core_route_of(core, index);
    action->queue_us = waited_us > UINT32_MAX ? UINT32_MAX : (uint32_t)waited_us;
    action->time_left_ms = left_ms < 1 ? 1 : (uint32_t)left_ms;
    call->body = NULL;
    worker->total++;
    sw_core_service_at(core, call->service)->total++;
    if (call->granted > 0 && worker->rpc) {
        sw_action *credit = act(core, SW_ACTION_CREDIT, worker, now_us);
        credit->route = sw_core_route_of(core, index);
        credit->call_id = call->call_id;
        credit->credit = call->granted;
    }
    call->granted = 0;
    sw_core_call_move(core, index, SW_CALL_RUNNING, number, now_us);
}

/* Hands the next call of a service to this worker. False if none waits. */
static bool hand_next(sw_core *core, uint32_t service, uint32_t number, int64_t now_us)
{
    uint32_t index;
    while ((index = sw_core_queue_next(core, sw_core_service_at(core, service))) != SW_NONE) {
        const sw_core_call *call = sw_core_call_at(core, index);
        bool late = call->deadline_us <= now_us;
        if (!late && (call->framing != SW_FRAMING_PLAIN || !sw_core_worker_at(core, number)->rpc)) {
            sw_core_hand(core, index, number, now_us);
            return true;
        }
        core->counters.deadlines_exceeded += late;
        sw_core_call_answer(core, index, late ? SW_ANSWER_EXPIRED_QUEUED : SW_ANSWER_NOT_RPC, now_us);
        sw_core_call_move(core, index, SW_CALL_DONE, SW_NONE, now_us);
    }
    return false;
}

void sw_core_dispatch(sw_core *core, uint32_t service, int64_t now_us)
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

void sw_core_dispatch_worker(sw_core *core, uint32_t number, int64_t now_us)
{
    sw_core_worker *worker = sw_core_worker_at(core, number);
    if (core->queued == 0)
        return;
    for (uint32_t idle = 0; idle < worker->service_count && has_room(worker); idle++) {
        uint32_t service = worker->services[worker->cursor % worker->service_count];
        worker->cursor = (worker->cursor + 1) % worker->service_count;
        if (hand_next(core, service, number, now_us))
            idle = UINT32_MAX; /* 0 at the next turn: look at all of them again */
    }
}

bool sw_core_reply(sw_core *core, uint32_t number, uint64_t route, bool final, void *body, int64_t now_us)
{
    uint32_t index = sw_core_call_of(core, route);
    sw_core_call *call = index == SW_NONE ? NULL : sw_core_call_at(core, index);
    sw_core_worker_seen(core, number, now_us);
    if (call == NULL || call->worker != number) {
        core->counters.stale_replies++;
        sw_core_act(core, SW_ACTION_DISCARD)->body = body;
        return false;
    }
    bool streams = call->framing != SW_FRAMING_PLAIN && !final;
    if (call->state == SW_CALL_ABANDONED) {
        sw_core_act(core, SW_ACTION_DISCARD)->body = body;
    } else if (streams && call->credit == 0) {
        core->counters.credit_exceeded++;
        sw_core_act(core, SW_ACTION_DISCARD)->body = body;
        sw_core_call_answer(core, index, SW_ANSWER_CREDIT, now_us);
        sw_core_call_abandon(core, index, now_us);
        return true;
    } else {
        call->credit = (uint16_t)(call->credit - streams);
        core->counters.replies += final;
        sw_action *action = sw_core_act(core, SW_ACTION_REPLY);
        action->framing = call->framing;
        action->final = final;
        action->peer = sw_core_client_at(core, call->client)->token;
        action->body = body;
        action->call_id = call->call_id;
        action->service = sw_core_service_view_of(core, call->service);
    }
    if (final) {
        sw_core_call_move(core, index, SW_CALL_DONE, SW_NONE, now_us);
        sw_core_dispatch_worker(core, number, now_us);
    }
    return true;
}

void sw_core_undelivered(sw_core *core, uint64_t route, void *body, int64_t now_us)
{
    uint32_t index = sw_core_call_of(core, route);
    sw_core_call *call = index == SW_NONE ? NULL : sw_core_call_at(core, index);
    if (call == NULL || call->state != SW_CALL_RUNNING) {
        sw_core_act(core, SW_ACTION_DISCARD)->body = body;
        if (call != NULL && call->state == SW_CALL_ABANDONED)
            sw_core_call_move(core, index, SW_CALL_DONE, SW_NONE, now_us);
        return;
    }
    sw_core_call_move(core, index, SW_CALL_NEW, SW_NONE, now_us);
    call->body = body;
    call->arrived_us--; /* before what came in the same batch */
    call->granted =
        (uint16_t)(call->credit - call->first_credit); /* what was sent after it is lost with it */
    if (call->cancelled) {
        sw_core_call_answer(core, index, SW_ANSWER_CANCELLED_QUEUED, now_us);
        sw_core_call_move(core, index, SW_CALL_DONE, SW_NONE, now_us);
        return;
    }
    if (sw_core_queue_ensure(core, index)) {
        sw_core_call_move(core, index, SW_CALL_QUEUED, SW_NONE, now_us);
        return;
    }
    sw_core_call_answer(core, index, SW_ANSWER_BROKER_FULL, now_us);
    sw_core_call_move(core, index, SW_CALL_DONE, SW_NONE, now_us);
}

/* --- liveness --- */

/* A plain worker that is busy may be too busy to send heartbeats: many have one thread. Its connection tells.
 */
static int64_t silence_end(const sw_core *core, const sw_core_worker *worker)
{
    if (worker->rpc)
        return worker->seen_us + LIVENESS * core->config.heartbeat_ms * 1000;
    return worker->in_flight > 0 ? SW_NEVER : worker->seen_us + core->config.plain_silence_ms * 1000;
}

void sw_core_liveness(sw_core *core, int64_t now_us)
{
    int64_t interval_us = core->config.heartbeat_ms * 1000, next_us = SW_NEVER;
    /* If we slept ourselves, silence proves nothing: what the workers sent may not be read yet. */
    bool slept = now_us - core->tick_us > 2 * interval_us;
    for (uint32_t i = 0; i < core->workers.top; i++) {
        sw_core_worker *worker = sw_slab_get(&core->workers, i);
        if (worker == NULL || worker->local)
            continue;
        if (slept)
            worker->seen_us = now_us;
        bool drained = worker->rpc && worker->state == SW_WORKER_DRAINING && worker->in_flight == 0;
        if (drained || silence_end(core, worker) <= now_us) {
            dismiss(core, i, now_us);
            continue;
        }
        if (worker->sent_us + interval_us <= now_us)
            act(core, SW_ACTION_HEARTBEAT, worker, now_us);
        int64_t look_us = worker->sent_us + interval_us;
        if (silence_end(core, worker) < look_us)
            look_us = silence_end(core, worker);
        if (look_us < next_us)
            next_us = look_us;
    }
    core->liveness_us = next_us;
}
