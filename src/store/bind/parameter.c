/* Fields and texts as parameters of a statement (bind.h). Messages in fields become composite
 * types, which contain fields in turn, so both are here. */
#include "base/error.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "store/bind/composite.h"
#include "store/bind/time.h"
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* --- Scalars --- */

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

/* The database casts other types, and its errors do not name the field. Addresses are the common
 * case, so they are checked here. */
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

/* --- Messages: composite types and arrays of them --- */

/* Appends a length and a value, as in both records and arrays. */
static char *put_value(char *at, const sw_value *value)
{
    sw_put_be(at, value->data ? (uint64_t)value->size : UINT32_MAX, 4);
    if (value->data)
        memcpy(at + 4, value->data, (size_t)value->size);
    return at + 4 + (value->data ? value->size : 0);
}

/* Allocates `head` bytes and room for `count` values, each with `each` bytes and its length before
 * it. NULL if that is too much. */
static char *make_room(sw_arena *arena, size_t head, size_t each, const sw_value *values, size_t count,
                       sw_value *whole)
{
    size_t size = head;
    for (size_t i = 0; i < count && size < INT_MAX; i++)
        size += each + 4 + (values[i].data ? (size_t)values[i].size : 0);
    char *data = size < INT_MAX ? sw_arena_alloc(arena, size) : NULL;
    whole->data = data;
    whole->size = (int)size;
    return data;
}

static sw_code fail_size(sw_error *error)
{
    return sw_fail(error, SW_RESOURCE_EXHAUSTED, "the request needs too much memory");
}

/* record_send's format: the number of columns, and for each its type, length and value. */
static sw_code bind_message(const ProtobufCMessage *message, const sw_row_type *row, sw_arena *arena,
                            sw_value *value, sw_error *error)
{
    size_t count = (size_t)row->count;
    sw_value *values = sw_arena_alloc(arena, (count + 1) * sizeof(*values));
    if (!values)
        return fail_size(error);
    for (size_t i = 0; i < count; i++) {
        sw_error why;
        values[i] = (sw_value){0};
        sw_code code =
            row->columns[i].field ? sw_bind_field(message, &row->columns[i], arena, &values[i], &why) : SW_OK;
        if (code != SW_OK)
            return sw_fail(error, code, "%s: %s", row->columns[i].field->name, why.message);
    }
    *value = (sw_value){.type = row->type, .binary = true};
    char *at = make_room(arena, 4, 4, values, count, value);
    if (!at)
        return fail_size(error);
    sw_put_be(at, count, 4);
    at += 4;
    for (size_t i = 0; i < count; i++) {
        sw_put_be(at, row->columns[i].type, 4);
        at = put_value(at + 4, &values[i]);
    }
    return SW_OK;
}

/* array_send's format: dimensions, flags, type, length, lower bound, and for each element its
 * length and value. */
static sw_code bind_messages(ProtobufCMessage *const *messages, size_t count, const sw_column *column,
                             sw_arena *arena, sw_value *value, sw_error *error)
{
    sw_value *values = sw_arena_alloc(arena, (count + 1) * sizeof(*values));
    if (!values)
        return fail_size(error);
    for (size_t i = 0; i < count; i++) {
        sw_error why;
        sw_code code = bind_message(messages[i], column->row, arena, &values[i], &why);
        if (code != SW_OK)
            return sw_fail(error, code, "[%zu].%s", i, why.message);
    }
    *value = (sw_value){.type = column->type, .binary = true};
    char *at = make_room(arena, 20, 0, values, count, value);
    if (!at)
        return fail_size(error);
    sw_put_be(at, 1, 4);
    sw_put_be(at + 4, 0, 4);
    sw_put_be(at + 8, column->row->type, 4);
    sw_put_be(at + 12, count, 4);
    sw_put_be(at + 16, 1, 4);
    at += 20;
    for (size_t i = 0; i < count; i++)
        at = put_value(at, &values[i]);
    return SW_OK;
}

/* --- Fields --- */

sw_code sw_bind_field(const ProtobufCMessage *message, const sw_column *column, sw_arena *arena,
                      sw_value *value, sw_error *error)
{
    const ProtobufCFieldDescriptor *field = column->field;
    *value = (sw_value){column->bind == SW_BIND_TEXT ? SW_OID_TEXT : column->type, true, NULL, 0};
    if (column->bind == SW_BIND_TEXTS) {
        *value = sw_value_texts(arena, *(char ***)sw_field_at(message, field),
                                *(size_t *)sw_field_quantifier(message, field));
        return SW_OK;
    }
    if (!sw_field_is_set(message, field))
        return SW_OK;
    switch (column->bind) {
    case SW_BIND_ROW:
        return bind_message(sw_field_message(message, field), column->row, arena, value, error);
    case SW_BIND_ROWS:
        return bind_messages(*(ProtobufCMessage ***)sw_field_at(message, field),
                             *(size_t *)sw_field_quantifier(message, field), column, arena, value, error);
    case SW_BIND_TEXT:
    case SW_BIND_CAST:
        if (!column->nullable || *sw_field_string(message, field))
            return bind_string(sw_field_string(message, field), column, value, error);
        return SW_OK;
    case SW_BIND_BOOL:
        *value = sw_value_bool(arena, sw_field_bool(message, field));
        return SW_OK;
    case SW_BIND_INT:
        if (field->type == PROTOBUF_C_TYPE_UINT64 && *(uint64_t *)sw_field_at(message, field) > INT64_MAX)
            return sw_fail(error, SW_INVALID_ARGUMENT, "the number is out of range");
        return bind_int(sw_field_int(message, field), column, arena, value, error);
    case SW_BIND_FLOAT: {
        uint64_t bits;
        memcpy(&bits, sw_field_at(message, field), sizeof(bits));
        return bind_eight(bits, SW_OID_FLOAT8, arena, value);
    }
    case SW_BIND_TIME:
        return bind_timestamp(sw_field_message(message, field), arena, value, error);
    case SW_BIND_BYTES: {
        const ProtobufCBinaryData *bytes = sw_field_at(message, field);
        *value = sw_value_bytes(bytes->data, bytes->len);
        return SW_OK;
    }
    default:
        return sw_fail(error, SW_INTERNAL, "field `%s` goes with no column type", field->name);
    }
}

/* --- Texts --- */

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
