/* Checks a message by its descriptor, then unpacks it, see unpack.h. */
#include "c/json/unpack.h"
#include "base/error.h"
#include "base/utf8.h"
#include "c/json/json.h"

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static bool take_varint(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        uint8_t byte = *(*at)++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

/* The field of that number, or NULL. Fields come by number, mostly, as the descriptor has them: *next is where to look first. */
static const ProtobufCFieldDescriptor *find(const ProtobufCMessageDescriptor *type, uint32_t id,
                                            unsigned *next)
{
    unsigned i = *next;
    while (i < type->n_fields && type->fields[i].id < id)
        i++;
    if (i < type->n_fields && type->fields[i].id == id) {
        *next = i;
        return &type->fields[i];
    }
    return protobuf_c_message_descriptor_get_field(type, id);
}

/* NULL, or what is wrong. */
static const char *check(const ProtobufCMessageDescriptor *type, const uint8_t *at, const uint8_t *end,
                         unsigned depth)
{
    uint64_t key, length;
    unsigned next = 0;
    if (depth > SW_JSON_DEPTH_MAX)
        return "nests too deep";
    while (at < end) {
        if (!take_varint(&at, end, &key) || key > UINT32_MAX)
            return "is cut off";
        switch (key & 7) {
        case VARINT:
            if (!take_varint(&at, end, &length))
                return "is cut off";
            continue;
        case FIXED64:
        case FIXED32:
            length = (key & 7) == FIXED64 ? 8 : 4;
            break;
        case BYTES:
            if (!take_varint(&at, end, &length))
                return "is cut off";
            break;
        default:
            return "has an unknown wire type";
        }
        if (length > (uint64_t)(end - at))
            return "is cut off";
        const ProtobufCFieldDescriptor *field =
            (key & 7) == BYTES ? find(type, (uint32_t)(key >> 3), &next) : NULL;
        if (field != NULL && field->type == PROTOBUF_C_TYPE_MESSAGE) {
            const char *wrong = check(field->descriptor, at, at + length, depth + 1);
            if (wrong != NULL)
                return wrong;
        } else if (field != NULL && field->type == PROTOBUF_C_TYPE_STRING &&
                   !sw_utf8_valid((const char *)at, length)) {
            return "has text that is not UTF-8";
        }
        at += length;
    }
    return NULL;
}

sw_code sw_unpack(const ProtobufCMessageDescriptor *type, sw_view bytes, ProtobufCAllocator *allocator,
                  ProtobufCMessage **message, sw_error *error)
{
    const uint8_t *data = (const uint8_t *)(bytes.size > 0 ? bytes.data : "");
    const char *wrong = check(type, data, data + bytes.size, 1);
    if (wrong == NULL) {
        *message = protobuf_c_message_unpack(type, allocator, bytes.size, data);
        if (*message != NULL)
            return SW_OK;
        wrong = "cannot be decoded";
    }
    return sw_fail(error, SW_DATA_LOSS, "what should be a %s %s", type->name, wrong);
}
