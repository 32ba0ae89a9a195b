/* Workers: how they register, and what follows when one is lost. */
#include "broker/core/state.h"

#include "base/utf8.h"
#include "wire/mdp.h"
#include <stdlib.h>
#include <string.h>

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
        abort(); /* our bug: better no broker than one with wrong counts */
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

bool sw_core_is_instance(sw_view name)
{
    return printable(name, SW_INSTANCE_MAX);
}

static bool hello_is_good(const sw_core_hello *hello)
{
    if (hello->service_count == 0 || hello->service_count > SW_HELLO_SERVICES + 1)
        return false;
    if (hello->rpc && (!sw_core_is_instance(hello->instance) || hello->capacity > SW_CAPACITY_MAX ||
                       (hello->version.size > 0 && !printable(hello->version, SW_VERSION_MAX))))
        return false;
    for (size_t i = 0; i < hello->service_count; i++) {
        sw_view name = hello->services[i];
        if (!printable(name, SW_NAME_MAX) || name.data[0] == '@' || starts_with(name, SW_MMI_PREFIX))
            return false;
        /* Every process has these; without an instance, they are the broker's. */
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
    uint32_t service = sw_core_service_find_or_add(core, name, true);
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

/* The core's own decision: the peer is told to go. */
void sw_core_worker_dismiss(sw_core *core, uint32_t number, int64_t now_us)
{
    sw_core_action_add_for(core, SW_ACTION_DISCONNECT, sw_core_worker_at(core, number), now_us);
    sw_core_worker_lost(core, number, now_us);
}

/* The worker gives up the name of its instance and gets no new calls. It is dismissed when it has
 * finished what it has (liveness.c). */
static void retire(sw_core *core, uint32_t number, uint32_t instance)
{
    sw_core_worker *worker = sw_core_worker_at(core, number);
    sw_core_service_leave(core, instance, number);
    for (uint32_t i = 0; i < worker->service_count; i++)
        if (worker->services[i] == instance)
            worker->services[i] = worker->services[--worker->service_count];
    worker->cursor = 0;
    move(core, worker, SW_WORKER_DRAINING);
}

/* A restarted process may register under its old name before its old connection is known to be
 * dead. A process that changes its key hands over from one connection to the other. */
static void displace(sw_core *core, uint32_t number, sw_view name, bool succeeds, int64_t now_us)
{
    uint32_t instance = sw_core_service_find(core, name);
    const sw_core_service *service = sw_core_service_at(core, instance);
    for (uint32_t i = 0; i < service->worker_count; i++) {
        uint32_t other = service->workers[i];
        if (other == number)
            continue;
        if (succeeds && !sw_core_worker_at(core, other)->local)
            retire(core, other, instance);
        else
            sw_core_worker_dismiss(core, other, now_us);
        return; /* at most one other has that name */
    }
}

static void copy(char *to, size_t room, sw_view from)
{
    size_t size = from.size < room ? from.size : room - 1;
    if (size > 0)
        memcpy(to, from.data, size);
    to[size] = '\0';
}

static bool apply_hello(sw_core *core, uint32_t number, const sw_core_hello *hello, int64_t now_us)
{
    sw_core_worker *worker = sw_core_worker_at(core, number);
    leave_all(core, number);
    worker->rpc = hello->rpc;
    worker->compact = hello->rpc && hello->compact;
    worker->local = hello->local;
    worker->capacity = hello->rpc ? hello->capacity : 1;
    worker->reserve = hello->rpc && hello->reserve;
    sw_core_database_note(core, worker, hello->rpc ? hello->database : 0, hello->timeline);
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
    displace(core, number, sw_view_of(name), hello->succeeds, now_us);
    return true;
}

bool sw_core_worker_ready(sw_core *core, uint32_t *number, const sw_core_hello *hello, void *token,
                          int64_t now_us)
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
    if (!hello_is_good(hello) || !apply_hello(core, *number, hello, now_us)) {
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
    for (uint32_t i = 0; i < worker->service_count; i++) {
        sw_core_service_dispatch(core, worker->services[i], now_us);
        sw_core_service_send_elsewhere(core, worker->services[i], now_us); /* it may be draining */
    }
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
                            now_us); /* does nothing for an abandoned call */
        sw_core_call_move(core, call, SW_CALL_DONE, SW_NONE, now_us);
    }
    move(core, worker, SW_WORKER_GONE);
    sw_slab_give(&core->workers, number);
    for (uint32_t i = 0; i < count; i++) {
        const sw_core_service *service = sw_core_service_at(core, services[i]);
        if (service->instance && service->worker_count == 0)
            sw_core_service_flush(core, services[i], SW_ANSWER_NO_INSTANCE, now_us);
        else if (service->queued > 0)
            /* undelivered calls go to other workers */
            sw_core_service_dispatch(core, services[i], now_us);
        sw_core_service_send_elsewhere(core, services[i], now_us);
    }
}
