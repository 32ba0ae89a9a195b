/* Actions of the core, and to whom they go: a peer, the broker's own services, or the broker as
 * a client. */
#include "broker/io/carry_out.h"

#include "broker/io/answer.h"
#include "broker/io/send.h"

void sw_broker_lost(sw_broker *broker, sw_peer *peer)
{
    if (peer->side->is_frontend) {
        sw_held_drop(&broker->held, &broker->pool, peer);
        sw_core_client_lost(broker->core, peer->number, broker->now_us);
    } else {
        sw_core_worker_lost(broker->core, peer->number, broker->now_us);
    }
    peer->number = SW_NONE;
}

/* --- to clients --- */

static void answer(sw_broker *broker, const sw_action *action, sw_answer answer)
{
    const sw_peer *peer = action->peer;
    sw_view quoted = sw_auth_reason(&broker->auth, &peer->caller, answer, action->service);
    sw_send_answer(&broker->outbox, action, answer, quoted);
}

/* For call_log.h. */
static sw_view caller_of(void *context, const sw_action *action)
{
    const sw_broker *broker = context;
    const sw_peer *peer = action->peer;
    sw_handover handover = {0};
    sw_auth_hand_over(&broker->auth, &peer->caller, &handover, broker->now_us);
    return handover.caller;
}

static void log_end(sw_broker *broker, const sw_action *action, sw_code code)
{
    sw_call_log_end(&broker->calls, action, (uint32_t)code, caller_of, broker, broker->now_us);
}

static void reply(sw_broker *broker, const sw_action *action)
{
    if (action->final)
        log_end(broker, action, SW_OK); /* before the frames are given away */
    if (sw_send_reply(&broker->outbox, action))
        return;
    broker->malformed_frames++;
    if (action->final)
        answer(broker, action, SW_ANSWER_BAD_REPLY);
}

static void to_client(sw_broker *broker, const sw_action *action)
{
    if (action->kind == SW_ACTION_REPLY) {
        reply(broker, action);
    } else if (action->kind == SW_ACTION_ANSWER) {
        log_end(broker, action, sw_answer_code(action->answer));
        answer(broker, action, action->answer);
    }
}

/* The broker is the client: only auth.c calls. */
static void to_broker(sw_broker *broker, const sw_action *action)
{
    const sw_body *body = action->body;
    if (action->kind == SW_ACTION_ANSWER)
        sw_auth_failed(&broker->auth, action->call_id, broker->now_us);
    else if (action->kind == SW_ACTION_REPLY && action->final)
        sw_auth_reply(&broker->auth, action->call_id, body->header, body->payload, broker->now_us);
}

/* --- to workers --- */

static void fill_handover(const sw_broker *broker, const sw_action *action, sw_handover *handover)
{
    const sw_caller *caller =
        action->caller == &broker->auth ? NULL : &((const sw_peer *)action->caller)->caller;
    *handover = (sw_handover){.queue_us = action->queue_us,
                              .time_left_ms = action->time_left_ms,
                              .database = action->database,
                              .timeline = action->timeline};
    sw_auth_hand_over(&broker->auth, caller, handover, broker->now_us);
}

/* The body is the core's again if the call could not be sent. A live one would keep its buffer
 * while it waits. */
static void request(sw_broker *broker, const sw_action *action)
{
    sw_peer *peer = action->peer;
    sw_body *body = action->body;
    sw_handover handover;
    if (action->rpc)
        fill_handover(broker, action, &handover);
    if (!peer->broken && sw_send_request(&broker->outbox, action, &handover)) {
        sw_call_log_request(&broker->calls, action, broker->now_us);
        sw_body_free(&broker->pool, body);
        return;
    }
    sw_body *packed = body->live ? sw_body_pack(&broker->pool, body) : body;
    sw_core_call_undelivered(broker->core, action->route, packed == NULL ? body : packed, broker->now_us);
}

static void to_worker(sw_broker *broker, const sw_action *action)
{
    sw_peer *peer = action->peer;
    if (action->kind == SW_ACTION_REQUEST) {
        request(broker, action);
    } else if (action->kind == SW_ACTION_HEARTBEAT) {
        sw_send_heartbeat(&broker->outbox, peer);
    } else if (action->kind == SW_ACTION_DISCONNECT) {
        peer->number = SW_NONE;
        sw_send_disconnect(&broker->outbox, peer);
    } else {
        sw_send_control(&broker->outbox, action);
    }
}

static void to_local_worker(sw_broker *broker, const sw_action *action)
{
    sw_handover handover;
    if (action->kind == SW_ACTION_REQUEST) {
        fill_handover(broker, action, &handover);
        sw_call_log_request(&broker->calls, action, broker->now_us);
    }
    sw_local_worker_carry_out(&broker->local, action, &handover, broker->now_us);
    sw_body_free(&broker->pool, action->body);
}

/* --- all actions --- */

static void carry_out(sw_broker *broker, const sw_action *action)
{
    bool is_for_worker = action->kind >= SW_ACTION_REQUEST;
    if (is_for_worker && action->peer == &broker->local) {
        to_local_worker(broker, action);
    } else if (is_for_worker) {
        to_worker(broker, action);
    } else {
        if (action->peer == &broker->auth)
            to_broker(broker, action);
        else
            to_client(broker, action);
        sw_body_free(&broker->pool, action->body);
    }
}

void sw_broker_flush(sw_broker *broker)
{
    sw_action action;
    do {
        while (sw_core_next_action(broker->core, &action))
            carry_out(broker, &action);
        sw_outbox_flush(&broker->outbox);
        /* What follows from a broken peer comes after what was meant for it. */
        for (sw_peer *peer; (peer = sw_outbox_next_broken(&broker->outbox)) != NULL;)
            sw_broker_lost(broker, peer);
    } while (sw_core_has_actions(broker->core));
}
