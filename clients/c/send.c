/* What a client sends: calls, CANCEL and CREDIT, in compact framing or MDP/0.2 (docs/protocol.md, 1, 2 and
 * 6). Used by call.c, client.c and outcome.c. */
#include "c/core.h"

#include <string.h>

#define COMMAND_REQUEST 0x01
#define COMMAND_CANCEL  0x10
#define COMMAND_CREDIT  0x11
#define STAMP_US        2000 /* a call sent later than this after its start gets its time left anew */

/* The broker's answer about the end of the time shall still arrive: it knows where the time went. */
uint32_t sw_flight_time_left_ms(const sw_flight *flight, int64_t now_us)
{
    int64_t left = (flight->deadline_us - now_us) / 1000;
    int64_t margin = left / 10 < 25 ? left / 10 : 25;
    left -= margin;
    return left < 1 ? 1 : left > UINT32_MAX ? UINT32_MAX : (uint32_t)left;
}

sw_code sw_flight_encode(sw_flight *flight, const sw_call_header *header, sw_view payload, sw_error *error)
{
    uint8_t bytes[SW_HEADER_MAX];
    size_t size = sw_call_header_encode(header, bytes, sizeof(bytes));
    if (size > sizeof(bytes))
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "metadata",
                             "the call's header has %zu bytes; at most %d fit: shorten the metadata", size,
                             SW_HEADER_MAX);
    sw_compact compact = {.command = SW_COMPACT_REQUEST,
                          .tag = header->call_id,
                          .header = {(const char *)bytes, size},
                          .payload = payload,
                          .payload_follows = flight->has_payload};
    zmq_msg_t frame;
    if (!sw_compact_encode(&compact, &frame))
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    zmq_msg_close(&flight->frame);
    zmq_msg_init(&flight->frame);
    zmq_msg_move(&flight->frame, &frame);
    zmq_msg_close(&frame);
    return SW_OK;
}

/* Our own frame, so decoding cannot fail. Views point into it. */
static void decode(const sw_flight *flight, sw_compact *compact, sw_call_header *header)
{
    zmq_msg_t *frame = (zmq_msg_t *)&flight->frame; /* zmq_msg_data takes no const */
    sw_compact_decode(zmq_msg_data(frame), zmq_msg_size(frame), compact);
    sw_call_header_decode(compact->header.data, compact->header.size, header);
}

/* A later try has another tag, and less time. */
static bool stamp(sw_flight *flight, int64_t now_us)
{
    sw_compact compact;
    sw_call_header header;
    decode(flight, &compact, &header);
    header.call_id = sw_flight_tag(flight);
    header.time_left_ms = sw_flight_time_left_ms(flight, now_us);
    header.credit = flight->credit;
    return sw_flight_encode(flight, &header, compact.payload, NULL) == SW_OK;
}

/* Consumed in any case. */
static bool send_message(sw_client *client, sw_message *message)
{
    sw_dealer *dealer = client->link.dealer;
    if (dealer == NULL) { /* a callback that is told of the loss */
        sw_message_close(message);
        return false;
    }
    client->unread |= dealer->socket != NULL; /* libzmq may swallow the edge that tells of a reply */
    bool sent = sw_dealer_send(dealer, message) == 0;
    sw_message_close(message);
    sw_link_watch(client);
    return sent;
}

/* The content is shared, not copied; it stays with us for another try. */
static bool share(sw_message *message, const zmq_msg_t *frame)
{
    zmq_msg_t copy;
    zmq_msg_init(&copy);
    bool shared = zmq_msg_copy(&copy, (zmq_msg_t *)frame) == 0 && sw_message_move(message, &copy);
    zmq_msg_close(&copy);
    return shared;
}

static bool send_shared(sw_client *client, const zmq_msg_t *frame, const zmq_msg_t *payload)
{
    sw_message message;
    message.count = 0;
    if (share(&message, frame) && (payload == NULL || share(&message, payload)))
        return send_message(client, &message);
    sw_message_close(&message);
    return false;
}

static bool add_mdp(sw_message *message, uint8_t command, const sw_call_header *header)
{
    sw_view service = header->destination.size > 0 ? header->destination : sw_method_service(header->method);
    return sw_message_add(message, SW_MDP_CLIENT, strlen(SW_MDP_CLIENT)) &&
           sw_message_add(message, &command, 1) && sw_message_add(message, service.data, service.size);
}

static bool send_mdp(sw_client *client, const sw_flight *flight)
{
    sw_compact compact;
    sw_call_header header;
    decode(flight, &compact, &header);
    sw_message message = {.count = 0};
    bool good = add_mdp(&message, COMMAND_REQUEST, &header) &&
                sw_message_add(&message, compact.header.data, compact.header.size);
    if (good && flight->has_payload)
        good = share(&message, &flight->payload);
    else if (good)
        good = sw_message_add(&message, compact.payload.data, compact.payload.size);
    if (!good) {
        sw_message_close(&message);
        return false;
    }
    return send_message(client, &message);
}

/* False if there is no room: the batch stays, and is sent by a later flush. */
static bool send_batch(sw_client *client)
{
    sw_link *link = &client->link;
    if (!link->frame_waits && link->batch.count > 0)
        link->frame_waits = sw_batch_take(&link->batch, &link->frame);
    if (!link->frame_waits)
        return link->batch.count == 0;
    if (!send_shared(client, &link->frame, NULL))
        return false;
    zmq_msg_close(&link->frame);
    link->frame_waits = false;
    return true;
}

/* Puts an encoded call aside until the end of the flush. */
static bool put_aside(sw_client *client, zmq_msg_t *frame)
{
    sw_batch *batch = &client->link.batch;
    if (batch->size > SW_BATCH_FULL && !send_batch(client))
        return false;
    uint8_t *at = sw_batch_append(batch, zmq_msg_size(frame));
    if (at != NULL)
        memcpy(at, zmq_msg_data(frame), zmq_msg_size(frame));
    return at != NULL;
}

static bool send_call(sw_client *client, sw_flight *flight, int64_t now_us)
{
    bool stale = flight->tries > 0 || flight->credited || now_us - flight->started_us > STAMP_US;
    flight->tries++;
    if (stale && !stamp(flight, now_us))
        return false;
    if (!client->link.compact)
        return send_mdp(client, flight);
    if (!flight->has_payload)
        return put_aside(client, &flight->frame);
    return send_batch(client) && send_shared(client, &flight->frame, &flight->payload);
}

void sw_client_flush(sw_client *client, int64_t now_us)
{
    sw_flight *next = client->waiting.first;
    for (sw_flight *flight; client->link.state == SW_LINK_UP && (flight = next) != NULL;) {
        next = flight->next;
        if (flight->cancelled)
            continue; /* its end is near */
        if (!send_call(client, flight, now_us)) {
            flight->tries--;
            break; /* no room or no memory: it goes on waiting, until its deadline at the latest */
        }
        flight->sent_us = now_us;
        sw_flight_move(client, flight, SW_FLIGHT_SENT);
    }
    if (client->link.dealer != NULL)
        send_batch(client);
}

static void send_command(sw_client *client, const sw_flight *flight, sw_compact_command command,
                         uint32_t credit)
{
    sw_compact compact;
    sw_call_header call;
    decode(flight, &compact, &call);
    sw_call_header header = {.method = call.method,
                             .destination = call.destination,
                             .call_id = sw_flight_tag(flight),
                             .credit = credit};
    uint8_t bytes[SW_HEADER_MAX];
    sw_view view = {(const char *)bytes, sw_call_header_encode(&header, bytes, sizeof(bytes))};
    if (!send_batch(client))
        return; /* the call has not left: its deadline ends it on both sides */
    sw_message message;
    message.count = 0;
    if (client->link.compact) {
        sw_compact out = {.command = command, .tag = header.call_id, .header = view};
        message.count = sw_compact_encode(&out, &message.frames[0]);
        if (message.count > 0)
            send_message(client, &message);
        return;
    }
    if (add_mdp(&message, command == SW_COMPACT_CANCEL ? COMMAND_CANCEL : COMMAND_CREDIT, &header) &&
        sw_message_add(&message, view.data, view.size))
        send_message(client, &message);
    sw_message_close(&message);
}

void sw_flight_send_cancel(sw_client *client, const sw_flight *flight)
{
    send_command(client, flight, SW_COMPACT_CANCEL, 0);
}

void sw_flight_send_credit(sw_client *client, const sw_flight *flight, uint32_t messages)
{
    send_command(client, flight, SW_COMPACT_CREDIT, messages);
}

void sw_client_ask_framing(sw_client *client)
{
    sw_message message = {.count = 0};
    const uint8_t command = COMMAND_REQUEST;
    if (sw_message_add(&message, SW_MDP_CLIENT, strlen(SW_MDP_CLIENT)) &&
        sw_message_add(&message, &command, 1) &&
        sw_message_add(&message, "mmi.framing", strlen("mmi.framing")) && sw_message_add(&message, "", 0))
        send_message(client, &message);
    sw_message_close(&message);
}
