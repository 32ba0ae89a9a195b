/* Tables of resources (table.h). */
#include "store/bind/table.h"
#include "base/error.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int sw_table_find(const sw_table *table, const char *field)
{
    const ProtobufCMessageDescriptor *message = table->resource->message;
    const ProtobufCFieldDescriptor *found = protobuf_c_message_descriptor_get_field_by_name(message, field);
    return found ? (int)(found - message->fields) : -1;
}

static sw_fields find_bit(const sw_table *table, const char *field)
{
    int i = sw_table_find(table, field);
    return i < 0 ? 0 : (sw_fields)1 << i;
}

/* The space-separated names of `list` as a set. */
static sw_code parse_names(const sw_table *table, const char *list, sw_fields *set, sw_error *error)
{
    char name[64];
    int used;
    for (; list && sscanf(list, "%63s%n", name, &used) == 1; list += used) {
        sw_fields bit = find_bit(table, name);
        if (!bit)
            return sw_fail(error, SW_INTERNAL, "%s: computed field `%s` is no field", table->type, name);
        *set |= bit;
    }
    return SW_OK;
}

sw_code sw_table_new(const sw_resource *resource, sw_table **out, sw_error *error)
{
    const ProtobufCMessageDescriptor *message = resource->message;
    int count = (int)message->n_fields, keys = resource->key_count;
    if (count > SW_FIELDS_MAX || keys < 1 || keys > SW_KEYS_MAX || keys > count)
        return sw_fail(error, SW_INTERNAL, "%s: %d fields and %d keys; at most %d and 1 to %d are possible",
                       message->short_name, count, keys, SW_FIELDS_MAX, SW_KEYS_MAX);
    sw_table *table = calloc(1, sizeof(*table));
    sw_arena *arena = sw_arena_new(0);
    sw_code code = SW_OK;
    if (table) {
        table->resource = resource;
        table->type = message->short_name;
        table->count = count;
        table->key_count = keys;
        table->keys = ((sw_fields)1 << keys) - 1;
        table->columns = calloc((size_t)count, sizeof(*table->columns));
        table->bookkeeping =
            find_bit(table, "created_at") | find_bit(table, "updated_at") | find_bit(table, "revision");
        table->revision = sw_table_find(table, "revision");
        code = parse_names(table, resource->computed, &table->computed, error);
    }
    if (table && arena) {
        sw_sql name;
        sw_sql_init(&name, arena);
        sw_sql_name(&name, resource->table);
        table->name = name.failed ? NULL : strdup(name.text);
    }
    sw_arena_destroy(&arena);
    if (code == SW_OK && (!table || !table->columns || !table->name))
        code = sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    if (code != SW_OK)
        sw_table_destroy(&table);
    else
        for (int i = 0; i < count; i++)
            table->columns[i].field = &message->fields[i];
    *out = table;
    return code;
}

void sw_table_destroy(sw_table **table)
{
    if (!*table)
        return;
    free((*table)->name);
    free((*table)->select);
    free((*table)->columns);
    free(*table);
    *table = NULL;
}

static sw_code make_select(sw_table *table, sw_error *error)
{
    sw_arena *arena = sw_arena_new(0);
    sw_sql list;
    free(table->select);
    table->select = NULL;
    table->get = (sw_known_statement){0};
    if (arena) {
        sw_sql_init(&list, arena);
        for (int i = 0; i < table->count; i++) {
            sw_sql_add(&list, i ? ", " : "");
            /* concat writes a value as PostgreSQL displays it; ::text would add a mask to an
             * address. */
            bool cast = table->columns[i].bind == SW_BIND_CAST;
            sw_sql_add(&list, cast ? "nullif(concat(" : "");
            sw_sql_name(&list, table->columns[i].field->name);
            sw_sql_add(&list, cast ? "), '')" : "");
        }
        table->select = list.failed ? NULL : strdup(list.text);
    }
    sw_arena_destroy(&arena);
    return table->select ? SW_OK : sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
}

sw_code sw_table_load(sw_table *table, const PGresult *rows, int first, int end, sw_error *error)
{
    if (first == end)
        return sw_fail(error, SW_FAILED_PRECONDITION, "the database has no table %s", table->resource->table);
    for (int i = 0; i < table->count; i++) {
        sw_column *column = &table->columns[i];
        const char *name = column->field->name;
        int row = first;
        while (row < end && strcmp(PQgetvalue(rows, row, 1), name) != 0)
            row++;
        if (row == end)
            return sw_fail(error, SW_FAILED_PRECONDITION, "table %s has no column `%s`",
                           table->resource->table, name);
        column->type = (Oid)strtoul(PQgetvalue(rows, row, 2), NULL, 10);
        column->nullable =
            i >= table->key_count && *PQgetvalue(rows, row, 3) != 't'; /* a view does not know */
        snprintf(column->type_name, sizeof(column->type_name), "%s", PQgetvalue(rows, row, 4));
        column->bind = sw_bind_find(column->field, column->type);
        if (column->bind == SW_BIND_NONE)
            return sw_fail(error, SW_FAILED_PRECONDITION,
                           "column `%s` of %s has type %s, which its field cannot take", name,
                           table->resource->table, column->type_name);
    }
    return make_select(table, error);
}

void sw_table_assume(sw_table *table)
{
    for (int i = 0; i < table->count; i++) {
        sw_column *column = &table->columns[i];
        column->type = sw_bind_default_type(column->field);
        column->bind = sw_bind_find(column->field, column->type);
        column->nullable = false;
        snprintf(column->type_name, sizeof(column->type_name), "text");
    }
    make_select(table, NULL);
}

const char *sw_table_names(const sw_table *table, sw_fields set, sw_arena *arena)
{
    const char *text = "";
    for (int i = 0; i < table->count && text; i++)
        if (set >> i & 1)
            text = sw_arena_printf(arena, "%s%s%s", text, *text ? ", " : "", table->columns[i].field->name);
    return text ? text : "";
}
