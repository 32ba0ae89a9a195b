/* Texts of values in proto3 JSON, and fields by descriptor. See json_value.h. */
#include "c/json/json_value.h"

#include <string.h>

/* --- Base64 (RFC 4648, sections 4 and 5) --- */

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

bool sw_base64_decode(const char *text, size_t size, uint8_t *to, size_t *length)
{
    uint32_t bits = 0;
    size_t have = 0;
    *length = 0;
    if (size % 4 == 0 && size > 0 && text[size - 1] == '=')
        size -= text[size - 2] == '=' ? 2 : 1;
    if (size % 4 == 1)
        return false;
    for (size_t i = 0; i < size; i++) {
        int digit = digit_of(text[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        have += 6;
        if (have >= 8) {
            have -= 8;
            to[(*length)++] = (uint8_t)(bits >> have);
        }
    }
    return (bits & ((1U << have) - 1)) ==
           0; /* the remaining bits must be zero, so that a value has only one text */
}

void sw_base64_encode(const uint8_t *from, size_t size, char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t bits = (uint32_t)from[i] << 16 | (left > 1 ? (uint32_t)from[i + 1] << 8 : 0) |
                        (left > 2 ? (uint32_t)from[i + 2] : 0);
        *text++ = digits[bits >> 18];
        *text++ = digits[bits >> 12 & 63];
        *text++ = '=';
        *text++ = '=';
        if (left > 1)
            text[-2] = digits[bits >> 6 & 63];
        if (left > 2)
            text[-1] = digits[bits & 63];
    }
    *text = '\0';
}

/* --- Names --- */

void sw_name_to_camel(const char *name, char *camel, size_t size)
{
    size_t length = 0;
    for (bool upper = false; *name != '\0' && length + 1 < size; name++) {
        if (*name == '_') {
            upper = true;
            continue;
        }
        camel[length++] = upper && *name >= 'a' && *name <= 'z' ? (char)(*name - 'a' + 'A') : *name;
        upper = false;
    }
    camel[length] = '\0';
}

size_t sw_name_to_snake(const char *name, size_t length, char *snake, size_t size)
{
    size_t out = 0;
    for (size_t i = 0; i < length; i++) {
        bool upper = name[i] >= 'A' && name[i] <= 'Z';
        if (upper && out++ < size)
            snake[out - 1] = '_';
        if (out++ < size)
            snake[out - 1] = upper ? (char)(name[i] - 'A' + 'a') : name[i];
    }
    return out;
}

/* --- Fields --- */

void *sw_field_at(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return (char *)(uintptr_t)message + field->offset;
}

static void *quantifier(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return (char *)(uintptr_t)message + field->quantifier_offset;
}

size_t sw_field_size(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    default:
        return 4;
    }
}

static bool is_zero(const void *member, const ProtobufCFieldDescriptor *field)
{
    static const char zeros[sizeof(ProtobufCBinaryData)];
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        const char *text = *(char *const *)member;
        return text == NULL || text[0] == '\0';
    }
    if (field->type == PROTOBUF_C_TYPE_BYTES)
        return ((const ProtobufCBinaryData *)member)->len == 0;
    return memcmp(member, zeros, sw_field_size(field)) == 0;
}

bool sw_field_present(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const void *member = sw_field_at(message, field);
    bool pointer = field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE;
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return *(const size_t *)quantifier(message, field) > 0;
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
        *(const uint32_t *)quantifier(message, field) != field->id)
        return false;
    if (pointer && *(void *const *)member == NULL)
        return false;
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 || field->label == PROTOBUF_C_LABEL_REQUIRED)
        return true;
    if (field->label == PROTOBUF_C_LABEL_NONE)
        return !is_zero(member, field);
    return pointer ? *(void *const *)member != field->default_value
                   : *(const protobuf_c_boolean *)quantifier(message, field) != 0;
}

void sw_field_set_present(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
        *(uint32_t *)quantifier(message, field) = field->id;
    else if (field->label == PROTOBUF_C_LABEL_OPTIONAL && field->type != PROTOBUF_C_TYPE_STRING &&
             field->type != PROTOBUF_C_TYPE_MESSAGE)
        *(protobuf_c_boolean *)quantifier(message, field) = 1;
}
