/* The order of List requests, and the rows after a given one (filter.h). */
#include "base/error.h"
#include "store/bind/filter.h"
#include <stdio.h>
#include <string.h>

sw_code sw_order_resolve(const sw_table *table, const sw_selection *selection, sw_order *order,
                         sw_error *error)
{
    sw_fields seen = 0;
    order->count = 0;
    if (selection->order_count > SW_ORDER_MAX)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "order_by", "more than %d fields", SW_ORDER_MAX);
    for (size_t i = 0; i < selection->order_count; i++) {
        const Sw__OrderBy *by = selection->orders[i];
        int column = sw_table_find(table, by->field ? by->field : "");
        char path[64];
        snprintf(path, sizeof(path), "order_by[%zu].field", i);
        if (column < 0)
            return sw_fail_field(error, SW_INVALID_ARGUMENT, path, "%s has no field `%.64s`", table->type,
                                 by->field ? by->field : "");
        if (seen >> column & 1)
            return sw_fail_field(error, SW_INVALID_ARGUMENT, path, "`%s` is there already", by->field);
        seen |= (sw_fields)1 << column;
        order->keys[order->count].column = column;
        order->keys[order->count++].descending = by->has_descending && by->descending;
    }
    for (int i = 0; i < table->key_count; i++)
        if (!(seen >> i & 1)) {
            order->keys[order->count].column = i;
            order->keys[order->count++].descending = false;
        }
    return SW_OK;
}

void sw_order_by(const sw_table *table, const sw_order *order, sw_sql *sql)
{
    for (int i = 0; i < order->count; i++) {
        sw_sql_add(sql, i ? ", " : " ORDER BY ");
        sw_sql_name(sql, table->columns[order->keys[i].column].field->name);
        sw_sql_add(sql, order->keys[i].descending ? " DESC" : "");
    }
}

/* One row comparison, which can use an index on these columns. */
static void after_row(const sw_table *table, const sw_order *order, const sw_value *values, sw_sql *sql)
{
    for (int i = 0; i < order->count; i++) {
        sw_sql_add(sql, i ? ", " : " AND (");
        sw_sql_name(sql, table->columns[order->keys[i].column].field->name);
    }
    for (int i = 0; i < order->count; i++) {
        sw_sql_add(sql, i ? ", " : ") > (");
        sw_sql_param(sql, &values[i]);
    }
    sw_sql_add(sql, ")");
}

/* The column lies after the value: NULL is greater than any. */
static void after_one(const sw_column *column, bool descending, const sw_value *value, sw_sql *sql)
{
    if (!value->data && !descending) {
        sw_sql_add(sql, "false");
        return;
    }
    sw_sql_add(sql, "(");
    sw_sql_name(sql, column->field->name);
    if (!value->data) {
        sw_sql_add(sql, " IS NOT NULL)");
        return;
    }
    sw_sql_add(sql, descending ? " < " : " > ");
    sw_sql_param(sql, value);
    if (column->nullable && !descending) {
        sw_sql_add(sql, " OR ");
        sw_sql_name(sql, column->field->name);
        sw_sql_add(sql, " IS NULL");
    }
    sw_sql_add(sql, ")");
}

static void same_one(const sw_column *column, const sw_value *value, sw_sql *sql)
{
    sw_sql_name(sql, column->field->name);
    if (value->data) {
        sw_sql_add(sql, " = ");
        sw_sql_param(sql, value);
    } else {
        sw_sql_add(sql, " IS NULL");
    }
}

void sw_order_after(const sw_table *table, const sw_order *order, const sw_value *values, sw_sql *sql)
{
    bool plain = true;
    for (int i = 0; i < order->count; i++)
        plain &= !order->keys[i].descending && !table->columns[order->keys[i].column].nullable;
    if (plain) {
        after_row(table, order, values, sql);
        return;
    }
    /* a > 1 OR (a = 1 AND (b > 2 OR (b = 2 AND (c > 3)))) */
    sw_sql_add(sql, " AND (");
    for (int i = 0; i < order->count; i++) {
        const sw_column *column = &table->columns[order->keys[i].column];
        after_one(column, order->keys[i].descending, &values[i], sql);
        if (i + 1 < order->count) {
            sw_sql_add(sql, " OR (");
            same_one(column, &values[i], sql);
            sw_sql_add(sql, " AND (");
        }
    }
    for (int i = 0; i < order->count; i++)
        sw_sql_add(sql, i + 1 < order->count ? "))" : ")");
}
