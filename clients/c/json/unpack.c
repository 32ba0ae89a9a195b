/* Validates a message, then unpacks it, see unpack.h. */
#include "c/json/unpack.h"
#include "base/error.h"
#include "wire/validate.h"

sw_code sw_unpack(const ProtobufCMessageDescriptor *type, sw_view bytes, ProtobufCAllocator *allocator,
                  ProtobufCMessage **message, sw_error *error)
{
    sw_error wrong;
    const char *data = bytes.size > 0 ? bytes.data : "";
    if (sw_message_validate(type, data, bytes.size, SIZE_MAX, &wrong) != SW_OK)
        return sw_fail(error, SW_DATA_LOSS, "the peer sent a broken %s: %s", type->name, wrong.message);
    *message = protobuf_c_message_unpack(type, allocator, bytes.size, (const uint8_t *)data);
    return *message != NULL ? SW_OK
                            : sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory for a %s", type->name);
}
