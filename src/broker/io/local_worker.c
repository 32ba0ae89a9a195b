/* Calls go to rpc/dispatch.h, and what that sends becomes events of the core (local_worker.h). */
#include "broker/io/local_worker.h"

#include "base/error.h"
#include "rpc/reply.h"
#include <stdlib.h>
#include <string.h>

#define WATCHES_MAX 1000 /* of Health; each keeps a call's memory for as long as it lasts */

extern const unsigned char sw_schema[];
extern const size_t sw_schema_size;

/* --- what the built-in services ask for --- */

static bool health(void *context, const char *service, Sw__HealthCheckResponse *health)
{
    const sw_local_worker *local = context;
    const sw_core *core = local->core;
    sw_view name = sw_view_of(service);
    bool own = name.size == 0, draining = sw_core_is_draining(core);
    if (!own && !sw_core_is_known(core, name))
        return false;
    bool serving = !draining && (own || sw_core_is_serving(core, name));
    health->has_status = 1;
    health->status = serving ? SW__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
                             : SW__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
    static char no_worker[] = "no live worker", going[] = "the broker is draining";
    if (!serving)
        health->reason = draining ? going : no_worker;
    return true;
}

static size_t services(void *context, const char *const **names)
{
    sw_local_worker *local = context;
    sw_core_service_view view;
    size_t count = 0;
    for (uint32_t at = 0; sw_core_each_service(local->core, &at, &view);) {
        if (count == local->name_room) {
            size_t room = local->name_room == 0 ? 16 : local->name_room * 2;
            const char **grown = realloc(local->names, room * sizeof(*grown));
            if (grown == NULL)
                break;
            local->names = grown;
            local->name_room = room;
        }
        local->names[count++] = view.name;
    }
    *names = local->names;
    return count;
}

static void *list(sw_arena *arena, size_t count)
{
    return sw_arena_alloc(arena, (count + 1) * sizeof(void *));
}

static void add_services(const sw_core *core, sw_arena *arena, Sw__GetStatsResponse *reply)
{
    sw_core_service_view view;
    size_t count = 0;
    for (uint32_t at = 0; sw_core_each_service(core, &at, &view);)
        count++;
    reply->services = list(arena, count);
    for (uint32_t at = 0; reply->services != NULL && sw_core_each_service(core, &at, &view);) {
        Sw__ServiceStats *stats = sw_arena_alloc(arena, sizeof(*stats));
        if (stats == NULL)
            return;
        sw__service_stats__init(stats);
        stats->service = (char *)view.name; /* packed before anything changes */
        stats->has_instances = stats->has_queued = stats->has_queued_bytes = stats->has_in_flight =
            stats->has_calls = 1;
        stats->instances = view.workers;
        stats->queued = view.queued;
        stats->queued_bytes = view.queued_bytes;
        stats->in_flight = view.in_flight;
        stats->calls = view.calls;
        reply->services[reply->n_services++] = stats;
    }
}

static void add_instances(const sw_core *core, sw_arena *arena, Sw__GetStatsResponse *reply)
{
    sw_core_worker_view view;
    size_t count = 0;
    for (uint32_t at = 0; sw_core_each_worker(core, &at, &view);)
        count++;
    reply->instances = list(arena, count);
    for (uint32_t at = 0; reply->instances != NULL && sw_core_each_worker(core, &at, &view);) {
        if (view.local)
            continue;
        Sw__InstanceStats *stats = sw_arena_alloc(arena, sizeof(*stats));
        char **names = list(arena, view.service_count);
        if (stats == NULL || names == NULL)
            return;
        sw__instance_stats__init(stats);
        memcpy(names, view.services, view.service_count * sizeof(*names));
        stats->instance = (char *)view.instance;
        stats->version = (char *)view.version;
        stats->services = names;
        stats->n_services = view.service_count;
        stats->has_capacity = stats->has_in_flight = stats->has_draining = stats->has_calls = 1;
        stats->capacity = view.capacity;
        stats->in_flight = view.in_flight;
        stats->draining = view.capacity == 0;
        stats->calls = view.calls;
        stats->has_reserve = 1;
        stats->reserve = view.reserve;
        reply->instances[reply->n_instances++] = stats;
    }
}

static void stats(void *context, sw_arena *arena, Sw__GetStatsResponse *reply)
{
    const sw_core *core = ((sw_local_worker *)context)->core;
    reply->has_in_flight = reply->has_draining = 1;
    reply->in_flight = sw_core_in_flight(core);
    reply->draining = sw_core_is_draining(core);
    add_services(core, arena, reply);
    add_instances(core, arena, reply);
}

static uint32_t drain(void *context, uint32_t timeout_ms)
{
    sw_local_worker *local = context;
    /* begins when the reply is on its way: sw_local_worker_take_drain */
    local->drain_in_ms = timeout_ms;
    return sw_core_in_flight(local->core);
}

/* --- the transport --- */

static bool send_reply(sw_transport *transport, const sw_route *route, bool final,
                       const sw_reply_header *header, const ProtobufCMessage *message)
{
    sw_local_worker *local = (sw_local_worker *)transport;
    sw_received *received = sw_body_pool_take(local->pool);
    if (received == NULL)
        return false;
    sw_message *frames = &received->message;
    int count = 0;
    if (!sw_reply_encode_compact(route->tag, final, header, message, NULL, &frames->frames[0],
                                 &frames->frames[1], &count)) {
        sw_body_free(local->pool, &received->body);
        return false;
    }
    frames->count = count;
    sw_compact compact;
    sw_view first = sw_message_view(frames, 0);
    sw_compact_decode(first.data, first.size, &compact); /* our own bytes */
    sw_body *body = &received->body;
    body->framing = SW_FRAMING_COMPACT;
    body->header = compact.header;
    body->payload = count == 2 ? sw_message_view(frames, 1) : compact.payload;
    body->frames = &frames->frames[1];
    body->count = (uint8_t)(count - 1);
    body->payload_frame = count == 2 ? 0 : -1;
    sw_core_worker_reply(local->core, local->worker, route->tag, final, body, local->now_us);
    return true;
}

void sw_local_worker_carry_out(sw_local_worker *local, const sw_action *action, const sw_handover *handover,
                               int64_t now_us)
{
    local->now_us = now_us;
    const sw_body *body = action->body;
    sw_route route = {.tag = action->route};
    if (action->kind == SW_ACTION_REQUEST) {
        sw_incoming incoming = {.transport = &local->transport,
                                .route = route,
                                .header = body->header,
                                .payload = body->payload,
                                .handover = *handover};
        sw_dispatch_call(local->dispatch, &incoming);
    } else if (action->kind == SW_ACTION_CANCEL) {
        sw_dispatch_cancel(local->dispatch, &local->transport, &route);
    } else if (action->kind == SW_ACTION_CREDIT) {
        sw_dispatch_credit(local->dispatch, &local->transport, &route, action->credit);
    }
}

/* --- life --- */

sw_code sw_local_worker_open(sw_local_worker *local, sw_core *core, sw_body_pool *pool, const char *instance,
                             int64_t now_us, sw_error *error)
{
    *local = (sw_local_worker){.transport = {.send = send_reply},
                               .core = core,
                               .pool = pool,
                               .worker = SW_NONE,
                               .now_us = now_us,
                               .drain_in_ms = -1,
                               .dispatch = sw_dispatch_new()};
    if (local->dispatch == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    sw_builtin_options options = {.process = "broker",
                                  .instance = instance,
                                  .version = SW_VERSION,
                                  .schema = sw_schema,
                                  .schema_size = sw_schema_size,
                                  .context = local,
                                  .health = health,
                                  .watches_max = WATCHES_MAX,
                                  .services = services,
                                  .stats = stats,
                                  .drain = drain};
    sw_code code = sw_builtin_new(local->dispatch, &options, &local->builtin, error);
    if (code != SW_OK)
        return code;
    sw_core_hello hello = {.rpc = true,
                           .compact = true,
                           .local = true,
                           .instance = sw_view_of(instance),
                           .version = SW_VIEW(SW_VERSION),
                           .capacity = SW_CAPACITY_MAX,
                           .service_count = 5,
                           .services = {SW_VIEW("sitewire.rpc.v1.Health"),
                                        SW_VIEW("sitewire.rpc.v1.Reflection"),
                                        SW_VIEW("sitewire.rpc.v1.Stats"), SW_VIEW("sitewire.rpc.v1.Drain"),
                                        SW_VIEW("sitewire.rpc.v1.Trace")}};
    if (sw_core_worker_ready(core, &local->worker, &hello, local, now_us))
        return SW_OK;
    return sw_core_is_instance(hello.instance)
               ? sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory")
               : sw_fail(error, SW_INVALID_ARGUMENT,
                         "--instance: a name has 1 to 128 printable characters without spaces");
}

bool sw_local_worker_add_counter(sw_local_worker *local, const char *name, const uint64_t *value)
{
    return sw_builtin_add_counter(local->builtin, name, value);
}

void sw_local_worker_close(sw_local_worker *local)
{
    if (local->dispatch != NULL)
        sw_dispatch_abandon(local->dispatch, &local->transport);
    sw_dispatch_destroy(&local->dispatch);
    sw_builtin_destroy(&local->builtin);
    free(local->names);
    local->names = NULL;
}

void sw_local_worker_idle(sw_local_worker *local, int64_t now_us)
{
    local->now_us = now_us;
    if (local->epoch != sw_core_epoch(local->core)) {
        local->epoch = sw_core_epoch(local->core);
        sw_builtin_changed(local->builtin);
    }
    if (sw_dispatch_deadline_ms(local->dispatch) <= now_us / 1000)
        sw_dispatch_expire(local->dispatch, now_us / 1000);
}

int64_t sw_local_worker_next_ms(const sw_local_worker *local)
{
    return sw_dispatch_deadline_ms(local->dispatch);
}

bool sw_local_worker_take_drain(sw_local_worker *local, int64_t *time_ms)
{
    *time_ms = local->drain_in_ms;
    local->drain_in_ms = -1;
    return *time_ms >= 0;
}
