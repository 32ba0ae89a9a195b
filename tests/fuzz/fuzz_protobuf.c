/* The wire format: what is read and written again reads as the same. */
#include "wire/protobuf.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t put(uint8_t *at, const sw_pb_field *field)
{
    if (field->type == SW_PB_VARINT)
        return (size_t)(sw_pb_put_varint(sw_pb_put_key(at, field->number, SW_PB_VARINT), field->value) - at);
    return (size_t)(sw_pb_put_bytes(at, field->number, field->bytes) - at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sw_pb_reader reader = sw_pb_read((sw_view){(const char *)data, size});
    sw_pb_field field, again;
    while (sw_pb_next(&reader, &field)) {
        if (field.type != SW_PB_VARINT && field.type != SW_PB_BYTES)
            continue;
        uint8_t *bytes = malloc(field.bytes.size + SW_PB_KEY_MAX + SW_PB_VARINT_MAX);
        if (bytes == NULL)
            abort();
        sw_pb_reader second = {bytes, bytes + put(bytes, &field)};
        if (!sw_pb_next(&second, &again) || again.number != field.number || again.value != field.value ||
            !sw_view_equal(again.bytes, field.bytes) || second.at != second.end)
            abort();
        free(bytes);
    }
    if (sw_pb_good(&reader) && reader.at != reader.end)
        abort();
    return 0;
}
