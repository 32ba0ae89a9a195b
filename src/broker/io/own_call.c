/* A call built as if it had been received (own_call.h). */
#include "broker/io/own_call.h"

/* The message that a client would have sent in compact framing, its payload in a frame of its
 * own. */
static bool build(sw_received *received, const sw_call_header *header, const ProtobufCMessage *request)
{
    uint8_t bytes[256];
    size_t size = sw_call_header_encode(header, bytes, sizeof(bytes));
    sw_message *message = &received->message;
    message->count = 0;
    if (size > sizeof(bytes) || !sw_message_add(message, bytes, size) ||
        zmq_msg_init_size(&message->frames[1], protobuf_c_message_get_packed_size(request)) != 0)
        return false;
    message->count = 2;
    protobuf_c_message_pack(request, zmq_msg_data(&message->frames[1]));
    received->body.framing = SW_FRAMING_COMPACT;
    received->body.header = sw_message_view(message, 0);
    sw_body_set_payload(&received->body, &message->frames[1]);
    return true;
}

bool sw_own_call(sw_core *core, sw_body_pool *pool, uint32_t client, const sw_call_header *header,
                 const ProtobufCMessage *request, int64_t now_us)
{
    sw_received *received = sw_body_pool_take(pool);
    if (received == NULL || !build(received, header, request)) {
        sw_body_free(pool, received == NULL ? NULL : &received->body);
        return false;
    }
    sw_body *body = &received->body;
    sw_core_request call = {.client = client,
                            .framing = SW_FRAMING_COMPACT,
                            .call_id = header->call_id,
                            .time_left_ms = header->time_left_ms,
                            .service = sw_method_service(header->method),
                            .body = body,
                            .bytes = body->header.size + body->payload.size};
    uint64_t route = sw_core_client_request(core, &call, now_us);
    sw_body *packed = route == 0 ? NULL : sw_body_pack(pool, body);
    if (packed != NULL)
        sw_core_call_set_body(core, route, packed);
    return true;
}
