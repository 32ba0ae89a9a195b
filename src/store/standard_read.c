/* Statements of Get and List, generated from the resource's row and descriptor. Used by op.c. */
#include "base/error.h"
#include "store/engine.h"
#include <string.h>

static const int page_default = 50, page_max = 1000;

sw_code sw_key_condition(sw_op *op, sw_sql *sql, sw_error *error)
{
    const sw_plan *plan = op->plan;
    for (int i = 0; i < plan->table->key_count; i++) {
        sw_column column = plan->table->columns[i];
        const char *name = column.field->name;
        column.field = plan->keys[i];
        sw_value value;
        if (!sw_field_complete_key(op->request, column.field))
            return sw_fail_field(error, SW_INVALID_ARGUMENT, column.field->name,
                                 "required: it is part of the key");
        sw_code code = sw_bind_field(op->request, &column, op->arena, &value, error);
        if (code != SW_OK)
            return code;
        sw_sql_add(sql, i ? " AND " : "");
        sw_sql_name(sql, name);
        sw_sql_add(sql, " = ");
        sw_sql_param(sql, &value);
    }
    return SW_OK;
}

sw_code sw_read_build(sw_op *op, sw_error *error)
{
    sw_sql_add(&op->main, "SELECT ");
    sw_sql_add(&op->main, op->plan->table->select);
    sw_sql_add(&op->main, " FROM ");
    sw_sql_add(&op->main, op->plan->table->name);
    sw_sql_add(&op->main, " WHERE ");
    return sw_key_condition(op, &op->main, error);
}

static void *member(const sw_op *op, const ProtobufCFieldDescriptor *field)
{
    return (char *)op->request + field->offset;
}

static size_t repeated(const sw_op *op, const ProtobufCFieldDescriptor *field)
{
    return *(size_t *)((char *)op->request + field->quantifier_offset);
}

static sw_code read_request(sw_op *op, sw_error *error)
{
    const sw_plan *plan = op->plan;
    int64_t size = sw_field_int(op->request, plan->page_size);
    if (size < 0)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "page_size",
                             "negative: leave it out, or give 1 to %d", page_max);
    op->page_size = size == 0 ? page_default : size > page_max ? page_max : (int)size;
    op->selection = (sw_selection){.filters = *(Sw__Filter ***)member(op, plan->filters),
                                   .filter_count = repeated(op, plan->filters),
                                   .orders = *(Sw__OrderBy ***)member(op, plan->order_by),
                                   .order_count = repeated(op, plan->order_by),
                                   .search = sw_field_string(op->request, plan->search)};
    return sw_order_resolve(plan->table, &op->selection, &op->order, error);
}

static sw_code list_page(sw_op *op, sw_error *error)
{
    const sw_plan *plan = op->plan;
    sw_value *values = sw_arena_alloc(op->arena, (size_t)op->order.count * sizeof(*values));
    const char *token = sw_field_string(op->request, plan->page_token);
    sw_page_shape(plan->table, &op->selection, op->shape);
    if (!values)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "the call needs too much memory");
    if (token && *token) {
        sw_code code = sw_page_decode(op->store->page_key, op->shape, plan->table, &op->order, token,
                                      op->arena, values, error);
        if (code != SW_OK)
            return code;
        sw_order_after(plan->table, &op->order, values, &op->main);
    }
    sw_order_by(plan->table, &op->order, &op->main);
    sw_value limit =
        sw_value_int8(op->arena, op->page_size + 1); /* one more tells whether there is a next page */
    sw_sql_add(&op->main, " LIMIT ");
    sw_sql_param(&op->main, &limit);
    return SW_OK;
}

sw_code sw_list_build(sw_op *op, bool count, sw_error *error)
{
    const sw_table *table = op->plan->table;
    sw_code code = read_request(op, error);
    if (code != SW_OK)
        return code;
    sw_sql_add(&op->main, "SELECT ");
    sw_sql_add(&op->main, count ? "count(*)" : table->select);
    sw_sql_add(&op->main, " FROM ");
    sw_sql_add(&op->main, table->name);
    code = sw_filter_where(table, &op->selection, &op->main, error);
    return code != SW_OK || count ? code : list_page(op, error);
}
