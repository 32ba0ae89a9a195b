/* Requests, cancellations and credit, in both framings (frontend.h). */
#include "broker/io/frontend.h"

#include "broker/io/carry_out.h"
#include "broker/io/reader.h"
#include "broker/io/send.h"
#include <string.h>

#define REQUEST_ID_MAX 128 /* docs/protocol.md, section 3 */

enum { PROTOCOL, COMMAND, SERVICE, BODY }; /* frames of an MDP message */

static void refuse(sw_broker *broker, const sw_core_request *request, sw_answer answer)
{
    sw_core_client_refuse(broker->core, request, answer);
}

/* A request whose header has been decoded. `called` is the service of its method. */
static void request_in(sw_broker *broker, const sw_peer *peer, sw_core_request *request,
                       const sw_call_header *header, sw_view called)
{
    sw_answer refusal = sw_auth_judge(&broker->auth, &peer->caller, called, request->service, broker->now_us);
    if (refusal != SW_ANSWER_NONE) {
        refuse(broker, request, refusal);
        return;
    }
    int64_t left_ms = (int64_t)header->time_left_ms - broker->held_ms;
    request->time_left_ms = header->time_left_ms == 0 ? 0 : left_ms > 1 ? (uint32_t)left_ms : 1;
    request->credit = header->credit;
    request->elsewhere = header->elsewhere;
    uint64_t route = sw_core_client_request(broker->core, request, broker->now_us);
    if (route == 0)
        return;
    sw_body *packed = sw_body_pack(&broker->pool, request->body);
    if (packed != NULL)
        sw_core_call_set_body(broker->core, route, packed);
}

/* --- compact framing --- */

static void compact_request(sw_broker *broker, const sw_peer *peer, sw_received *received,
                            sw_core_request *request)
{
    sw_call_header header;
    sw_body *body = &received->body;
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
    else if (header.request_id.size > REQUEST_ID_MAX)
        refuse(broker, request, SW_ANSWER_BAD_REQUEST_ID);
    else
        request_in(broker, peer, request, &header, service);
}

/* Functions of this kind return NULL, or what is wrong with the message. They consume it only in
 * the first case. */

/* A request is answered, however broken it is: its client waits for that. */
static const char *refuse_broken(sw_broker *broker, sw_peer *peer, sw_received *received, sw_view frame,
                                 const char *wrong)
{
    sw_body *body = &received->body;
    sw_core_request request = {.client = peer->number, .framing = SW_FRAMING_COMPACT, .body = body};
    if (!sw_compact_is_request(frame.data, frame.size, &request.call_id))
        return wrong;
    body->header = body->payload = (sw_view){0};
    body->count = 0;
    body->payload_frame = -1;
    body->framing = SW_FRAMING_COMPACT;
    sw_reader_malformed(broker, peer, wrong);
    refuse(broker, &request, SW_ANSWER_BAD_FRAME);
    return NULL;
}

static const char *read_compact(sw_broker *broker, sw_peer *peer, sw_received *received, sw_view frame)
{
    sw_compact compact;
    const sw_message *message = &received->message;
    if (!sw_compact_decode(frame.data, frame.size, &compact) || compact.handover.size > 0)
        return refuse_broken(broker, peer, received, frame, "a broken compact frame");
    if (message->count != (compact.payload_follows ? 2 : 1))
        return refuse_broken(broker, peer, received, frame,
                             "a compact message with the wrong number of frames");
    sw_call_header header;
    switch (compact.command) {
    case SW_COMPACT_CANCEL:
        sw_core_client_cancel(broker->core, peer->number, compact.tag, broker->now_us);
        sw_body_free(&broker->pool, &received->body);
        return NULL;
    case SW_COMPACT_CREDIT:
        if (!sw_call_header_decode(compact.header.data, compact.header.size, &header))
            return "a CREDIT without a CallHeader";
        sw_core_client_credit(broker->core, peer->number, compact.tag, header.credit, broker->now_us);
        sw_body_free(&broker->pool, &received->body);
        return NULL;
    case SW_COMPACT_REQUEST:
        break;
    default:
        return "a command that clients do not send";
    }
    sw_body *body = &received->body;
    body->header = compact.header;
    body->payload = compact.payload;
    body->count = 0;
    body->payload_frame = -1;
    body->framing = SW_FRAMING_COMPACT;
    if (compact.payload_follows)
        sw_body_set_payload(body, &received->message.frames[1]);
    sw_core_request request = {.client = peer->number,
                               .framing = SW_FRAMING_COMPACT,
                               .call_id = compact.tag,
                               .body = body,
                               .bytes = body->header.size + body->payload.size};
    compact_request(broker, peer, received, &request);
    return NULL;
}

/* Each message of a batch is read as if it had come alone. All share the frame. */
static const char *read_batch(sw_broker *broker, sw_peer *peer, sw_received *received)
{
    sw_view rest = sw_message_view(&received->message, 0), frame;
    for (; sw_batch_next(&rest, &frame); broker->read++) {
        sw_received *part = sw_body_pool_share(&broker->pool, received);
        if (part == NULL) { /* out of memory: the peer must notice that a message is missing */
            sw_peer_cut(peer);
            break;
        }
        const char *wrong = read_compact(broker, peer, part, frame);
        if (wrong == NULL)
            continue;
        sw_reader_malformed(broker, peer, wrong);
        sw_body_free(&broker->pool, &part->body);
    }
    if (rest.data == NULL)
        return "a broken batch";
    sw_body_free(&broker->pool, &received->body);
    return NULL;
}

/* --- MDP framing --- */

/* Whether a call to the service would reach a worker. */
static bool is_serving(const sw_broker *broker, sw_view service)
{
    return !sw_core_is_draining(broker->core) && sw_core_is_serving(broker->core, service);
}

static void manage(sw_broker *broker, sw_peer *peer, sw_view service, sw_view body)
{
    bool framing = sw_view_equal(service, SW_VIEW(SW_MMI_FRAMING));
    if (!framing &&
        sw_auth_judge(&broker->auth, &peer->caller, service, service, broker->now_us) != SW_ANSWER_NONE)
        sw_send_management(&broker->outbox, peer, service, "401", NULL);
    else if (sw_view_equal(service, SW_VIEW(SW_MMI_SERVICE)))
        sw_send_management(&broker->outbox, peer, service, is_serving(broker, body) ? "200" : "404", NULL);
    else if (framing)
        sw_send_management(&broker->outbox, peer, service, "200", SW_COMPACT_NAME);
    else
        sw_send_management(&broker->outbox, peer, service, "501", NULL);
}

static bool is_management(sw_view service)
{
    size_t size = strlen(SW_MMI_PREFIX);
    return service.size >= size && memcmp(service.data, SW_MMI_PREFIX, size) == 0;
}

static const char *mdp_request(sw_broker *broker, sw_peer *peer, sw_received *received)
{
    sw_message *message = &received->message;
    sw_view service = sw_message_view(message, SERVICE);
    if (message->count <= BODY)
        return "a REQUEST without a body";
    if (service.size == 0 || service.size > SW_NAME_MAX)
        return "a REQUEST with an empty service name, or one over 255 bytes";
    if (is_management(service)) {
        manage(broker, peer, service, sw_message_view(message, BODY));
        sw_body_free(&broker->pool, &received->body);
        return NULL;
    }
    sw_call_header header;
    sw_view first = sw_message_view(message, BODY);
    bool two = message->count == BODY + 2;
    bool rpc = two && sw_call_header_decode(first.data, first.size, &header) && header.method.size > 0 &&
               header.method.data[0] == '/';
    /* The answer to a call with a broken header names the call. */
    bool broken = !rpc && two && sw_core_is_rpc(broker->core, service);
    sw_body *body = &received->body;
    sw_core_request request = {.client = peer->number,
                               .framing = rpc ? SW_FRAMING_MDP : SW_FRAMING_PLAIN,
                               .call_id = rpc      ? header.call_id
                                          : broken ? sw_call_header_find_id(first.data, first.size)
                                                   : 0,
                               .service = service,
                               .body = body,
                               .bytes = sw_received_size(received)};
    body->framing = (uint8_t)request.framing;
    body->frames = &message->frames[BODY];
    body->count = (uint8_t)(message->count - BODY);
    body->payload_frame = -1;
    if (rpc) {
        body->header = first;
        sw_body_set_payload(body, &message->frames[BODY + 1]);
    } else {
        header.time_left_ms = header.credit = 0;
        header.elsewhere = false;
    }
    if (request.bytes > (size_t)broker->options->message_max)
        refuse(broker, &request, SW_ANSWER_TOO_LARGE);
    else if (rpc && sw_method_service(header.method).size == 0)
        refuse(broker, &request, SW_ANSWER_BAD_METHOD);
    else if (rpc && header.request_id.size > REQUEST_ID_MAX)
        refuse(broker, &request, SW_ANSWER_BAD_REQUEST_ID);
    else
        request_in(broker, peer, &request, &header, rpc ? sw_method_service(header.method) : service);
    return NULL;
}

static const char *read_mdp(sw_broker *broker, sw_peer *peer, sw_received *received)
{
    sw_message *message = &received->message;
    sw_view command = sw_message_view(message, COMMAND);
    if (!sw_view_equal(sw_message_view(message, PROTOCOL), SW_VIEW(SW_MDP_CLIENT)))
        return "neither MDPC02 nor compact framing";
    if (command.size != 1)
        return "a command that is not one byte";
    if (command.data[0] == SW_MDP_CLIENT_REQUEST)
        return mdp_request(broker, peer, received);
    if (command.data[0] != SW_MDP_CLIENT_CANCEL && command.data[0] != SW_MDP_CLIENT_CREDIT)
        return "a command that clients do not send";
    sw_call_header header;
    sw_view view = sw_message_view(message, BODY);
    if (message->count != BODY + 1 || !sw_call_header_decode(view.data, view.size, &header))
        return "a CANCEL or CREDIT without a CallHeader";
    if (command.data[0] == SW_MDP_CLIENT_CANCEL)
        sw_core_client_cancel(broker->core, peer->number, header.call_id, broker->now_us);
    else
        sw_core_client_credit(broker->core, peer->number, header.call_id, header.credit, broker->now_us);
    sw_body_free(&broker->pool, &received->body);
    return NULL;
}

/* --- connections --- */

/* Makes the client known to the core with its first message; false: the message is ignored. */
static bool is_open(sw_broker *broker, sw_peer *peer)
{
    if (peer->number == SW_NONE)
        peer->number = sw_core_client_open(broker->core, peer);
    if (peer->number == SW_NONE)
        sw_reader_malformed(broker, peer, "too many clients");
    return peer->number != SW_NONE;
}

/* Consumes the message. */
static void read_message(sw_broker *broker, sw_peer *peer, sw_received *received)
{
    sw_message *message = &received->message;
    sw_view first = sw_message_view(message, 0);
    const char *wrong;
    if (message->overflow || message->count > SW_FRAMES_MAX)
        wrong = "more than 16 frames";
    else if (sw_batch_is(first))
        wrong = read_batch(broker, peer, received);
    else if (sw_compact_is(first.data, first.size))
        wrong = read_compact(broker, peer, received, first);
    else
        wrong = read_mdp(broker, peer, received);
    if (wrong == NULL)
        return;
    sw_reader_malformed(broker, peer, wrong);
    sw_body_free(&broker->pool, &received->body);
}

void sw_frontend_read(sw_broker *broker, sw_peer *peer)
{
    for (sw_received *received; (received = sw_reader_next(broker, peer)) != NULL; broker->read++) {
        if (!is_open(broker, peer))
            sw_body_free(&broker->pool, &received->body);
        else if (!sw_auth_is_pending(&broker->auth, &peer->caller, broker->now_us) ||
                 !sw_held_add(&broker->held, received, peer, broker->now_us))
            read_message(broker, peer, received);
    }
}

bool sw_frontend_release(sw_broker *broker)
{
    bool any = false;
    sw_received *received = sw_held_take(&broker->held), *next;
    for (; received != NULL; received = next) {
        sw_peer *peer = received->from;
        next = received->next;
        if (peer->cut) {
            sw_body_free(&broker->pool, &received->body);
        } else if (sw_auth_is_pending(&broker->auth, &peer->caller, broker->now_us)) {
            sw_held_keep(&broker->held, received);
        } else {
            broker->held_ms = (broker->now_us - received->held_us) / 1000;
            read_message(broker, peer, received);
            broker->held_ms = 0;
            any = true;
        }
    }
    return any;
}
