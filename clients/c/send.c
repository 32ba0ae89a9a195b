/* Sending calls and what concerns them, see send.h. */
#include "c/send.h"
#include "c/encode.h"
#include "wire/mdp.h"

#include <string.h>

/* a call that leaves later than this after its start gets its time left anew */
#define STALE_US 2000

/* --- Messages --- */

/* Shares the frame's content: the caller keeps the frame for another try. */
static bool share(sw_message *message, const zmq_msg_t *frame)
{
    zmq_msg_t copy;
    zmq_msg_init(&copy);
    bool shared = zmq_msg_copy(&copy, (zmq_msg_t *)frame) == 0 && sw_message_move(message, &copy);
    zmq_msg_close(&copy);
    return shared;
}

static bool send_shared(sw_sender *sender, const zmq_msg_t *frame, const zmq_msg_t *payload)
{
    sw_message message;
    message.count = 0;
    if (share(&message, frame) && (payload == NULL || share(&message, payload)))
        return sw_link_send(sender->link, &message);
    sw_message_close(&message);
    return false;
}

static bool add_mdp(sw_message *message, uint8_t command, const sw_call_header *header)
{
    sw_view service = header->destination.size > 0 ? header->destination : sw_method_service(header->method);
    return sw_message_add(message, SW_MDP_CLIENT, strlen(SW_MDP_CLIENT)) &&
           sw_message_add(message, &command, 1) && sw_message_add(message, service.data, service.size);
}

static bool send_mdp(sw_sender *sender, const sw_pending_call *call)
{
    sw_compact compact;
    sw_call_header header;
    sw_pending_decode(call, &compact, &header);
    sw_message message = {.count = 0};
    bool good = add_mdp(&message, SW_MDP_CLIENT_REQUEST, &header) &&
                sw_message_add(&message, compact.header.data, compact.header.size);
    if (good && call->has_payload)
        good = share(&message, &call->payload);
    else if (good)
        good = sw_message_add(&message, compact.payload.data, compact.payload.size);
    if (good)
        return sw_link_send(sender->link, &message);
    sw_message_close(&message);
    return false;
}

/* --- Batches --- */

/* False if there is no room: the batch stays, and a later flush sends it. */
static bool send_batch(sw_sender *sender)
{
    if (!sender->frame_waits && sender->batch.count > 0)
        sender->frame_waits = sw_batch_take(&sender->batch, &sender->frame);
    if (!sender->frame_waits)
        return sender->batch.count == 0;
    if (!send_shared(sender, &sender->frame, NULL))
        return false;
    zmq_msg_close(&sender->frame);
    sender->frame_waits = false;
    return true;
}

static bool add_to_batch(sw_sender *sender, zmq_msg_t *frame)
{
    sw_batch *batch = &sender->batch;
    if (batch->size > SW_BATCH_FULL && !send_batch(sender))
        return false;
    uint8_t *at = sw_batch_append(batch, zmq_msg_size(frame));
    if (at != NULL)
        memcpy(at, zmq_msg_data(frame), zmq_msg_size(frame));
    return at != NULL;
}

void sw_sender_reset(sw_sender *sender)
{
    if (sender->frame_waits)
        zmq_msg_close(&sender->frame);
    sender->frame_waits = false;
    sw_batch_clear(&sender->batch);
    sender->compact = false;
}

/* --- Calls --- */

static bool send_call(sw_sender *sender, sw_pending_call *call, int64_t now_us)
{
    bool stale = call->tries > 0 || call->credited || now_us - call->started_us > STALE_US;
    call->tries++;
    if (stale && !sw_pending_encode_again(call, now_us))
        return false;
    if (!sender->compact)
        return send_mdp(sender, call);
    if (!call->has_payload)
        return add_to_batch(sender, &call->frame);
    return send_batch(sender) && send_shared(sender, &call->frame, &call->payload);
}

void sw_sender_flush(sw_sender *sender, int64_t now_us)
{
    sw_pending_call *next = sender->calls->waiting.first;
    bool sends = sender->link->state == SW_LINK_UP && !sender->link->held;
    for (sw_pending_call *call; sends && (call = next) != NULL;) {
        next = call->next;
        if (call->cancelled)
            continue; /* it ends soon */
        if (!send_call(sender, call, now_us)) {
            call->tries--;
            break; /* no room or no memory: it goes on waiting, until its deadline at the latest */
        }
        call->sent_us = now_us;
        sw_pending_move(sender->calls, call, SW_PENDING_SENT);
    }
    if (sender->link->dealer != NULL)
        send_batch(sender);
}

/* --- Commands --- */

static void send_command(sw_sender *sender, const sw_pending_call *call, sw_compact_command command,
                         uint32_t credit)
{
    sw_compact compact;
    sw_call_header sent;
    sw_pending_decode(call, &compact, &sent);
    sw_call_header header = {.method = sent.method,
                             .destination = sent.destination,
                             .call_id = sw_pending_tag(call),
                             .credit = credit};
    uint8_t bytes[SW_HEADER_MAX];
    sw_view view = {(const char *)bytes, sw_call_header_encode(&header, bytes, sizeof(bytes))};
    if (!send_batch(sender))
        return; /* the call itself has not left: its deadline ends it on both sides */
    sw_message message;
    message.count = 0;
    if (sender->compact) {
        sw_compact out = {.command = command, .tag = header.call_id, .header = view};
        message.count = sw_compact_encode(&out, &message.frames[0]);
        if (message.count > 0)
            sw_link_send(sender->link, &message);
        return;
    }
    if (add_mdp(&message, command == SW_COMPACT_CANCEL ? SW_MDP_CLIENT_CANCEL : SW_MDP_CLIENT_CREDIT,
                &header) &&
        sw_message_add(&message, view.data, view.size))
        sw_link_send(sender->link, &message);
    sw_message_close(&message);
}

void sw_sender_cancel(sw_sender *sender, const sw_pending_call *call)
{
    send_command(sender, call, SW_COMPACT_CANCEL, 0);
}

void sw_sender_credit(sw_sender *sender, const sw_pending_call *call, uint32_t messages)
{
    send_command(sender, call, SW_COMPACT_CREDIT, messages);
}

void sw_sender_ask_framing(sw_sender *sender)
{
    sw_message message = {.count = 0};
    const uint8_t command = SW_MDP_CLIENT_REQUEST;
    if (sw_message_add(&message, SW_MDP_CLIENT, strlen(SW_MDP_CLIENT)) &&
        sw_message_add(&message, &command, 1) &&
        sw_message_add(&message, SW_MMI_FRAMING, strlen(SW_MMI_FRAMING)) && sw_message_add(&message, "", 0))
        sw_link_send(sender->link, &message);
    sw_message_close(&message);
}
