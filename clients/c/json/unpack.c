/* Checks a message by its descriptor, then unpacks it, see unpack.h. */
#include "c/json/unpack.h"

#include "base/error.h"
#include "wire/validate.h"

sw_code sw_unpack(const ProtobufCMessageDescriptor *type, sw_view bytes, ProtobufCAllocator *allocator,
                  ProtobufCMessage **message, sw_error *error)
{
    const uint8_t *data = (const uint8_t *)(bytes.size > 0 ? bytes.data : "");
    sw_error wrong;
    /* The size of a reply bounds its elements. */
    if (sw_message_validate(type, data, bytes.size, SIZE_MAX, &wrong) != SW_OK)
        return sw_fail(error, SW_DATA_LOSS, "not a valid %s: %s", type->name, wrong.message);
    *message = protobuf_c_message_unpack(type, allocator, bytes.size, data);
    return *message != NULL ? SW_OK : sw_fail(error, SW_DATA_LOSS, "no memory to unpack a %s", type->name);
}
