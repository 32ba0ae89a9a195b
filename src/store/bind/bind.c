/* Which column type fits a field, and access to the fields of a message (bind.h). parameter.c
 * and row.c convert the values. */
#include "store/bind/bind.h"
#include <string.h>

static bool is_timestamp(const ProtobufCFieldDescriptor *field)
{
    const ProtobufCMessageDescriptor *type = field->descriptor;
    return field->type == PROTOBUF_C_TYPE_MESSAGE && strcmp(type->name, "google.protobuf.Timestamp") == 0;
}

/* The family of a field by its type; repeated fields aside. */
static sw_bind family(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return SW_BIND_TEXT;
    case PROTOBUF_C_TYPE_BYTES:
        return SW_BIND_BYTES;
    case PROTOBUF_C_TYPE_BOOL:
        return SW_BIND_BOOL;
    case PROTOBUF_C_TYPE_DOUBLE:
        return SW_BIND_FLOAT;
    case PROTOBUF_C_TYPE_MESSAGE:
        return is_timestamp(field) ? SW_BIND_TIME : SW_BIND_NONE;
    case PROTOBUF_C_TYPE_FLOAT:
        return SW_BIND_NONE;
    default:
        return SW_BIND_INT;
    }
}

sw_bind sw_bind_find(const ProtobufCFieldDescriptor *field, Oid type)
{
    sw_bind bind = family(field);
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return bind == SW_BIND_TEXT && type == SW_OID_TEXT_ARRAY  ? SW_BIND_TEXTS
               : bind == SW_BIND_INT && type == SW_OID_INT8_ARRAY ? SW_BIND_INTS
                                                                  : SW_BIND_NONE;
    switch (bind) {
    case SW_BIND_TEXT:
        return type == SW_OID_TEXT || type == SW_OID_VARCHAR ? SW_BIND_TEXT : SW_BIND_CAST;
    case SW_BIND_INT:
        return type == SW_OID_INT2 || type == SW_OID_INT4 || type == SW_OID_INT8 ? bind : SW_BIND_NONE;
    case SW_BIND_NONE:
        return SW_BIND_NONE;
    default:
        return type == sw_bind_default_type(field) ? bind : SW_BIND_NONE;
    }
}

Oid sw_bind_default_type(const ProtobufCFieldDescriptor *field)
{
    static const Oid types[] = {
        [SW_BIND_TEXT] = SW_OID_TEXT,    [SW_BIND_BOOL] = SW_OID_BOOL,   [SW_BIND_INT] = SW_OID_INT8,
        [SW_BIND_FLOAT] = SW_OID_FLOAT8, [SW_BIND_BYTES] = SW_OID_BYTEA, [SW_BIND_TIME] = SW_OID_TIMESTAMPTZ};
    sw_bind bind = family(field);
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return bind == SW_BIND_TEXT ? SW_OID_TEXT_ARRAY : 0;
    return types[bind];
}

/* --- Fields of a message --- */

static bool is_wide(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return true;
    default:
        return false;
    }
}

static bool is_unsigned(const ProtobufCFieldDescriptor *field)
{
    return field->type == PROTOBUF_C_TYPE_UINT32 || field->type == PROTOBUF_C_TYPE_FIXED32 ||
           field->type == PROTOBUF_C_TYPE_UINT64 || field->type == PROTOBUF_C_TYPE_FIXED64;
}

bool sw_field_is_set(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return *(size_t *)sw_field_quantifier(message, field) > 0;
    if (field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE) {
        const void *pointer = *(void **)sw_field_at(message, field);
        return pointer && pointer != field->default_value;
    }
    return *(protobuf_c_boolean *)sw_field_quantifier(message, field);
}

void sw_field_clear(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        *(size_t *)sw_field_quantifier(message, field) = 0;
    else if (field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE)
        *(void **)sw_field_at(message, field) = NULL;
    else
        *(protobuf_c_boolean *)sw_field_quantifier(message, field) = 0;
}

const char *sw_field_string(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return *(char **)sw_field_at(message, field);
}

int64_t sw_field_int(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    if (!sw_field_is_set(message, field))
        return 0;
    if (is_wide(field))
        return *(int64_t *)sw_field_at(message, field);
    if (is_unsigned(field))
        return *(uint32_t *)sw_field_at(message, field);
    return *(int32_t *)sw_field_at(message, field);
}

bool sw_field_bool(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return sw_field_is_set(message, field) && *(protobuf_c_boolean *)sw_field_at(message, field);
}

ProtobufCMessage *sw_field_message(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return *(ProtobufCMessage **)sw_field_at(message, field);
}

void sw_field_set_string(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, const char *value)
{
    *(const char **)sw_field_at(message, field) = value;
}

void sw_field_set_int(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, int64_t value)
{
    if (is_wide(field))
        *(int64_t *)sw_field_at(message, field) = value;
    else
        *(int32_t *)sw_field_at(message, field) = (int32_t)value;
    *(protobuf_c_boolean *)sw_field_quantifier(message, field) = 1;
}

bool sw_field_complete_key(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    if (field->type == PROTOBUF_C_TYPE_STRING)
        return sw_field_is_set(message, field) && *sw_field_string(message, field);
    if (!sw_field_is_set(message, field))
        sw_field_set_int(message, field, 0);
    return true;
}
