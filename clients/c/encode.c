/* The bytes of a call, see encode.h. */
#include "c/encode.h"
#include "base/error.h"

/* Somewhat less than there is: the broker ends the call at that time, and its answer, which says
 * where the time went, must still arrive before our own deadline. */
uint32_t sw_pending_time_left_ms(const sw_pending_call *call, int64_t now_us)
{
    int64_t left = (call->deadline_us - now_us) / 1000;
    int64_t margin = left / 10 < 25 ? left / 10 : 25;
    left -= margin;
    return left < 1 ? 1 : left > UINT32_MAX ? UINT32_MAX : (uint32_t)left;
}

sw_code sw_pending_encode(sw_pending_call *call, const sw_call_header *header, sw_view payload,
                          sw_error *error)
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
                          .payload_follows = call->has_payload};
    zmq_msg_t frame;
    if (!sw_compact_encode(&compact, &frame))
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    zmq_msg_close(&call->frame);
    zmq_msg_init(&call->frame);
    zmq_msg_move(&call->frame, &frame);
    zmq_msg_close(&frame);
    return SW_OK;
}

/* The frame is our own, so decoding cannot fail. */
void sw_pending_decode(const sw_pending_call *call, sw_compact *compact, sw_call_header *header)
{
    zmq_msg_t *frame = (zmq_msg_t *)&call->frame; /* zmq_msg_data takes no const */
    sw_compact_decode(zmq_msg_data(frame), zmq_msg_size(frame), compact);
    sw_call_header_decode(compact->header.data, compact->header.size, header);
}

bool sw_pending_encode_again(sw_pending_call *call, int64_t now_us)
{
    sw_compact compact;
    sw_call_header header;
    sw_pending_decode(call, &compact, &header);
    header.call_id = sw_pending_tag(call);
    header.time_left_ms = sw_pending_time_left_ms(call, now_us);
    header.credit = call->credit;
    return sw_pending_encode(call, &header, compact.payload, NULL) == SW_OK;
}
