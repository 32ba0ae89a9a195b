/* Reads rows of results into messages (bind.h). Strings are not copied; only times, lists and their
 * elements are allocated. */
#include "base/error.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "store/bind/composite.h"
#include "store/bind/time.h"
#include <limits.h>
#include <string.h>

static bool read_time(const char *data, int size, void *member, sw_arena *arena)
{
    if (size != 8)
        return false;
    int64_t seconds;
    int32_t nanos;
    if (!sw_time_to_parts((int64_t)sw_get_be(data, 8), &seconds, &nanos))
        return true;
    Google__Protobuf__Timestamp *time = sw_arena_alloc(arena, sizeof(*time));
    if (!time)
        return false;
    google__protobuf__timestamp__init(time);
    time->seconds = seconds;
    time->nanos = nanos;
    *(Google__Protobuf__Timestamp **)member = time;
    return true;
}

/* The rest of a value in binary format. */
typedef struct reader {
    const char *at;
    size_t left;
} reader;

static bool take_number(reader *r, uint32_t *number)
{
    if (r->left < 4)
        return false;
    *number = (uint32_t)sw_get_be(r->at, 4);
    r->at += 4;
    r->left -= 4;
    return true;
}

/* Takes a length and that many bytes. `data` is NULL for NULL. */
static bool take_value(reader *r, const char **data, size_t *size)
{
    uint32_t length;
    if (!take_number(r, &length))
        return false;
    bool null = length == UINT32_MAX;
    *size = null ? 0 : length;
    *data = null ? NULL : r->at;
    if (*size > r->left)
        return false;
    r->at += *size;
    r->left -= *size;
    return true;
}

/* The head of array_send's format: of no dimension or one. */
static bool take_array(reader *r, size_t *count)
{
    uint32_t dimensions, ignored, n = 0;
    if (!take_number(r, &dimensions) || dimensions > 1 || !take_number(r, &ignored) ||
        !take_number(r, &ignored))
        return false;
    if (dimensions && (!take_number(r, &n) || !take_number(r, &ignored) || n > r->left / 4))
        return false;
    *count = n;
    return true;
}

static bool read_row(reader r, const sw_row_type *row, ProtobufCMessage *message, sw_arena *arena);

static ProtobufCMessage *new_message(const ProtobufCMessageDescriptor *type, sw_arena *arena)
{
    ProtobufCMessage *message = sw_arena_alloc(arena, type->sizeof_message);
    if (message)
        type->message_init(message);
    return message;
}

/* One element of a repeated field. A text is copied, because it has no NUL at its end. NULL becomes
 * the empty value. */
static bool read_element(const char *data, size_t size, const sw_column *column, void *element,
                         sw_arena *arena)
{
    if (column->bind == SW_BIND_TEXTS)
        return (*(char **)element = sw_arena_strndup(arena, data ? data : "", size)) != NULL;
    if (column->bind == SW_BIND_INTS) {
        *(int64_t *)element = data && size == 8 ? (int64_t)sw_get_be(data, 8) : 0;
        return !data || size == 8;
    }
    ProtobufCMessage *message = new_message(column->row->message, arena);
    *(ProtobufCMessage **)element = message;
    return message && (!data || read_row((reader){data, size}, column->row, message, arena));
}

static bool read_array(reader r, const sw_column *column, void *member, size_t *count, sw_arena *arena)
{
    size_t n, each = column->bind == SW_BIND_INTS ? sizeof(int64_t) : sizeof(void *);
    if (!take_array(&r, &n))
        return false;
    char *list = sw_arena_alloc(arena, n * each + 1);
    if (!list)
        return false;
    for (size_t i = 0; i < n; i++) {
        const char *data;
        size_t size;
        if (!take_value(&r, &data, &size) || !read_element(data, size, column, list + i * each, arena))
            return false;
    }
    *(void **)member = list;
    *count = n;
    return true;
}

static bool read_int(const char *data, int size, const ProtobufCFieldDescriptor *field,
                     ProtobufCMessage *message)
{
    int64_t number;
    if (!sw_get_int(data, size, &number))
        return false;
    sw_field_set_int(message, field, number);
    return true;
}

bool sw_bind_value(const char *data, int size, const sw_column *column, ProtobufCMessage *message,
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
    case SW_BIND_INTS:
    case SW_BIND_ROWS:
        return read_array((reader){data, (size_t)size}, column, member, quantifier, arena);
    case SW_BIND_ROW: {
        ProtobufCMessage *inner = new_message(column->row->message, arena);
        *(ProtobufCMessage **)member = inner;
        return inner && read_row((reader){data, (size_t)size}, column->row, inner, arena);
    }
    case SW_BIND_BYTES:
        *(ProtobufCBinaryData *)member = (ProtobufCBinaryData){(size_t)size, (uint8_t *)data};
        *(protobuf_c_boolean *)quantifier = 1;
        return true;
    default:
        return false;
    }
}

/* record_send's format: the number of columns, and for each its type, length and value. */
static bool read_row(reader r, const sw_row_type *row, ProtobufCMessage *message, sw_arena *arena)
{
    uint32_t count, type;
    if (!take_number(&r, &count) || count != (uint32_t)row->count)
        return false;
    for (int i = 0; i < row->count; i++) {
        const sw_column *column = &row->columns[i];
        const char *data;
        size_t size;
        if (!take_number(&r, &type) || !take_value(&r, &data, &size))
            return false;
        if (!column->field || !data)
            continue;
        if (column->bind == SW_BIND_TEXT)
            data = sw_arena_strndup(arena, data, size);
        if (type != column->type || !data || !sw_bind_value(data, (int)size, column, message, arena))
            return false;
    }
    return true;
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
        if (!sw_bind_value(PQgetvalue(result, row, i), size, &columns[i], message, arena))
            return sw_fail(error, SW_INTERNAL, "column `%s` does not fit its field, or memory is short",
                           PQfname(result, i));
    }
    return SW_OK;
}
