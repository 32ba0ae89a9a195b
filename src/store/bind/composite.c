/* Composite types: which message goes with which, and messages as parameters (composite.h). row.c reads them. */
#include "store/bind/composite.h"
#include "base/error.h"
#include <limits.h>
#include <string.h>

/* --- Types --- */

static const sw_row_type *need_row(const ProtobufCMessageDescriptor *message, const sw_attribute *first,
                                   sw_attributes *attributes, sw_arena *arena)
{
    for (sw_row_type *each = attributes->rows; each; each = each->next)
        if (each->message == message && each->type == first->row)
            return each;
    const sw_attribute *end = first;
    while (end < attributes->list + attributes->count && end->row == first->row)
        end++;
    size_t count = (size_t)(end - first);
    sw_row_type *row = sw_arena_alloc(arena, sizeof(*row));
    sw_column *columns = sw_arena_alloc(arena, count * sizeof(*columns));
    if (!row || !columns)
        return NULL;
    memset(columns, 0, count * sizeof(*columns));
    *row = (sw_row_type){message, first->row, (int)count, columns, NULL};
    for (size_t i = 0; i < count; i++) {
        columns[i].type = first[i].type;
        columns[i].field = protobuf_c_message_descriptor_get_field_by_name(message, first[i].name);
        if (!columns[i].field)
            continue;
        sw_column_fit(&columns[i], attributes, arena);
        if (columns[i].bind == SW_BIND_NONE || columns[i].bind == SW_BIND_CAST)
            return NULL;
    }
    row->next = attributes->rows;
    attributes->rows = row;
    return row;
}

void sw_column_fit(sw_column *column, sw_attributes *attributes, sw_arena *arena)
{
    const ProtobufCFieldDescriptor *field = column->field;
    column->bind = sw_bind_find(field, column->type);
    if (column->bind != SW_BIND_NONE || field->type != PROTOBUF_C_TYPE_MESSAGE)
        return;
    bool many = field->label == PROTOBUF_C_LABEL_REPEATED;
    for (size_t i = 0; i < attributes->count; i++) {
        const sw_attribute *at = &attributes->list[i];
        if (column->type != (many ? at->array : at->row))
            continue;
        column->row = need_row(field->descriptor, at, attributes, arena);
        if (column->row)
            column->bind = many ? SW_BIND_ROWS : SW_BIND_ROW;
        return;
    }
}

/* --- Parameters --- */

/* Appends a length and what is that long, as both records and arrays have it. */
static char *put_value(char *at, const sw_value *value)
{
    sw_put_be(at, value->data ? (uint64_t)value->size : UINT32_MAX, 4);
    if (value->data)
        memcpy(at + 4, value->data, (size_t)value->size);
    return at + 4 + (value->data ? value->size : 0);
}

/* Room for `count` values after `head` bytes, each after `each` bytes and its length. NULL if that is too much. */
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
sw_code sw_row_bind(const ProtobufCMessage *message, const sw_row_type *row, sw_arena *arena, sw_value *value,
                    sw_error *error)
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

/* array_send's format: dimensions, flags, type, length, lower bound, and for each element its length and value. */
sw_code sw_rows_bind(ProtobufCMessage *const *messages, size_t count, const sw_column *column,
                     sw_arena *arena, sw_value *value, sw_error *error)
{
    sw_value *values = sw_arena_alloc(arena, (count + 1) * sizeof(*values));
    if (!values)
        return fail_size(error);
    for (size_t i = 0; i < count; i++) {
        sw_error why;
        sw_code code = sw_row_bind(messages[i], column->row, arena, &values[i], &why);
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
