/* Replies as frames (reply.h). */
#include "rpc/reply.h"

#include <stdlib.h>
#include <string.h>

#define HEADER_USUAL 512 /* bytes; exceeded only by long messages or many trailers */

/* Encodes the header into `room`, or into malloc'ed memory if it is larger: *owned, which the
 * caller frees. An empty view when out of memory or over SW_HEADER_MAX. */
static sw_view encode_header(const sw_reply_header *header, uint8_t *room, uint8_t **owned)
{
    *owned = NULL;
    size_t size = sw_reply_header_encode(header, room, HEADER_USUAL);
    if (size <= HEADER_USUAL)
        return (sw_view){(char *)room, size};
    if (size > SW_HEADER_MAX || (*owned = malloc(size)) == NULL)
        return (sw_view){0};
    sw_reply_header_encode(header, *owned, size);
    return (sw_view){(char *)*owned, size};
}

static bool pack(const ProtobufCMessage *message, size_t size, zmq_msg_t *frame)
{
    if (zmq_msg_init_size(frame, size) != 0)
        return false;
    if (size > 0)
        protobuf_c_message_pack(message, zmq_msg_data(frame));
    return true;
}

bool sw_reply_encode_compact(uint64_t tag, bool final, const sw_reply_header *header,
                             const ProtobufCMessage *message, sw_batch *batch, zmq_msg_t *frame,
                             zmq_msg_t *payload, int *count)
{
    uint8_t room[HEADER_USUAL], *owned;
    size_t size = message == NULL ? 0 : protobuf_c_message_get_packed_size(message);
    if (size > SW_REPLY_MAX)
        return false;
    sw_view encoded = encode_header(header, room, &owned);
    if (encoded.data == NULL)
        return false;
    bool follows = size > SW_COMPACT_INLINE;
    sw_compact compact = {.command = final ? SW_COMPACT_FINAL : SW_COMPACT_PARTIAL,
                          .tag = tag,
                          .header = encoded,
                          .payload_follows = follows};
    void *place = NULL;
    uint8_t *aside =
        batch == NULL || follows ? NULL : sw_batch_append(batch, sw_compact_size(&compact, size));
    if (aside != NULL)
        place = sw_compact_write(&compact, aside);
    bool good = aside != NULL || sw_compact_reserve(&compact, follows ? 0 : size, frame, &place);
    free(owned);
    if (!good)
        return false;
    *count = aside == NULL;
    if (!follows) {
        if (size > 0)
            protobuf_c_message_pack(message, place);
        return true;
    }
    if (!pack(message, size, payload)) {
        zmq_msg_close(frame);
        return false;
    }
    *count = 2;
    return true;
}

bool sw_reply_encode_body(const sw_reply_header *header, const ProtobufCMessage *message,
                          zmq_msg_t *header_frame, zmq_msg_t *payload)
{
    uint8_t room[HEADER_USUAL], *owned;
    size_t size = message == NULL ? 0 : protobuf_c_message_get_packed_size(message);
    if (size > SW_REPLY_MAX)
        return false;
    sw_view encoded = encode_header(header, room, &owned);
    bool good = encoded.data != NULL && zmq_msg_init_size(header_frame, encoded.size) == 0;
    if (good) {
        memcpy(zmq_msg_data(header_frame), encoded.data, encoded.size);
        good = pack(message, size, payload);
        if (!good)
            zmq_msg_close(header_frame);
    }
    free(owned);
    return good;
}
