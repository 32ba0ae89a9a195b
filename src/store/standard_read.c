/* Builds the statements of Get and List from the resource's row and descriptor. Used by call.c. */
#include "base/clock.h"
#include "base/error.h"
#include "store/bind/time.h"
#include "store/engine.h"
#include <string.h>

static const int page_default = 50, page_max = 1000;

sw_code sw_key_condition(sw_store_call *call, sw_sql *sql, sw_error *error)
{
    const sw_store_method *method = call->method;
    for (int i = 0; i < method->table->key_count; i++) {
        sw_column column = method->table->columns[i];
        const char *name = column.field->name;
        column.field = method->keys[i];
        sw_value value;
        if (!sw_field_complete_key(call->request, column.field))
            return sw_fail_field(error, SW_INVALID_ARGUMENT, column.field->name,
                                 "required: it is part of the key");
        sw_code code = sw_bind_field(call->request, &column, call->arena, &value, error);
        if (code != SW_OK)
            return code;
        if (sql->known && sw_statement_is_known(sql->known)) {
            sw_sql_bind(sql, &value);
            continue;
        }
        sw_sql_add(sql, i ? " AND " : "");
        sw_sql_name(sql, name);
        sw_sql_add(sql, " = ");
        sw_sql_param(sql, &value);
    }
    return SW_OK;
}

/* The request's read_time, without data if it has none. */
static sw_code bind_read_time(sw_store_call *call, sw_value *value, sw_error *error)
{
    const ProtobufCFieldDescriptor *field = call->method->read_time;
    *value = (sw_value){.type = SW_OID_TIMESTAMPTZ, .binary = true};
    if (!field || !sw_field_is_set(call->request, field))
        return SW_OK;
    sw_column column = {.field = field, .bind = SW_BIND_TIME, .type = SW_OID_TIMESTAMPTZ};
    sw_error why;
    if (sw_bind_field(call->request, &column, call->arena, value, &why) != SW_OK)
        return sw_fail_field(error, why.code, field->name, "%s", why.message);
    if ((int64_t)sw_get_be(value->data, 8) + (int64_t)SW_PG_EPOCH * 1000000 > sw_wall_us())
        return sw_fail_field(error, SW_INVALID_ARGUMENT, field->name,
                             "it lies in the future: leave it out for what is there now");
    return SW_OK;
}

/* Whether the keys of history have a lower bound: a page that continues in the order of the first
 * key field has no smaller keys, because a key of history begins with that field. Not for numbers,
 * which sort differently as texts. */
static bool goes_on_by_key(const sw_store_call *call)
{
    return call->after && call->order.keys[0].column == 0 && !call->order.keys[0].descending &&
           call->method->table->columns[0].bind == SW_BIND_TEXT;
}

/* Appends the source of the rows: the table or, as of a time, history, with rows of the same type.
 * Bounds for the keys exclude rows of history that cannot match. */
static void add_source(sw_store_call *call, const sw_value *read_time)
{
    const sw_table *table = call->method->table;
    sw_sql *sql = &call->main;
    if (!read_time->data) {
        sw_sql_add(sql, table->name);
    } else if (table->resource->added_at) {
        sw_sql_add(sql, "(SELECT * FROM ");
        sw_sql_add(sql, table->name);
        sw_sql_add(sql, " WHERE ");
        sw_sql_name(sql, table->resource->added_at);
        sw_sql_add(sql, " <= ");
        sw_sql_param(sql, read_time);
        sw_sql_add(sql, ") past");
    } else {
        sw_value type = sw_value_text(table->type), last = sw_value_text(NULL), first = last;
        if (call->method->verb == SW_VERB_GET)
            first = last = sw_value_text(sw_key_text(call));
        else if (goes_on_by_key(call))
            first = call->after[0];
        sw_sql_add(sql, "(SELECT r.* FROM sitewire.as_of(");
        sw_sql_param(sql, &type);
        sw_sql_add(sql, ", ");
        sw_sql_param(sql, read_time);
        sw_sql_add(sql, ", ");
        sw_sql_param(sql, &first);
        sw_sql_add(sql, ", ");
        sw_sql_param(sql, &last);
        sw_sql_add(sql, ") was, jsonb_populate_record(NULL::");
        sw_sql_add(sql, table->name);
        sw_sql_add(sql, ", was) r) past");
    }
}

static void begin_select(sw_store_call *call, const char *columns)
{
    sw_sql_add(&call->main, "SELECT ");
    sw_sql_add(&call->main, columns);
    sw_sql_add(&call->main, " FROM ");
    add_source(call, &call->selection.read_time);
}

sw_code sw_read_build(sw_store_call *call, sw_error *error)
{
    sw_code code = bind_read_time(call, &call->selection.read_time, error);
    if (code != SW_OK)
        return code;
    call->main.known = call->selection.read_time.data ? NULL : &call->method->table->get;
    if (!call->main.known || !sw_statement_is_known(call->main.known)) {
        begin_select(call, call->method->table->select);
        sw_sql_add(&call->main, " WHERE ");
    }
    return sw_key_condition(call, &call->main, error);
}

static void *member(const sw_store_call *call, const ProtobufCFieldDescriptor *field)
{
    return (char *)call->request + field->offset;
}

static size_t repeated(const sw_store_call *call, const ProtobufCFieldDescriptor *field)
{
    return *(size_t *)((char *)call->request + field->quantifier_offset);
}

static sw_code read_request(sw_store_call *call, sw_error *error)
{
    const sw_store_method *method = call->method;
    int64_t size = sw_field_int(call->request, method->page_size);
    if (size < 0)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "page_size",
                             "negative: leave it out, or give 1 to %d", page_max);
    call->page_size = size == 0 ? page_default : size > page_max ? page_max : (int)size;
    call->selection = (sw_selection){.filters = *(Sw__Filter ***)member(call, method->filters),
                                     .filter_count = repeated(call, method->filters),
                                     .orders = *(Sw__OrderBy ***)member(call, method->order_by),
                                     .order_count = repeated(call, method->order_by),
                                     .search = sw_field_string(call->request, method->search)};
    sw_code code = bind_read_time(call, &call->selection.read_time, error);
    return code == SW_OK ? sw_order_resolve(method->table, &call->selection, &call->order, error) : code;
}

/* Reads where the previous page ended, if there was one. */
static sw_code read_token(sw_store_call *call, sw_error *error)
{
    const sw_store_method *method = call->method;
    const char *token = sw_field_string(call->request, method->page_token);
    sw_page_shape(method->table, &call->selection, call->shape);
    if (!token || !*token)
        return SW_OK;
    call->after = sw_arena_alloc(call->arena, (size_t)call->order.count * sizeof(*call->after));
    if (!call->after)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "the call needs too much memory");
    return sw_page_decode(call->store->page_key, call->shape, method->table, &call->order, token, call->arena,
                          call->after, error);
}

static void add_page(sw_store_call *call)
{
    const sw_table *table = call->method->table;
    if (call->after)
        sw_order_after(table, &call->order, call->after, &call->main);
    sw_order_by(table, &call->order, &call->main);
    sw_value limit =
        sw_value_int8(call->arena, call->page_size + 1); /* one more row shows that there is a next page */
    sw_sql_add(&call->main, " LIMIT ");
    sw_sql_param(&call->main, &limit);
}

sw_code sw_list_build(sw_store_call *call, bool count, sw_error *error)
{
    const sw_table *table = call->method->table;
    sw_code code = read_request(call, error);
    if (code == SW_OK && !count)
        code = read_token(call, error);
    if (code != SW_OK)
        return code;
    begin_select(call, count ? "count(*)" : table->select);
    code = sw_filter_where(table, &call->selection, &call->main, error);
    if (code == SW_OK && !count)
        add_page(call);
    return code;
}
