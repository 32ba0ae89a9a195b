/* Which message goes with which composite type (composite.h). parameter.c writes values of these
 * types, row.c reads them. */
#include "store/bind/composite.h"
#include <string.h>

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
