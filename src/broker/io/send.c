/* The core's actions, carried out: frames built and sent. */
#include "broker/io/broker.h"

#include "broker/io/answer.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENT_PARTIAL = 0x02, CLIENT_FINAL = 0x03 };
enum {
    WORKER_REQUEST = 0x02,
    WORKER_HEARTBEAT = 0x05,
    WORKER_DISCONNECT = 0x06,
    WORKER_CANCEL = 0x10,
    WORKER_CREDIT = 0x11
};

#define HANDOVER_MAX 1024

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

/* A frame of a body, shared where it is large, so that it is still there if sending fails. */
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

/* 0, or an errno: EAGAIN if a client does not read what it asked for. */
static int try_send(const sw_broker *broker, sw_peer *peer, sw_message *out)
{
    if (peer->side->is_frontend) {
        if (sw_unsent_bytes(peer->unsent) > (uint64_t)broker->options->replies_bytes)
            return EAGAIN;
        if (!sw_unsent_count(&peer->unsent, out))
            return ENOMEM;
    }
    return sw_message_send(peer->side->socket, out);
}

/* Sends to a peer, or finds that it is not there or does not read. */
static bool send_now(sw_broker *broker, sw_peer *peer, sw_message *out, bool built)
{
    sw_side *side = peer->side;
    sw_loop_drained(broker->loop, side->socket, false);
    int failure = built ? try_send(broker, peer, out) : ENOMEM;
    if (failure == 0)
        return true;
    sw_message_close(out);
    if (peer->broken)
        return false;
    if (failure == EAGAIN) {
        broker->clients_cut_off += side->is_frontend;
        sw_side_cut(side, peer);
    }
    if (broker->broken_count == broker->broken_room) {
        size_t room = broker->broken_room == 0 ? 16 : broker->broken_room * 2;
        sw_peer **grown = realloc(broker->broken, room * sizeof(sw_peer *));
        if (grown == NULL)
            return false;
        broker->broken = grown;
        broker->broken_room = room;
    }
    peer->broken = true;
    broker->broken[broker->broken_count++] = peer;
    return false;
}

static bool address_to(sw_message *out, const sw_peer *peer)
{
    out->count = 0;
    return sw_message_add(out, peer->id, peer->id_size);
}

static void send_batch(sw_broker *broker, sw_peer *peer)
{
    sw_message out;
    if (peer->batch.count == 0)
        return;
    bool built = address_to(&out, peer) && sw_batch_take(&peer->batch, &out.frames[1]);
    out.count += built;
    sw_batch_clear(&peer->batch);
    send_now(broker, peer, &out, built);
}

/* What was put aside for it goes first. */
static bool send_to(sw_broker *broker, sw_peer *peer, sw_message *out, bool built)
{
    send_batch(broker, peer);
    return send_now(broker, peer, out, built);
}

/* Compact messages without a frame of their own are put aside until the end of the round. */
static bool send_compact(sw_broker *broker, sw_peer *peer, sw_compact *compact, const sw_body *body)
{
    sw_view payload = body == NULL ? (sw_view){0} : body->payload;
    if (body != NULL)
        compact->header = body->header;
    size_t size = peer->broken ? 0 : sw_compact_size(compact, payload.size);
    uint8_t *at = size == 0 ? NULL : sw_batch_append(&peer->batch, size);
    if (at == NULL) {
        sw_message out;
        bool built = address_to(&out, peer) && add_compact(&out, compact, body);
        return send_to(broker, peer, &out, built);
    }
    at = sw_compact_write(compact, at);
    if (payload.size > 0)
        memcpy(at, payload.data, payload.size);
    if (peer->batch.size > SW_BATCH_FULL)
        send_batch(broker, peer);
    else if (!peer->waiting) {
        peer->waiting = true;
        peer->next_waiting = broker->waiting;
        broker->waiting = peer;
    }
    return true;
}

static void send_batches(sw_broker *broker)
{
    for (sw_peer *peer; (peer = broker->waiting) != NULL;) {
        broker->waiting = peer->next_waiting;
        peer->waiting = false;
        send_batch(broker, peer);
    }
}

/* --- to clients --- */

static bool add_client_head(sw_message *out, bool final, sw_view service)
{
    return add_text(out, SW_MDP_CLIENT) && add_byte(out, final ? CLIENT_FINAL : CLIENT_PARTIAL) &&
           add_view(out, service);
}

static void send_answer(sw_broker *broker, const sw_action *action, sw_answer answer)
{
    sw_peer *peer = action->peer;
    sw_reply_header header;
    char text[SW_ANSWER_TEXT_SIZE];
    uint8_t bytes[SW_ANSWER_TEXT_SIZE * 2];
    sw_view quoted = sw_auth_reason(broker, peer, answer, action->service);
    sw_answer_fill(answer, action->call_id, action->queue_us, quoted, text, &header);
    size_t size = sw_reply_header_encode(&header, bytes, sizeof(bytes));
    sw_view view = {(const char *)bytes, size < sizeof(bytes) ? size : 0};
    if (action->framing == SW_FRAMING_COMPACT) {
        sw_compact compact = {.command = SW_COMPACT_FINAL, .tag = action->call_id, .header = view};
        send_compact(broker, peer, &compact, NULL);
        return;
    }
    sw_message out;
    bool built = address_to(&out, peer) && add_client_head(&out, true, action->service) &&
                 add_view(&out, view) && sw_message_add(&out, NULL, 0);
    send_to(broker, peer, &out, built);
}

/* The received frames with another identity and tag: nothing is copied. For a large payload, which is in no batch. */
static void pass_on(sw_broker *broker, const sw_action *action, sw_live *live)
{
    sw_peer *peer = action->peer;
    sw_message *message = &live->message;
    zmq_msg_close(&message->frames[0]);
    bool built = zmq_msg_init_size(&message->frames[0], peer->id_size) == 0;
    if (built)
        memcpy(zmq_msg_data(&message->frames[0]), peer->id, peer->id_size);
    else
        zmq_msg_init(&message->frames[0]);
    sw_compact_set_tag(zmq_msg_data(&message->frames[1]), action->call_id);
    send_to(broker, peer, message, built);
}

/* A plain worker's reply to an RPC call must be what an RPC worker's is. */
static bool is_rpc_reply(const sw_body *body)
{
    sw_reply_header header;
    return body->framing != SW_FRAMING_PLAIN ||
           (body->count == 2 && sw_reply_header_decode(body->header.data, body->header.size, &header));
}

static void send_reply(sw_broker *broker, const sw_action *action)
{
    sw_peer *peer = action->peer;
    sw_body *body = action->body;
    bool compact_both = action->framing == SW_FRAMING_COMPACT && body->framing == SW_FRAMING_COMPACT;
    if (compact_both && body->payload_frame >= 0) {
        pass_on(broker, action, (sw_live *)body);
        return;
    }
    if (action->framing != SW_FRAMING_PLAIN && !is_rpc_reply(body)) {
        broker->malformed_frames++;
        if (action->final)
            send_answer(broker, action, SW_ANSWER_BAD_REPLY);
        return;
    }
    if (action->framing == SW_FRAMING_COMPACT) {
        sw_compact compact = {.command = action->final ? SW_COMPACT_FINAL : SW_COMPACT_PARTIAL,
                              .tag = action->call_id};
        send_compact(broker, peer, &compact, body);
        return;
    }
    sw_message out;
    bool built = address_to(&out, peer) && add_client_head(&out, action->final, action->service);
    if (body->framing == SW_FRAMING_COMPACT)
        built = built && add_view(&out, body->header) && add_payload(&out, body);
    for (uint8_t i = 0; body->framing != SW_FRAMING_COMPACT && i < body->count; i++)
        built = built && add_frame(&out, &body->frames[i]);
    send_to(broker, peer, &out, built);
}

void sw_send_management(sw_broker *broker, sw_peer *peer, sw_view service, const char *code, const char *more)
{
    sw_message out;
    bool built = address_to(&out, peer) && add_client_head(&out, true, service) && add_text(&out, code) &&
                 (more == NULL || add_text(&out, more));
    send_to(broker, peer, &out, built);
}

/* --- to workers --- */

static bool add_worker_head(sw_message *out, int command)
{
    return add_text(out, SW_MDP_WORKER) && add_byte(out, command);
}

static size_t write_handover(sw_broker *broker, const sw_action *action, uint8_t to[HANDOVER_MAX])
{
    sw_handover handover = {.queue_us = action->queue_us, .time_left_ms = action->time_left_ms};
    sw_auth_hand_over(broker, action->caller, &handover);
    return sw_handover_encode(&handover, to, HANDOVER_MAX);
}

/* False if it could not be sent; the body is whole then. */
static bool send_request(sw_broker *broker, const sw_action *action)
{
    sw_peer *peer = action->peer;
    sw_body *body = action->body;
    uint8_t bytes[HANDOVER_MAX];
    sw_view handover = {(const char *)bytes, action->rpc ? write_handover(broker, action, bytes) : 0};
    if (action->framing == SW_FRAMING_COMPACT) {
        sw_compact compact = {.command = SW_COMPACT_REQUEST, .tag = action->route, .handover = handover};
        return send_compact(broker, peer, &compact, body);
    }
    sw_message out;
    bool built =
        address_to(&out, peer) && add_worker_head(&out, WORKER_REQUEST) && add_address(&out, action->route);
    if (body->framing != SW_FRAMING_PLAIN)
        built = built && add_view(&out, body->header) && add_payload(&out, body);
    for (uint8_t i = 0; body->framing == SW_FRAMING_PLAIN && i < body->count; i++)
        built = built && add_frame(&out, &body->frames[i]);
    built = built && (!action->rpc || add_view(&out, handover));
    return send_to(broker, peer, &out, built);
}

static void send_command(sw_broker *broker, const sw_action *action)
{
    sw_peer *peer = action->peer;
    bool cancel = action->kind == SW_ACTION_CANCEL;
    uint8_t bytes[64];
    sw_call_header header = {.call_id = action->call_id, .credit = action->credit};
    sw_view view = {(const char *)bytes, cancel ? 0 : sw_call_header_encode(&header, bytes, sizeof(bytes))};
    if (action->framing == SW_FRAMING_COMPACT) {
        sw_compact compact = {
            .command = cancel ? SW_COMPACT_CANCEL : SW_COMPACT_CREDIT, .tag = action->route, .header = view};
        send_compact(broker, peer, &compact, NULL);
        return;
    }
    sw_message out;
    bool built = address_to(&out, peer) && add_worker_head(&out, cancel ? WORKER_CANCEL : WORKER_CREDIT) &&
                 add_address(&out, action->route) && (cancel || add_view(&out, view));
    send_to(broker, peer, &out, built);
}

static void send_plain(sw_broker *broker, sw_peer *peer, int command)
{
    sw_message out;
    bool built = address_to(&out, peer) && add_worker_head(&out, command);
    send_to(broker, peer, &out, built);
}

void sw_send_disconnect(sw_broker *broker, sw_peer *peer)
{
    send_plain(broker, peer, WORKER_DISCONNECT);
}

/* --- all of them --- */

static void to_worker(sw_broker *broker, const sw_action *action)
{
    sw_peer *peer = action->peer;
    if (action->kind == SW_ACTION_REQUEST && (peer->broken || !send_request(broker, action))) {
        /* A live body would keep its buffer while the call waits again. */
        sw_body *body = action->body, *packed = body->live ? sw_body_pack(&broker->pool, body) : body;
        sw_core_undelivered(broker->core, action->route, packed == NULL ? body : packed, broker->now_us);
        return;
    }
    if (action->kind == SW_ACTION_CANCEL || action->kind == SW_ACTION_CREDIT)
        send_command(broker, action);
    else if (action->kind == SW_ACTION_HEARTBEAT)
        send_plain(broker, peer, WORKER_HEARTBEAT);
    else if (action->kind == SW_ACTION_DISCONNECT) {
        peer->number = SW_NONE;
        send_plain(broker, peer, WORKER_DISCONNECT);
    }
    sw_body_free(&broker->pool, action->body);
}

static void carry_out(sw_broker *broker, const sw_action *action)
{
    bool local = action->kind >= SW_ACTION_REQUEST && action->peer == &broker->self;
    if (local)
        sw_self_carry_out(&broker->self, action);
    else if (action->peer == &broker->auth)
        sw_auth_answered(broker, action);
    else if (action->kind >= SW_ACTION_REQUEST) {
        to_worker(broker, action);
        return;
    } else if (action->kind == SW_ACTION_REPLY)
        send_reply(broker, action);
    else if (action->kind == SW_ACTION_ANSWER)
        send_answer(broker, action, action->answer);
    sw_body_free(&broker->pool, action->body);
}

void sw_broker_flush(sw_broker *broker)
{
    sw_action action;
    do {
        while (sw_core_next_action(broker->core, &action))
            carry_out(broker, &action);
        send_batches(broker);
        /* What follows from a broken peer comes after what was meant for it. */
        while (broker->broken_count > 0) {
            sw_peer *peer = broker->broken[--broker->broken_count];
            peer->broken = false;
            if (peer->side->is_frontend)
                sw_frontend_lost(broker, peer);
            else
                sw_backend_lost(broker, peer);
        }
    } while (broker->broken_count > 0 || sw_core_has_actions(broker->core));
}
