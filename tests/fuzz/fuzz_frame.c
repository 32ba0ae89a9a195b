/* Compact framing: what decodes lies within the frame, and encodes again to the same bytes. */
#include "wire/batch.h"
#include <stdlib.h>
#include <string.h>

static void check_inside(sw_view view, const uint8_t *data, size_t size)
{
    const uint8_t *at = (const uint8_t *)view.data;
    if (view.size > 0 && (at < data || view.size > size || at > data + size - view.size))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sw_view rest = {(const char *)data, size}, part;
    size_t parts = 0;
    while (sw_batch_is((sw_view){(const char *)data, size}) && sw_batch_next(&rest, &part))
        parts += part.size + 4;
    if (parts > size)
        __builtin_trap();
    sw_compact message;
    zmq_msg_t frame;
    if (!sw_compact_decode(data, size, &message))
        return 0;
    if (!sw_compact_is(data, size))
        abort();
    check_inside(message.header, data, size);
    check_inside(message.handover, data, size);
    check_inside(message.payload, data, size);
    if (message.payload.size > SW_COMPACT_INLINE || !sw_compact_encode(&message, &frame))
        return 0; /* the encoder has bounds that a frame cannot break on the way in */
    if (zmq_msg_size(&frame) != size || memcmp(zmq_msg_data(&frame), data, size) != 0)
        abort();
    zmq_msg_close(&frame);
    return 0;
}
