/* What workers say, turned into events of the core. */
#include "broker/io/broker.h"

#include "base/log.h"
#include "sitewire/rpc/v1/rpc.pb-c.h"
#include <string.h>

#define BATCH 1024 /* messages read in a round */

enum { IDENTITY, PROTOCOL, COMMAND, SERVICE, HELLO }; /* frames of READY */
enum { ADDRESS = 3, EMPTY, BODY };                    /* frames of PARTIAL and FINAL */
enum { MDP_READY = 1, MDP_PARTIAL = 3, MDP_FINAL = 4, MDP_HEARTBEAT = 5, MDP_DISCONNECT = 6 };

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

static void register_worker(sw_broker *broker, sw_peer *peer, const sw_core_hello *hello)
{
    uint32_t before = peer->number;
    peer->rpc = hello->rpc;
    peer->compact = hello->rpc && hello->compact;
    bool ready = sw_core_ready(broker->core, &peer->number, hello, peer, broker->now_us);
    char name[SW_INSTANCE_MAX + 1];
    snprintf(name, sizeof(name), "%.*s", (int)(hello->instance.size % sizeof(name)), hello->instance.data);
    if (!ready) {
        sw_log(SW_LOG_WARNING, "worker refused", "instance", name, "reason",
               "a reserved or malformed name, a capacity over 65535, or too many workers or services", NULL);
        sw_send_disconnect(broker, peer);
    } else if (before == SW_NONE || hello->capacity == 0) {
        sw_log(SW_LOG_INFO, hello->rpc && hello->capacity == 0 ? "worker draining" : "worker ready",
               "instance", name, NULL);
    }
    /* A worker of the same name may be gone now: its peer must know before it is heard again. */
    sw_broker_flush(broker);
}

/* What MDP knows and does not expect here of a plain worker (RFC 18: "by sending DISCONNECT and then no further
 * commands"). RPC workers change their hello, and may answer a call that is over. */
static void refuse_unexpected(sw_broker *broker, sw_peer *peer)
{
    sw_backend_lost(broker, peer);
    sw_send_disconnect(broker, peer);
}

/* Functions of this kind return NULL, or what is wrong. They do not consume the message. */
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
        return "a READY whose hello is no WorkerHello of at most 16 KiB";
    hello.instance = sw_view_of(sent->instance);
    hello.version = sw_view_of(sent->version);
    hello.capacity = sent->capacity;
    hello.compact = sent->compact;
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

/* The message is taken over if NULL is returned. */
static const char *mdp_reply(sw_broker *broker, sw_peer *peer, sw_live *live, bool final)
{
    sw_message *message = &live->message;
    sw_view address = sw_message_view(message, ADDRESS);
    sw_body *body = &live->body;
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
    bool expected = sw_core_reply(broker->core, peer->number, route_of(address), final, body, broker->now_us);
    if (!expected && !peer->rpc)
        refuse_unexpected(broker, peer);
    return NULL;
}

static const char *compact_reply(sw_broker *broker, sw_peer *peer, sw_live *live, sw_view frame)
{
    sw_compact compact;
    sw_message *message = &live->message;
    sw_body *body = &live->body;
    if (!peer->compact)
        return "compact framing of a worker that did not announce it";
    if (!sw_compact_decode(frame.data, frame.size, &compact) || compact.handover.size > 0)
        return "a broken compact frame";
    if (message->count != (compact.payload_follows ? 3 : 2))
        return "a compact message with the wrong number of frames";
    if (compact.command != SW_COMPACT_PARTIAL && compact.command != SW_COMPACT_FINAL)
        return "a command that workers do not send";
    body->framing = SW_FRAMING_COMPACT;
    body->header = compact.header;
    body->payload = compact.payload;
    body->count = 0;
    body->payload_frame = -1;
    if (compact.payload_follows) {
        body->frames = &message->frames[2];
        body->count = 1;
        body->payload_frame = 0;
        body->payload = sw_message_view(message, 2);
    }
    sw_core_reply(broker->core, peer->number, compact.tag, compact.command == SW_COMPACT_FINAL, body,
                  broker->now_us);
    return NULL;
}

/* Each reply of a batch is read as if it had come alone; all share the frame. */
static const char *batch_reply(sw_broker *broker, sw_peer *peer, sw_live *live)
{
    sw_view rest = sw_message_view(&live->message, 1), frame;
    for (; sw_batch_next(&rest, &frame); broker->read++) {
        sw_live *part = sw_pool_share(&broker->pool, live);
        const char *wrong = part == NULL ? "a message for which there is no memory"
                                         : compact_reply(broker, peer, part, frame);
        if (wrong == NULL)
            continue;
        sw_broker_malformed(broker, peer, wrong);
        sw_body_free(&broker->pool, part == NULL ? NULL : &part->body);
    }
    return rest.data == NULL ? "a broken batch" : NULL;
}

void sw_backend_lost(sw_broker *broker, sw_peer *peer)
{
    if (peer->number != SW_NONE)
        sw_core_worker_lost(broker->core, peer->number, broker->now_us);
    peer->number = SW_NONE;
}

static sw_peer *find_worker(sw_broker *broker, sw_side *side, sw_message *message)
{
    sw_peer *displaced, *peer;
    while ((peer = sw_side_peer(side, &message->frames[0], &message->frames[1], &displaced)) == NULL) {
        if (displaced == NULL)
            return NULL;
        sw_backend_lost(broker, displaced);
        sw_broker_flush(broker);
        sw_side_forget(side, displaced);
    }
    /* ZAP lets nobody in without a key; this is for the day that it is not asked. */
    if (side->is_curve && peer->key[0] == '\0' && !peer->cut)
        sw_side_cut(side, peer);
    return peer->cut ? NULL : peer;
}

/* Sets *taken if the body belongs to the core now. */
static const char *read_message(sw_broker *broker, sw_peer *peer, sw_live *live, bool *taken)
{
    sw_message *message = &live->message;
    sw_view protocol = sw_message_view(message, PROTOCOL), command = sw_message_view(message, COMMAND);
    bool compact = sw_compact_is(protocol.data, protocol.size);
    const char *wrong;
    if (message->overflow || message->count > SW_FRAMES_MAX + 1)
        return "more than 16 frames";
    if (!compact && !sw_view_equal(protocol, SW_VIEW(SW_MDP_WORKER)))
        return "neither MDPW02 nor compact framing";
    if (!compact && command.size != 1)
        return "a command that is not one byte";
    int kind = compact ? 0 : command.data[0];
    if (kind == MDP_READY)
        return read_ready(broker, peer, message);
    if (kind == MDP_DISCONNECT) {
        sw_backend_lost(broker, peer);
        return NULL;
    }
    if (peer->number == SW_NONE) { /* it registered with a broker that was here before, or was lost */
        sw_send_disconnect(broker, peer);
        return NULL;
    }
    sw_core_worker_seen(broker->core, peer->number, broker->now_us);
    if (sw_broker_message_size(message) > (size_t)broker->options->message_max)
        return "a message over 64 MiB";
    if (sw_batch_is(protocol))
        return batch_reply(broker, peer, live);
    if (compact)
        wrong = compact_reply(broker, peer, live, protocol);
    else if (kind == MDP_PARTIAL || kind == MDP_FINAL)
        wrong = mdp_reply(broker, peer, live, kind == MDP_FINAL);
    else
        return kind == MDP_HEARTBEAT ? NULL : "a command that workers do not send";
    *taken = wrong == NULL;
    return wrong;
}

bool sw_backend_read(sw_broker *broker, sw_side *side)
{
    for (uint64_t end = broker->read + BATCH; broker->read < end; broker->read++) {
        sw_live *live = sw_pool_take(&broker->pool);
        if (live == NULL || sw_message_recv(side->socket, &live->message) != 0) {
            sw_body_free(&broker->pool, live == NULL ? NULL : &live->body);
            return false;
        }
        sw_peer *peer = live->message.count < 2 ? NULL : find_worker(broker, side, &live->message);
        bool taken = false;
        const char *wrong = peer == NULL ? NULL : read_message(broker, peer, live, &taken);
        if (wrong != NULL)
            sw_broker_malformed(broker, peer, wrong);
        if (!taken)
            sw_body_free(&broker->pool, &live->body);
    }
    return true;
}
