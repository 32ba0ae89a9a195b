/* Registration, replies and heartbeats, in both framings (backend.h). */
#include "broker/io/backend.h"

#include "base/error.h"
#include "base/log.h"
#include "broker/io/carry_out.h"
#include "broker/io/reader.h"
#include "broker/io/send.h"
#include "sitewire/rpc/v1/rpc.pb-c.h"
#include <stdio.h>

enum { PROTOCOL, COMMAND, SERVICE, HELLO }; /* frames of READY */
enum { ADDRESS = 2, EMPTY, BODY };          /* frames of PARTIAL and FINAL */

static bool add_service(sw_core_hello *hello, sw_view name)
{
    for (size_t i = 0; i < hello->service_count; i++)
        if (sw_view_equal(hello->services[i], name))
            return true;
    if (hello->service_count == sizeof(hello->services) / sizeof(hello->services[0]))
        return false;
    hello->services[hello->service_count++] = name;
    return true;
}

/* Whether the worker may take the name of an instance. If another worker has it, that one is
 * displaced, so the new one must be allowed to offer whatever the other offers. */
static bool may_be_called(sw_broker *broker, const sw_peer *peer, const sw_core_hello *hello, sw_error *error)
{
    sw_core_worker_view other;
    if (!hello->rpc || !sw_core_find_instance(broker->core, hello->instance, peer->number, &other))
        return true;
    if (other.local) {
        sw_fail(error, SW_PERMISSION_DENIED, "the instance's name is that of this broker");
        return false;
    }
    for (size_t i = 0; i < other.service_count; i++)
        if (!sw_auth_may_offer(&broker->auth, &peer->caller, sw_view_of(other.services[i]), error))
            return false;
    return true;
}

static bool may_register(sw_broker *broker, const sw_peer *peer, const sw_core_hello *hello, sw_error *error)
{
    for (size_t i = 0; i < hello->service_count; i++)
        if (!sw_auth_may_offer(&broker->auth, &peer->caller, hello->services[i], error))
            return false;
    return may_be_called(broker, peer, hello, error);
}

/* Tells a peer that it is no worker now. One that does not read is cut off instead: such messages
 * would pile up, because it has no bound as a worker has by its capacity. */
static void send_away(sw_broker *broker, sw_peer *peer, const char *reason)
{
    if (sw_inbound_is_blocked(peer->session))
        sw_peer_cut(peer);
    else
        sw_send_refusal(&broker->outbox, peer, reason);
}

static void register_worker(sw_broker *broker, sw_peer *peer, const sw_core_hello *hello)
{
    uint32_t before = peer->number;
    sw_error error;
    if (!may_register(broker, peer, hello, &error)) {
        if (peer->number != SW_NONE)
            sw_broker_lost(broker, peer);
        send_away(broker, peer, hello->rpc ? error.message : "");
        return;
    }
    peer->rpc = hello->rpc;
    peer->compact = hello->rpc && hello->compact;
    bool ready = sw_core_worker_ready(broker->core, &peer->number, hello, peer, broker->now_us);
    char name[SW_INSTANCE_MAX + 1];
    snprintf(name, sizeof(name), "%.*s", (int)(hello->instance.size % sizeof(name)), hello->instance.data);
    if (!ready) {
        sw_log_limited(SW_LOG_WARNING, "worker refused", "instance", name, "reason",
                       "a reserved or malformed name, a capacity over 65535, or too many workers or services",
                       NULL);
        send_away(broker, peer, "");
    } else if (before == SW_NONE || hello->capacity == 0) {
        sw_log_limited(SW_LOG_INFO, hello->rpc && hello->capacity == 0 ? "worker draining" : "worker ready",
                       "instance", name, NULL);
    }
    /* This may have displaced a worker of the same name: its peer must learn that before its
     * next message is read. */
    sw_broker_flush(broker);
}

/* A plain worker sent a command that MDP does not expect now. RFC 18 asks for a DISCONNECT "and
 * then no further commands". RPC workers may send READY again, and may answer a call that is
 * over. */
static void refuse_unexpected(sw_broker *broker, sw_peer *peer)
{
    sw_broker_lost(broker, peer);
    send_away(broker, peer, "");
}

/* Returns NULL, or what is wrong. Does not consume the message. */
static const char *read_ready(sw_broker *broker, sw_peer *peer, const sw_message *message)
{
    sw_view service = sw_message_view(message, SERVICE), frame = sw_message_view(message, HELLO);
    if (message->count != HELLO && message->count != HELLO + 1)
        return "a READY with the wrong number of frames";
    if (peer->number != SW_NONE && (!peer->rpc || message->count == HELLO)) {
        refuse_unexpected(broker, peer);
        return NULL;
    }
    sw_core_hello hello = {.rpc = message->count > HELLO, .service_count = 1, .services = {service}};
    if (!hello.rpc) {
        register_worker(broker, peer, &hello);
        return NULL;
    }
    Sw__WorkerHello *sent = frame.size > SW_HEADER_MAX
                                ? NULL
                                : sw__worker_hello__unpack(NULL, frame.size, (const uint8_t *)frame.data);
    if (sent == NULL)
        return "a READY whose hello is not a WorkerHello of at most 16 KiB";
    hello.instance = sw_view_of(sent->instance);
    hello.version = sw_view_of(sent->version);
    hello.capacity = sent->capacity;
    hello.compact = sent->compact;
    hello.reserve = sent->reserve;
    hello.database = sent->database == NULL ? 0 : sent->database->system;
    hello.timeline = sent->database == NULL ? 0 : sent->database->timeline;
    hello.succeeds = sent->succeeds;
    bool good = true;
    for (size_t i = 0; i < sent->n_services; i++)
        good = good && add_service(&hello, sw_view_of(sent->services[i]));
    if (good)
        register_worker(broker, peer, &hello);
    sw__worker_hello__free_unpacked(sent, NULL);
    return good ? NULL : "a READY with more than 64 services";
}

static uint64_t route_of(sw_view address)
{
    uint64_t route = 0;
    for (size_t i = 0; i < address.size; i++)
        route = route << 8 | (uint8_t)address.data[i];
    return route;
}

/* Functions of this kind return NULL and consume the message, or return what is wrong. */
static const char *mdp_reply(sw_broker *broker, sw_peer *peer, sw_received *received, bool final)
{
    sw_message *message = &received->message;
    sw_view address = sw_message_view(message, ADDRESS);
    sw_body *body = &received->body;
    if (message->count <= BODY || address.size != 8 || sw_message_view(message, EMPTY).size != 0)
        return "a reply without the call's address, an empty frame and a body";
    if (peer->rpc && message->count != BODY + 2)
        return "an RPC reply whose body is not two frames";
    body->framing = peer->rpc ? SW_FRAMING_MDP : SW_FRAMING_PLAIN;
    body->frames = &message->frames[BODY];
    body->count = (uint8_t)(message->count - BODY);
    body->payload_frame = -1;
    body->header = body->payload = (sw_view){0};
    if (body->count == 2) { /* an RPC body, or what may be one */
        body->header = sw_message_view(message, BODY);
        body->payload = sw_message_view(message, BODY + 1);
        body->payload_frame = 1;
    }
    bool expected =
        sw_core_worker_reply(broker->core, peer->number, route_of(address), final, body, broker->now_us);
    if (!expected && !peer->rpc)
        refuse_unexpected(broker, peer);
    return NULL;
}

static const char *compact_reply(sw_broker *broker, sw_peer *peer, sw_received *received, sw_view frame)
{
    sw_compact compact;
    sw_message *message = &received->message;
    sw_body *body = &received->body;
    if (!peer->compact)
        return "compact framing from a worker that did not announce it";
    if (!sw_compact_decode(frame.data, frame.size, &compact) || compact.handover.size > 0)
        return "a broken compact frame";
    if (message->count != (compact.payload_follows ? 2 : 1))
        return "a compact message with the wrong number of frames";
    if (compact.command != SW_COMPACT_PARTIAL && compact.command != SW_COMPACT_FINAL)
        return "a command that workers do not send";
    body->framing = SW_FRAMING_COMPACT;
    body->header = compact.header;
    body->payload = compact.payload;
    body->count = 0;
    body->payload_frame = -1;
    if (compact.payload_follows) {
        body->frames = &message->frames[1];
        body->count = 1;
        body->payload_frame = 0;
        body->payload = sw_message_view(message, 1);
    }
    sw_core_worker_reply(broker->core, peer->number, compact.tag, compact.command == SW_COMPACT_FINAL, body,
                         broker->now_us);
    return NULL;
}

/* Each reply of a batch is read as if it had come alone. All share the frame. Does not consume
 * the message. */
static const char *batch_reply(sw_broker *broker, sw_peer *peer, sw_received *received)
{
    sw_view rest = sw_message_view(&received->message, 0), frame;
    for (; sw_batch_next(&rest, &frame); broker->read++) {
        sw_received *part = sw_body_pool_share(&broker->pool, received);
        if (part == NULL) { /* out of memory: the worker must notice that a reply is missing */
            sw_peer_cut(peer);
            break;
        }
        const char *wrong = compact_reply(broker, peer, part, frame);
        if (wrong == NULL)
            continue;
        sw_reader_malformed(broker, peer, wrong);
        sw_body_free(&broker->pool, &part->body);
    }
    return rest.data == NULL ? "a broken batch" : NULL;
}

/* Returns NULL, or what is wrong. Sets *taken if the message was consumed. */
static const char *read_message(sw_broker *broker, sw_peer *peer, sw_received *received, bool *taken)
{
    sw_message *message = &received->message;
    sw_view protocol = sw_message_view(message, PROTOCOL), command = sw_message_view(message, COMMAND);
    bool compact = sw_compact_is(protocol.data, protocol.size);
    const char *wrong;
    if (message->overflow || message->count > SW_FRAMES_MAX)
        return "more than 16 frames";
    if (!compact && !sw_view_equal(protocol, SW_VIEW(SW_MDP_WORKER)))
        return "neither MDPW02 nor compact framing";
    if (!compact && command.size != 1)
        return "a command that is not one byte";
    int kind = compact ? 0 : command.data[0];
    if (kind == SW_MDP_WORKER_READY)
        return read_ready(broker, peer, message);
    if (kind == SW_MDP_WORKER_DISCONNECT) {
        sw_broker_lost(broker, peer);
        return NULL;
    }
    /* it registered before the broker was restarted, or was declared lost */
    if (peer->number == SW_NONE) {
        send_away(broker, peer, "");
        return NULL;
    }
    sw_core_worker_seen(broker->core, peer->number, broker->now_us);
    if (sw_received_size(received) > (size_t)broker->options->message_max)
        return "a message larger than --message-bytes";
    if (sw_batch_is(protocol))
        return batch_reply(broker, peer, received);
    if (compact)
        wrong = compact_reply(broker, peer, received, protocol);
    else if (kind == SW_MDP_WORKER_PARTIAL || kind == SW_MDP_WORKER_FINAL)
        wrong = mdp_reply(broker, peer, received, kind == SW_MDP_WORKER_FINAL);
    else
        return kind == SW_MDP_WORKER_HEARTBEAT ? NULL : "a command that workers do not send";
    *taken = wrong == NULL;
    return wrong;
}

void sw_backend_read(sw_broker *broker, sw_peer *peer)
{
    for (sw_received *received; (received = sw_reader_next(broker, peer)) != NULL; broker->read++) {
        bool taken = false;
        const char *wrong = read_message(broker, peer, received, &taken);
        if (wrong != NULL)
            sw_reader_malformed(broker, peer, wrong);
        if (!taken)
            sw_body_free(&broker->pool, &received->body);
    }
}
