/* Rows of results into messages (bind.h): no copy of strings, and no allocation but for times and lists. */
#include "base/error.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "store/bind.h"
#include "store/time.h"
#include <limits.h>
#include <string.h>

static const int64_t us_per_second = 1000000;

static bool read_time(const char *data, int size, void *member, sw_arena *arena)
{
    if (size != 8)
        return false;
    int64_t us = (int64_t)sw_get_be(data, 8);
    if (us == INT64_MAX || us == INT64_MIN) /* infinity: a Timestamp cannot say it */
        return true;
    Google__Protobuf__Timestamp *time = sw_arena_alloc(arena, sizeof(*time));
    if (!time)
        return false;
    google__protobuf__timestamp__init(time);
    int64_t seconds = us / us_per_second, rest = us % us_per_second;
    if (rest < 0) {
        seconds--;
        rest += us_per_second;
    }
    time->seconds = seconds + SW_PG_EPOCH;
    time->nanos = (int32_t)rest * 1000;
    *(Google__Protobuf__Timestamp **)member = time;
    return true;
}

/* array_send of a one-dimensional text[]. An element's text is followed by the next one's length, so it is copied
 * to end with a NUL; a NULL element reads as the empty string. */
static bool read_texts(const char *data, int size, void *member, size_t *count, sw_arena *arena)
{
    size_t left = (size_t)size;
    if (left < 12 || sw_get_be(data, 4) > 1)
        return false;
    if (sw_get_be(data, 4) == 0)
        return true;
    if (left < 20)
        return false;
    size_t n = (size_t)sw_get_be(data + 12, 4);
    data += 20;
    left -= 20;
    if (n > left / 4)
        return false;
    char **texts = sw_arena_alloc(arena, (n ? n : 1) * sizeof(*texts));
    if (!texts)
        return false;
    for (size_t i = 0; i < n; i++) {
        int32_t length = left < 4 ? -2 : (int32_t)sw_get_be(data, 4);
        size_t used = length > 0 ? (size_t)length : 0;
        if (length < -1 || used > left - 4)
            return false;
        texts[i] = sw_arena_strndup(arena, data + 4, used);
        if (!texts[i])
            return false;
        data += 4 + used;
        left -= 4 + used;
    }
    *(char ***)member = texts;
    *count = n;
    return true;
}

static bool read_int(const char *data, int size, const ProtobufCFieldDescriptor *field,
                     ProtobufCMessage *message)
{
    int64_t number;
    if (size == 8)
        number = (int64_t)sw_get_be(data, 8);
    else if (size == 4)
        number = (int32_t)sw_get_be(data, 4);
    else if (size == 2)
        number = (int16_t)sw_get_be(data, 2);
    else
        return false;
    sw_field_set_int(message, field, number);
    return true;
}

static bool read_value(const char *data, int size, const sw_column *column, ProtobufCMessage *message,
                       sw_arena *arena)
{
    const ProtobufCFieldDescriptor *field = column->field;
    void *member = (char *)message + field->offset, *quantifier = (char *)message + field->quantifier_offset;
    switch (column->bind) {
    case SW_BIND_TEXT:
    case SW_BIND_CAST:
        *(const char **)member = data; /* libpq ends every value with a NUL */
        return true;
    case SW_BIND_INT:
        return read_int(data, size, field, message);
    case SW_BIND_BOOL:
        if (size != 1)
            return false;
        *(protobuf_c_boolean *)member = *data != 0;
        *(protobuf_c_boolean *)quantifier = 1;
        return true;
    case SW_BIND_FLOAT: {
        if (size != 8)
            return false;
        uint64_t bits = sw_get_be(data, 8);
        memcpy(member, &bits, sizeof(bits));
        *(protobuf_c_boolean *)quantifier = 1;
        return true;
    }
    case SW_BIND_TIME:
        return read_time(data, size, member, arena);
    case SW_BIND_TEXTS:
        return read_texts(data, size, member, quantifier, arena);
    case SW_BIND_BYTES:
        *(ProtobufCBinaryData *)member = (ProtobufCBinaryData){(size_t)size, (uint8_t *)data};
        *(protobuf_c_boolean *)quantifier = 1;
        return true;
    default:
        return false;
    }
}

sw_code sw_bind_row(const PGresult *result, int row, const sw_column *columns, int count,
                    ProtobufCMessage *message, sw_arena *arena, sw_error *error)
{
    if (PQnfields(result) < count)
        return sw_fail(error, SW_INTERNAL, "the result has %d columns, not %d", PQnfields(result), count);
    for (int i = 0; i < count; i++) {
        int size = PQgetlength(result, row, i);
        if (!columns[i].field || (size == 0 && PQgetisnull(result, row, i)))
            continue;
        if (!read_value(PQgetvalue(result, row, i), size, &columns[i], message, arena))
            return sw_fail(error, SW_INTERNAL, "column `%s` does not fit its field, or memory is short",
                           PQfname(result, i));
    }
    return SW_OK;
}
