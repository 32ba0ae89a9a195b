/* Frames built from actions (send.h). */
#include "broker/io/send.h"

#include "broker/io/answer.h"
#include <string.h>

#define HANDOVER_MAX 1024 /* bytes of an encoded sw_handover */

/* Begins a message. */
static bool begin(sw_message *out)
{
    out->count = 0;
    return true;
}

static bool add_text(sw_message *out, const char *text)
{
    return sw_message_add(out, text, strlen(text));
}

static bool add_byte(sw_message *out, int byte)
{
    uint8_t value = (uint8_t)byte;
    return sw_message_add(out, &value, 1);
}

static bool add_view(sw_message *out, sw_view view)
{
    return sw_message_add(out, view.data, view.size);
}

static bool add_address(sw_message *out, uint64_t route)
{
    uint8_t address[8];
    for (int i = 7; i >= 0; i--, route >>= 8)
        address[i] = (uint8_t)route;
    return sw_message_add(out, address, sizeof(address)) && sw_message_add(out, NULL, 0);
}

/* A copy of a body's frame: the body stays whole if sending fails. Large frames share their
 * memory. */
static bool add_frame(sw_message *out, zmq_msg_t *frame)
{
    zmq_msg_t copy;
    zmq_msg_init(&copy);
    return zmq_msg_copy(&copy, frame) == 0 && sw_message_move(out, &copy);
}

static bool add_payload(sw_message *out, const sw_body *body)
{
    return body->payload_frame >= 0 ? add_frame(out, &body->frames[body->payload_frame])
                                    : add_view(out, body->payload);
}

static bool add_compact(sw_message *out, sw_compact *compact, const sw_body *body)
{
    zmq_msg_t frame;
    if (body != NULL) {
        compact->header = body->header;
        compact->payload = body->payload;
        compact->payload_follows = body->payload.size > SW_COMPACT_INLINE;
    }
    return sw_compact_encode(compact, &frame) && sw_message_move(out, &frame) &&
           (!compact->payload_follows || (body != NULL && add_payload(out, body)));
}

/* Small compact messages are collected until the end of the round; others are sent at once. */
static bool send_compact(sw_outbox *outbox, sw_peer *peer, sw_compact *compact, const sw_body *body)
{
    sw_view payload = body == NULL ? (sw_view){0} : body->payload;
    if (body != NULL)
        compact->header = body->header;
    uint8_t *at = sw_outbox_room(peer, sw_compact_size(compact, payload.size));
    if (at == NULL) {
        sw_message out;
        bool built = begin(&out) && add_compact(&out, compact, body);
        return sw_outbox_send(outbox, peer, &out, built);
    }
    at = sw_compact_write(compact, at);
    if (payload.size > 0)
        memcpy(at, payload.data, payload.size);
    sw_outbox_added(outbox, peer);
    return true;
}

/* --- to clients --- */

static bool add_client_head(sw_message *out, bool final, sw_view service)
{
    return add_text(out, SW_MDP_CLIENT) &&
           add_byte(out, final ? SW_MDP_CLIENT_FINAL : SW_MDP_CLIENT_PARTIAL) && add_view(out, service);
}

void sw_send_answer(sw_outbox *outbox, const sw_action *action, sw_answer answer, sw_view quoted)
{
    sw_peer *peer = action->peer;
    sw_reply_header header;
    char text[SW_ANSWER_TEXT_SIZE];
    uint8_t bytes[SW_ANSWER_TEXT_SIZE * 2];
    sw_answer_fill(answer, action->call_id, action->queue_us, quoted, text, &header);
    size_t size = sw_reply_header_encode(&header, bytes, sizeof(bytes));
    sw_view view = {(const char *)bytes, size < sizeof(bytes) ? size : 0};
    if (action->framing == SW_FRAMING_COMPACT) {
        sw_compact compact = {.command = SW_COMPACT_FINAL, .tag = action->call_id, .header = view};
        send_compact(outbox, peer, &compact, NULL);
        return;
    }
    sw_message out;
    bool built = begin(&out) && add_client_head(&out, true, action->service) && add_view(&out, view) &&
                 sw_message_add(&out, NULL, 0);
    sw_outbox_send(outbox, peer, &out, built);
}

/* Sends the received frames with another tag, without a copy. For large payloads,
 * which are not in a batch. */
static void forward(sw_outbox *outbox, const sw_action *action, sw_received *received)
{
    sw_peer *peer = action->peer;
    sw_message *message = &received->message;
    sw_compact_set_tag(zmq_msg_data(&message->frames[0]), action->call_id);
    sw_outbox_send(outbox, peer, message, true);
}

/* The reply of a plain worker to an RPC call must have the form of an RPC worker's. */
static bool is_rpc_reply(const sw_body *body)
{
    sw_reply_header header;
    return body->framing != SW_FRAMING_PLAIN ||
           (body->count == 2 && sw_reply_header_decode(body->header.data, body->header.size, &header));
}

bool sw_send_reply(sw_outbox *outbox, const sw_action *action)
{
    sw_peer *peer = action->peer;
    sw_body *body = action->body;
    bool compact_both = action->framing == SW_FRAMING_COMPACT && body->framing == SW_FRAMING_COMPACT;
    if (compact_both && body->payload_frame >= 0) {
        forward(outbox, action, (sw_received *)body);
        return true;
    }
    if (action->framing != SW_FRAMING_PLAIN && !is_rpc_reply(body))
        return false;
    if (action->framing == SW_FRAMING_COMPACT) {
        sw_compact compact = {.command = action->final ? SW_COMPACT_FINAL : SW_COMPACT_PARTIAL,
                              .tag = action->call_id};
        send_compact(outbox, peer, &compact, body);
        return true;
    }
    sw_message out;
    bool built = begin(&out) && add_client_head(&out, action->final, action->service);
    if (body->framing == SW_FRAMING_COMPACT)
        built = built && add_view(&out, body->header) && add_payload(&out, body);
    for (uint8_t i = 0; body->framing != SW_FRAMING_COMPACT && i < body->count; i++)
        built = built && add_frame(&out, &body->frames[i]);
    sw_outbox_send(outbox, peer, &out, built);
    return true;
}

void sw_send_management(sw_outbox *outbox, sw_peer *peer, sw_view service, const char *code, const char *more)
{
    sw_message out;
    bool built = begin(&out) && add_client_head(&out, true, service) && add_text(&out, code) &&
                 (more == NULL || add_text(&out, more));
    sw_outbox_send(outbox, peer, &out, built);
}

/* --- to workers --- */

static bool add_worker_head(sw_message *out, int command)
{
    return add_text(out, SW_MDP_WORKER) && add_byte(out, command);
}

bool sw_send_request(sw_outbox *outbox, const sw_action *action, const sw_handover *handover)
{
    sw_peer *peer = action->peer;
    sw_body *body = action->body;
    uint8_t bytes[HANDOVER_MAX];
    sw_view view = {(const char *)bytes,
                    action->rpc ? sw_handover_encode(handover, bytes, sizeof(bytes)) : 0};
    if (action->framing == SW_FRAMING_COMPACT) {
        sw_compact compact = {.command = SW_COMPACT_REQUEST, .tag = action->route, .handover = view};
        return send_compact(outbox, peer, &compact, body);
    }
    sw_message out;
    bool built =
        begin(&out) && add_worker_head(&out, SW_MDP_WORKER_REQUEST) && add_address(&out, action->route);
    if (body->framing != SW_FRAMING_PLAIN)
        built = built && add_view(&out, body->header) && add_payload(&out, body);
    for (uint8_t i = 0; body->framing == SW_FRAMING_PLAIN && i < body->count; i++)
        built = built && add_frame(&out, &body->frames[i]);
    built = built && (!action->rpc || add_view(&out, view));
    return sw_outbox_send(outbox, peer, &out, built);
}

void sw_send_control(sw_outbox *outbox, const sw_action *action)
{
    sw_peer *peer = action->peer;
    bool cancel = action->kind == SW_ACTION_CANCEL;
    uint8_t bytes[64];
    sw_call_header header = {.call_id = action->call_id, .credit = action->credit};
    sw_view view = {(const char *)bytes, cancel ? 0 : sw_call_header_encode(&header, bytes, sizeof(bytes))};
    if (action->framing == SW_FRAMING_COMPACT) {
        sw_compact compact = {
            .command = cancel ? SW_COMPACT_CANCEL : SW_COMPACT_CREDIT, .tag = action->route, .header = view};
        send_compact(outbox, peer, &compact, NULL);
        return;
    }
    sw_message out;
    bool built = begin(&out) && add_worker_head(&out, cancel ? SW_MDP_WORKER_CANCEL : SW_MDP_WORKER_CREDIT) &&
                 add_address(&out, action->route) && (cancel || add_view(&out, view));
    sw_outbox_send(outbox, peer, &out, built);
}

static void send_plain(sw_outbox *outbox, sw_peer *peer, int command)
{
    sw_message out;
    bool built = begin(&out) && add_worker_head(&out, command);
    sw_outbox_send(outbox, peer, &out, built);
}

void sw_send_heartbeat(sw_outbox *outbox, sw_peer *peer)
{
    send_plain(outbox, peer, SW_MDP_WORKER_HEARTBEAT);
}

void sw_send_refusal(sw_outbox *outbox, sw_peer *peer, const char *reason)
{
    sw_message out;
    bool built = begin(&out) && add_worker_head(&out, SW_MDP_WORKER_DISCONNECT) &&
                 (reason[0] == '\0' || sw_message_add(&out, reason, strlen(reason)));
    sw_outbox_send(outbox, peer, &out, built);
}

void sw_send_disconnect(sw_outbox *outbox, sw_peer *peer)
{
    send_plain(outbox, peer, SW_MDP_WORKER_DISCONNECT);
}
