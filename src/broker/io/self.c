/* The broker as a worker of its own: calls are fed to rpc/dispatch.h, what it sends becomes events of the
 * core. */
#include "broker/io/self.h"

#include "broker/io/broker.h"
#include <stdlib.h>
#include <string.h>

#define WATCHES_MAX 1000 /* of Health; each takes a call's memory for as long as it lasts */

extern const unsigned char sw_schema[];
extern const size_t sw_schema_size;

/* --- what the built-in services ask --- */

static bool health(void *context, const char *service, Sw__HealthCheckResponse *health)
{
    const sw_self *self = context;
    const sw_core *core = self->broker->core;
    sw_view name = sw_view_of(service);
    bool own = name.size == 0, draining = sw_core_is_draining(core);
    if (!own && !sw_core_is_known(core, name))
        return false;
    bool serving = !draining && (own || sw_core_is_serving(core, name));
    health->has_status = 1;
    health->status = serving ? SW__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
                             : SW__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
    static char none[] = "no live worker", going[] = "the broker is draining";
    if (!serving)
        health->reason = draining ? going : none;
    return true;
}

static size_t services(void *context, const char *const **names)
{
    sw_self *self = context;
    sw_core_service_view view;
    size_t count = 0;
    for (uint32_t at = 0; sw_core_each_service(self->broker->core, &at, &view);) {
        if (count == self->name_room) {
            size_t room = self->name_room == 0 ? 16 : self->name_room * 2;
            const char **grown = realloc(self->names, room * sizeof(*grown));
            if (grown == NULL)
                break;
            self->names = grown;
            self->name_room = room;
        }
        self->names[count++] = view.name;
    }
    *names = self->names;
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
        reply->instances[reply->n_instances++] = stats;
    }
}

static void stats(void *context, sw_arena *arena, Sw__GetStatsResponse *reply)
{
    const sw_core *core = ((sw_self *)context)->broker->core;
    reply->has_in_flight = reply->has_draining = 1;
    reply->in_flight = sw_core_in_flight(core);
    reply->draining = sw_core_is_draining(core);
    add_services(core, arena, reply);
    add_instances(core, arena, reply);
}

static uint32_t drain(void *context, uint32_t timeout_ms)
{
    sw_self *self = context;
    self->drain_in_ms = timeout_ms; /* begins when the reply is on its way: sw_self_idle */
    return sw_core_in_flight(self->broker->core);
}

/* --- the transport --- */

static bool send_reply(sw_transport *transport, const sw_route *route, bool final,
                       const sw_reply_header *header, const ProtobufCMessage *message)
{
    sw_self *self = (sw_self *)transport;
    sw_broker *broker = self->broker;
    sw_live *live = sw_pool_take(&broker->pool);
    if (live == NULL)
        return false;
    sw_message *frames = &live->message;
    int count = 0;
    zmq_msg_init(&frames->frames[0]);
    if (!sw_reply_encode_compact(route->tag, final, header, message, NULL, &frames->frames[1],
                                 &frames->frames[2], &count)) {
        frames->count = 1;
        sw_body_free(&broker->pool, &live->body);
        return false;
    }
    frames->count = 1 + count;
    sw_compact compact;
    sw_view first = sw_message_view(frames, 1);
    sw_compact_decode(first.data, first.size, &compact); /* our own bytes */
    sw_body *body = &live->body;
    body->framing = SW_FRAMING_COMPACT;
    body->header = compact.header;
    body->payload = count == 2 ? sw_message_view(frames, 2) : compact.payload;
    body->frames = &frames->frames[2];
    body->count = (uint8_t)(count - 1);
    body->payload_frame = count == 2 ? 0 : -1;
    sw_core_reply(broker->core, self->worker, route->tag, final, body, broker->now_us);
    return true;
}

void sw_self_carry_out(sw_self *self, const sw_action *action)
{
    const sw_body *body = action->body;
    sw_route route = {.tag = action->route};
    if (action->kind == SW_ACTION_REQUEST) {
        sw_incoming incoming = {
            .transport = &self->transport,
            .route = route,
            .header = body->header,
            .payload = body->payload,
            .handover = {.queue_us = action->queue_us, .time_left_ms = action->time_left_ms}};
        sw_auth_hand_over(self->broker, action->caller, &incoming.handover);
        sw_dispatch_call(self->dispatch, &incoming);
    } else if (action->kind == SW_ACTION_CANCEL) {
        sw_dispatch_cancel(self->dispatch, &self->transport, &route);
    } else if (action->kind == SW_ACTION_CREDIT) {
        sw_dispatch_credit(self->dispatch, &self->transport, &route, action->credit);
    }
}

/* --- life --- */

static void add_counters(sw_self *self)
{
    sw_broker *broker = self->broker;
    const sw_core_counters *core = sw_core_get_counters(broker->core);
    const struct {
        const char *name;
        const uint64_t *value;
    } counters[] = {
        {"calls", &core->calls},
        {"replies", &core->replies},
        {"malformed_frames", &broker->malformed_frames},
        {"clients_cut_off", &broker->clients_cut_off},
        {"identities", &broker->auth.known},
        {"calls_refused", &broker->auth.calls_refused},
        {"connections_refused", &broker->auth.connections_refused},
        {"handshakes_failed", &broker->handshakes_failed},
        {"workers_lost", &core->workers_lost},
        {"events", &broker->events.forwarded},
        {"subscribers_cut_ipc", &broker->events.subscribers[0].cut},
        {"subscribers_cut_tcp", &broker->events.subscribers[1].cut},
        {"deadlines_exceeded", &core->deadlines_exceeded},
        {"cancelled", &core->cancelled},
        {"queue_full", &core->queue_full},
        {"credit_exceeded", &core->credit_exceeded},
        {"stale_replies", &core->stale_replies},
        {"plain_dropped", &core->plain_dropped},
    };
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
        sw_builtin_add_counter(self->builtin, counters[i].name, counters[i].value);
}

sw_code sw_self_open(sw_self *self, sw_broker *broker, sw_error *error)
{
    *self =
        (sw_self){.transport = {.send = send_reply}, .broker = broker, .worker = SW_NONE, .drain_in_ms = -1};
    self->dispatch = sw_dispatch_new();
    if (self->dispatch == NULL)
        return SW_RESOURCE_EXHAUSTED;
    sw_builtin_options options = {.process = "broker",
                                  .instance = broker->instance,
                                  .version = SW_VERSION,
                                  .schema = sw_schema,
                                  .schema_size = sw_schema_size,
                                  .context = self,
                                  .health = health,
                                  .watches_max = WATCHES_MAX,
                                  .services = services,
                                  .stats = stats,
                                  .drain = drain};
    sw_code code = sw_builtin_new(self->dispatch, &options, &self->builtin, error);
    if (code != SW_OK)
        return code;
    add_counters(self);
    sw_core_hello hello = {.rpc = true,
                           .compact = true,
                           .local = true,
                           .instance = sw_view_of(broker->instance),
                           .version = SW_VIEW(SW_VERSION),
                           .capacity = SW_CAPACITY_MAX,
                           .service_count = 4,
                           .services = {SW_VIEW("sitewire.rpc.v1.Health"),
                                        SW_VIEW("sitewire.rpc.v1.Reflection"),
                                        SW_VIEW("sitewire.rpc.v1.Stats"), SW_VIEW("sitewire.rpc.v1.Drain")}};
    if (!sw_core_ready(broker->core, &self->worker, &hello, self, broker->now_us))
        return SW_INVALID_ARGUMENT;
    return SW_OK;
}

void sw_self_close(sw_self *self)
{
    if (self->dispatch != NULL)
        sw_dispatch_abandon(self->dispatch, &self->transport);
    sw_dispatch_destroy(&self->dispatch);
    sw_builtin_destroy(&self->builtin);
    free(self->names);
    self->names = NULL;
}

void sw_self_idle(sw_self *self, int64_t now_ms)
{
    if (self->epoch != sw_core_epoch(self->broker->core)) {
        self->epoch = sw_core_epoch(self->broker->core);
        sw_builtin_changed(self->builtin);
    }
    if (sw_dispatch_deadline_ms(self->dispatch) <= now_ms)
        sw_dispatch_expire(self->dispatch, now_ms);
    if (self->drain_in_ms >= 0) {
        int64_t timeout_ms = self->drain_in_ms;
        self->drain_in_ms = -1;
        sw_broker_drain(self->broker, timeout_ms);
    }
}

int64_t sw_self_next_ms(const sw_self *self)
{
    return sw_dispatch_deadline_ms(self->dispatch);
}
