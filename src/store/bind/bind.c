/* Fields of messages <-> parameters and result columns (bind.h). */
#include "store/bind/bind.h"
#include "base/error.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "store/bind/composite.h"
#include "store/bind/time.h"
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
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

static void *member(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return (char *)message + field->offset;
}

/* `has_x`, or `n_x` of a repeated field, through its type. */
static void *quantifier(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return (char *)message + field->quantifier_offset;
}

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
        return *(size_t *)quantifier(message, field) > 0;
    if (field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE) {
        const void *pointer = *(void **)member(message, field);
        return pointer && pointer != field->default_value;
    }
    return *(protobuf_c_boolean *)quantifier(message, field);
}

void sw_field_clear(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        *(size_t *)quantifier(message, field) = 0;
    else if (field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE)
        *(void **)member(message, field) = NULL;
    else
        *(protobuf_c_boolean *)quantifier(message, field) = 0;
}

const char *sw_field_string(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return *(char **)member(message, field);
}

int64_t sw_field_int(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    if (!sw_field_is_set(message, field))
        return 0;
    if (is_wide(field))
        return *(int64_t *)member(message, field);
    if (is_unsigned(field))
        return *(uint32_t *)member(message, field);
    return *(int32_t *)member(message, field);
}

bool sw_field_bool(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return sw_field_is_set(message, field) && *(protobuf_c_boolean *)member(message, field);
}

ProtobufCMessage *sw_field_message(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return *(ProtobufCMessage **)member(message, field);
}

void sw_field_set_string(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, const char *value)
{
    *(const char **)member(message, field) = value;
}

void sw_field_set_int(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, int64_t value)
{
    if (is_wide(field))
        *(int64_t *)member(message, field) = value;
    else
        *(int32_t *)member(message, field) = (int32_t)value;
    *(protobuf_c_boolean *)quantifier(message, field) = 1;
}

bool sw_field_complete_key(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    if (field->type == PROTOBUF_C_TYPE_STRING)
        return sw_field_is_set(message, field) && *sw_field_string(message, field);
    if (!sw_field_is_set(message, field))
        sw_field_set_int(message, field, 0);
    return true;
}

/* --- Fields as parameters --- */

static sw_code bind_int(int64_t number, const sw_column *column, sw_arena *arena, sw_value *value,
                        sw_error *error)
{
    size_t size = column->type == SW_OID_INT2 ? 2 : column->type == SW_OID_INT4 ? 4 : 8;
    int64_t most = size == 2 ? INT16_MAX : size == 4 ? INT32_MAX : INT64_MAX;
    if (number > most || number < -most - 1)
        return sw_fail(error, SW_INVALID_ARGUMENT, "%lld is out of range: it must be between %lld and %lld",
                       (long long)number, (long long)(-most - 1), (long long)most);
    char *data = sw_arena_alloc(arena, size);
    if (data)
        sw_put_be(data, (uint64_t)number, size);
    *value = (sw_value){column->type, true, data, (int)size};
    return SW_OK;
}

static sw_code bind_eight(uint64_t bits, Oid type, sw_arena *arena, sw_value *value)
{
    *value = sw_value_int8(arena, (int64_t)bits);
    value->type = type;
    return SW_OK;
}

/* What is cast by the database fails there without a name; addresses are the common case, so they are checked here. */
static sw_code bind_string(const char *text, const sw_column *column, sw_value *value, sw_error *error)
{
    bool cast = column->bind == SW_BIND_CAST;
    struct in6_addr address;
    if (cast && column->type == SW_OID_INET && *text && inet_pton(AF_INET, text, &address) != 1 &&
        inet_pton(AF_INET6, text, &address) != 1)
        return sw_fail(error, SW_INVALID_ARGUMENT, "`%.64s` is no IPv4 or IPv6 address", text);
    *value = (sw_value){cast ? column->type : SW_OID_TEXT, !cast, text, (int)strnlen(text, INT_MAX)};
    return SW_OK;
}

static sw_code bind_timestamp(const ProtobufCMessage *message, sw_arena *arena, sw_value *value,
                              sw_error *error)
{
    const Google__Protobuf__Timestamp *time = (const Google__Protobuf__Timestamp *)message;
    int64_t us;
    if (!sw_time_from_parts(time->seconds, time->nanos, &us))
        return sw_fail(error, SW_INVALID_ARGUMENT,
                       "a time must lie in the years 1 to 9999, nanos in 0 to 999999999");
    return bind_eight((uint64_t)us, SW_OID_TIMESTAMPTZ, arena, value);
}

sw_code sw_bind_field(const ProtobufCMessage *message, const sw_column *column, sw_arena *arena,
                      sw_value *value, sw_error *error)
{
    const ProtobufCFieldDescriptor *field = column->field;
    *value = (sw_value){column->bind == SW_BIND_TEXT ? SW_OID_TEXT : column->type, true, NULL, 0};
    if (column->bind == SW_BIND_TEXTS) {
        *value =
            sw_value_texts(arena, *(char ***)member(message, field), *(size_t *)quantifier(message, field));
        return SW_OK;
    }
    if (!sw_field_is_set(message, field))
        return SW_OK;
    switch (column->bind) {
    case SW_BIND_ROW:
        return sw_row_bind(sw_field_message(message, field), column->row, arena, value, error);
    case SW_BIND_ROWS:
        return sw_rows_bind(*(ProtobufCMessage ***)member(message, field),
                            *(size_t *)quantifier(message, field), column, arena, value, error);
    case SW_BIND_TEXT:
    case SW_BIND_CAST:
        if (!column->nullable || *sw_field_string(message, field))
            return bind_string(sw_field_string(message, field), column, value, error);
        return SW_OK;
    case SW_BIND_BOOL:
        *value = sw_value_bool(arena, sw_field_bool(message, field));
        return SW_OK;
    case SW_BIND_INT:
        if (field->type == PROTOBUF_C_TYPE_UINT64 && *(uint64_t *)member(message, field) > INT64_MAX)
            return sw_fail(error, SW_INVALID_ARGUMENT, "the number is out of range");
        return bind_int(sw_field_int(message, field), column, arena, value, error);
    case SW_BIND_FLOAT: {
        uint64_t bits;
        memcpy(&bits, member(message, field), sizeof(bits));
        return bind_eight(bits, SW_OID_FLOAT8, arena, value);
    }
    case SW_BIND_TIME:
        return bind_timestamp(sw_field_message(message, field), arena, value, error);
    case SW_BIND_BYTES: {
        const ProtobufCBinaryData *bytes = member(message, field);
        *value = sw_value_bytes(bytes->data, bytes->len);
        return SW_OK;
    }
    default:
        return sw_fail(error, SW_INTERNAL, "field `%s` goes with no column type", field->name);
    }
}

/* --- Text as parameters --- */

sw_code sw_bind_text(const char *text, const sw_column *column, sw_arena *arena, sw_value *value,
                     sw_error *error)
{
    char *end;
    errno = 0;
    switch (column->bind) {
    case SW_BIND_TEXT:
    case SW_BIND_CAST:
    case SW_BIND_TEXTS:
        return bind_string(text, column, value, error);
    case SW_BIND_BOOL:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
            return sw_fail(error, SW_INVALID_ARGUMENT, "`%.64s` is neither true nor false", text);
        *value = sw_value_bool(arena, *text == 't');
        return SW_OK;
    case SW_BIND_INT: {
        long long number = strtoll(text, &end, 10);
        bool starts = *text == '-' || (*text >= '0' && *text <= '9');
        if (!starts || *end || errno)
            return sw_fail(error, SW_INVALID_ARGUMENT, "`%.64s` is not a whole number", text);
        return bind_int(number, column, arena, value, error);
    }
    case SW_BIND_FLOAT: {
        double number = strtod(text, &end);
        if (end == text || *end || errno)
            return sw_fail(error, SW_INVALID_ARGUMENT, "`%.64s` is not a number", text);
        uint64_t bits;
        memcpy(&bits, &number, sizeof(bits));
        return bind_eight(bits, SW_OID_FLOAT8, arena, value);
    }
    case SW_BIND_TIME: {
        int64_t us;
        if (!sw_time_parse(text, &us))
            return sw_fail(error, SW_INVALID_ARGUMENT,
                           "`%.64s` is not a time of RFC 3339, such as 2026-01-31T12:00:00Z", text);
        return bind_eight((uint64_t)us, SW_OID_TIMESTAMPTZ, arena, value);
    }
    default:
        return sw_fail(error, SW_INVALID_ARGUMENT, "a value of this field cannot be compared; use is_null");
    }
}
