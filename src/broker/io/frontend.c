/* What clients say, turned into events of the core. */
#include "broker/io/broker.h"

#include <string.h>

#define BATCH 1024 /* messages read in a round */

/* What waits for verdicts; beyond that a call is answered at once, as unchecked. */
#define HELD_MAX       1000
#define HELD_BYTES_MAX (16 << 20)

enum { IDENTITY, PROTOCOL, COMMAND, SERVICE, BODY }; /* frames of an MDP message */
enum { MDP_REQUEST = 0x01, MDP_CANCEL = 0x10, MDP_CREDIT = 0x11 };

static void refuse(sw_broker *broker, const sw_core_request *request, sw_answer answer)
{
    sw_core_refuse(broker->core, request, answer);
}

/* The header has been decoded: who shall answer, for how long. */
static void request_in(sw_broker *broker, const sw_peer *peer, sw_core_request *request,
                       const sw_call_header *header, sw_view called)
{
    sw_answer refusal = sw_auth_judge(broker, peer, called, request->service);
    if (refusal != SW_ANSWER_NONE) {
        refuse(broker, request, refusal);
        return;
    }
    int64_t left_ms = (int64_t)header->time_left_ms - broker->held.late_ms;
    request->time_left_ms = header->time_left_ms == 0 ? 0 : left_ms > 1 ? (uint32_t)left_ms : 1;
    request->credit = header->credit;
    uint64_t route = sw_core_request_in(broker->core, request, broker->now_us);
    if (route == 0)
        return;
    sw_body *packed = sw_body_pack(&broker->pool, request->body);
    if (packed != NULL)
        sw_core_hold(broker->core, route, packed);
}

static void set_payload_frame(sw_body *body, zmq_msg_t *frame)
{
    body->frames = frame;
    body->count = 1;
    body->payload_frame = 0;
    body->payload = (sw_view){zmq_msg_data(frame), zmq_msg_size(frame)};
}

/* --- compact framing --- */

static void compact_request(sw_broker *broker, const sw_peer *peer, sw_live *live, sw_core_request *request)
{
    sw_call_header header;
    sw_body *body = &live->body;
    bool good = sw_call_header_decode(body->header.data, body->header.size, &header);
    sw_view service = good ? sw_method_service(header.method) : (sw_view){0};
    request->service = good && header.destination.size > 0 ? header.destination : service;
    if (!good)
        refuse(broker, request, SW_ANSWER_BAD_HEADER);
    else if (request->call_id == 0 || (header.call_id != 0 && header.call_id != request->call_id))
        refuse(broker, request, SW_ANSWER_BAD_CALL_ID);
    else if (service.size == 0)
        refuse(broker, request, SW_ANSWER_BAD_METHOD);
    else if (request->bytes > (size_t)broker->options->message_max)
        refuse(broker, request, SW_ANSWER_TOO_LARGE);
    else
        request_in(broker, peer, request, &header, service);
}

/* Each function of this kind returns NULL, or what is wrong with a message that it did not take over. */
static const char *read_compact(sw_broker *broker, sw_peer *peer, sw_live *live, sw_view frame)
{
    sw_compact compact;
    const sw_message *message = &live->message;
    if (!sw_compact_decode(frame.data, frame.size, &compact) || compact.handover.size > 0)
        return "a broken compact frame";
    if (message->count != (compact.payload_follows ? 3 : 2))
        return "a compact message with the wrong number of frames";
    sw_call_header header;
    switch (compact.command) {
    case SW_COMPACT_CANCEL:
        sw_core_cancel(broker->core, peer->number, compact.tag, broker->now_us);
        sw_body_free(&broker->pool, &live->body);
        return NULL;
    case SW_COMPACT_CREDIT:
        if (!sw_call_header_decode(compact.header.data, compact.header.size, &header))
            return "a CREDIT without a CallHeader";
        sw_core_credit(broker->core, peer->number, compact.tag, header.credit, broker->now_us);
        sw_body_free(&broker->pool, &live->body);
        return NULL;
    case SW_COMPACT_REQUEST:
        break;
    default:
        return "a command that clients do not send";
    }
    sw_body *body = &live->body;
    body->header = compact.header;
    body->payload = compact.payload;
    body->count = 0;
    body->payload_frame = -1;
    body->framing = SW_FRAMING_COMPACT;
    if (compact.payload_follows)
        set_payload_frame(body, &live->message.frames[2]);
    sw_core_request request = {.client = peer->number,
                               .framing = SW_FRAMING_COMPACT,
                               .call_id = compact.tag,
                               .body = body,
                               .bytes = body->header.size + body->payload.size};
    compact_request(broker, peer, live, &request);
    return NULL;
}

/* Each message of a batch is read as if it had come alone; all share the frame. */
static const char *read_batch(sw_broker *broker, sw_peer *peer, sw_live *live)
{
    sw_view rest = sw_message_view(&live->message, 1), frame;
    for (; sw_batch_next(&rest, &frame); broker->read++) {
        sw_live *part = sw_pool_share(&broker->pool, live);
        const char *wrong =
            part == NULL ? "a message for which there is no memory" : read_compact(broker, peer, part, frame);
        if (wrong == NULL)
            continue;
        sw_broker_malformed(broker, peer, wrong);
        sw_body_free(&broker->pool, part == NULL ? NULL : &part->body);
    }
    if (rest.data == NULL)
        return "a broken batch";
    sw_body_free(&broker->pool, &live->body);
    return NULL;
}

/* --- MDP framing --- */

static void manage(sw_broker *broker, sw_peer *peer, sw_view service, sw_view body)
{
    bool framing = sw_view_equal(service, SW_VIEW("mmi.framing"));
    if (!framing && sw_auth_judge(broker, peer, service, service) != SW_ANSWER_NONE)
        sw_send_management(broker, peer, service, "401", NULL);
    else if (sw_view_equal(service, SW_VIEW("mmi.service")))
        sw_send_management(broker, peer, service, sw_core_is_serving(broker->core, body) ? "200" : "404",
                           NULL);
    else if (framing)
        sw_send_management(broker, peer, service, "200", "SW1");
    else
        sw_send_management(broker, peer, service, "501", NULL);
}

static const char *mdp_request(sw_broker *broker, sw_peer *peer, sw_live *live)
{
    sw_message *message = &live->message;
    sw_view service = sw_message_view(message, SERVICE);
    if (message->count <= BODY)
        return "a REQUEST without a body";
    if (service.size == 0 || service.size > SW_NAME_MAX)
        return "a REQUEST with an empty service name, or one over 255 bytes";
    if (service.size >= 4 && memcmp(service.data, "mmi.", 4) == 0) {
        manage(broker, peer, service, sw_message_view(message, BODY));
        sw_body_free(&broker->pool, &live->body);
        return NULL;
    }
    sw_call_header header;
    sw_view first = sw_message_view(message, BODY);
    bool rpc = message->count == BODY + 2 && sw_call_header_decode(first.data, first.size, &header) &&
               header.method.size > 0 && header.method.data[0] == '/';
    sw_body *body = &live->body;
    sw_core_request request = {.client = peer->number,
                               .framing = rpc ? SW_FRAMING_MDP : SW_FRAMING_PLAIN,
                               .call_id = rpc ? header.call_id : 0,
                               .service = service,
                               .body = body,
                               .bytes = sw_broker_message_size(message)};
    body->framing = (uint8_t)request.framing;
    body->frames = &message->frames[BODY];
    body->count = (uint8_t)(message->count - BODY);
    body->payload_frame = -1;
    if (rpc) {
        body->header = first;
        set_payload_frame(body, &message->frames[BODY + 1]);
    } else {
        header.time_left_ms = header.credit = 0;
    }
    if (request.bytes > (size_t)broker->options->message_max)
        refuse(broker, &request, SW_ANSWER_TOO_LARGE);
    else if (rpc && sw_method_service(header.method).size == 0)
        refuse(broker, &request, SW_ANSWER_BAD_METHOD);
    else
        request_in(broker, peer, &request, &header, rpc ? sw_method_service(header.method) : service);
    return NULL;
}

static const char *read_mdp(sw_broker *broker, sw_peer *peer, sw_live *live)
{
    sw_message *message = &live->message;
    sw_view command = sw_message_view(message, COMMAND);
    if (!sw_view_equal(sw_message_view(message, PROTOCOL), SW_VIEW(SW_MDP_CLIENT)))
        return "neither MDPC02 nor compact framing";
    if (command.size != 1)
        return "a command that is not one byte";
    if (command.data[0] == MDP_REQUEST)
        return mdp_request(broker, peer, live);
    if (command.data[0] != MDP_CANCEL && command.data[0] != MDP_CREDIT)
        return "a command that clients do not send";
    sw_call_header header;
    sw_view view = sw_message_view(message, BODY);
    if (message->count != BODY + 1 || !sw_call_header_decode(view.data, view.size, &header))
        return "a CANCEL or CREDIT without a CallHeader";
    if (command.data[0] == MDP_CANCEL)
        sw_core_cancel(broker->core, peer->number, header.call_id, broker->now_us);
    else
        sw_core_credit(broker->core, peer->number, header.call_id, header.credit, broker->now_us);
    sw_body_free(&broker->pool, &live->body);
    return NULL;
}

/* --- the socket --- */

void sw_frontend_lost(sw_broker *broker, sw_peer *peer)
{
    sw_frontend_drop(broker, peer);
    sw_core_client_lost(broker->core, peer->number, broker->now_us);
    peer->number = SW_NONE;
}

/* The client that spoke, known to the core from now on; NULL if it is not heard. */
static sw_peer *find_client(sw_broker *broker, sw_side *side, sw_message *message)
{
    sw_peer *displaced, *peer;
    while ((peer = sw_side_peer(side, &message->frames[0], &message->frames[1], &displaced)) == NULL) {
        if (displaced == NULL)
            return NULL;
        sw_frontend_lost(broker, displaced);
        sw_broker_flush(broker); /* before the peer's memory is another's */
        sw_side_forget(side, displaced);
    }
    if (peer->cut)
        return NULL;
    if (!peer->met)
        sw_auth_meet(broker, peer);
    if (peer->number == SW_NONE)
        peer->number = sw_core_client_open(broker->core, peer);
    if (peer->number == SW_NONE)
        sw_broker_malformed(broker, peer, "one client too many");
    return peer->number == SW_NONE ? NULL : peer;
}

static void read_message(sw_broker *broker, sw_peer *peer, sw_live *live)
{
    sw_message *message = &live->message;
    const char *wrong;
    if (message->overflow || message->count > SW_FRAMES_MAX + 1)
        wrong = "more than 16 frames";
    else if (sw_batch_is(sw_message_view(message, 1)))
        wrong = read_batch(broker, peer, live);
    else if (sw_compact_is(zmq_msg_data(&message->frames[1]), zmq_msg_size(&message->frames[1])))
        wrong = read_compact(broker, peer, live, sw_message_view(message, 1));
    else
        wrong = read_mdp(broker, peer, live);
    if (wrong == NULL)
        return;
    sw_broker_malformed(broker, peer, wrong);
    sw_body_free(&broker->pool, &live->body);
}

/* --- those who wait for a verdict --- */

static void keep(sw_broker *broker, sw_live *live)
{
    live->next = NULL;
    *(broker->held.last == NULL ? &broker->held.first : &broker->held.last->next) = live;
    broker->held.last = live;
    broker->held.count++;
    broker->held.bytes += sw_broker_message_size(&live->message);
}

static sw_live *take_held(sw_broker *broker)
{
    sw_live *first = broker->held.first;
    broker->held.first = broker->held.last = NULL;
    broker->held.count = broker->held.bytes = 0;
    return first;
}

/* A key that has been quiet for long is asked about with its first call, which waits for the answer. */
static bool hold(sw_broker *broker, sw_peer *peer, sw_live *live)
{
    if (!sw_auth_is_pending(broker, peer) || broker->held.count >= HELD_MAX ||
        broker->held.bytes + sw_broker_message_size(&live->message) > HELD_BYTES_MAX)
        return false;
    live->from = peer;
    live->held_us = broker->now_us;
    keep(broker, live);
    return true;
}

void sw_frontend_drop(sw_broker *broker, const sw_peer *peer)
{
    sw_live *live = take_held(broker), *next;
    for (; live != NULL; live = next) {
        next = live->next;
        if (peer == NULL || live->from == peer)
            sw_body_free(&broker->pool, &live->body);
        else
            keep(broker, live);
    }
}

bool sw_frontend_read(sw_broker *broker, sw_side *side)
{
    for (uint64_t end = broker->read + BATCH; broker->read < end; broker->read++) {
        sw_live *live = sw_pool_take(&broker->pool);
        if (live == NULL || sw_message_recv(side->socket, &live->message) != 0) {
            sw_body_free(&broker->pool, live == NULL ? NULL : &live->body);
            return false;
        }
        sw_message *message = &live->message;
        sw_peer *peer = message->count < 2 ? NULL : find_client(broker, side, message);
        if (peer == NULL)
            sw_body_free(&broker->pool, &live->body);
        else if (!hold(broker, peer, live))
            read_message(broker, peer, live);
    }
    return true;
}

bool sw_frontend_release(sw_broker *broker)
{
    bool any = false;
    sw_live *live = take_held(broker), *next;
    for (; live != NULL; live = next) {
        next = live->next;
        if (live->from->cut) {
            sw_body_free(&broker->pool, &live->body);
        } else if (sw_auth_is_pending(broker, live->from)) {
            keep(broker, live);
        } else {
            broker->held.late_ms = (broker->now_us - live->held_us) / 1000;
            read_message(broker, live->from, live);
            broker->held.late_ms = 0;
            any = true;
        }
    }
    return any;
}
