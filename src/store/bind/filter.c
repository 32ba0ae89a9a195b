/* Filters and search of List requests as SQL conditions (filter.h). */
#include "store/bind/filter.h"
#include "base/error.h"
#include <stdio.h>
#include <string.h>

typedef enum { OP_COMPARE, OP_PREFIX, OP_CONTAINS, OP_IN, OP_IS_NULL } op_kind;

typedef struct op {
    const char *name;
    op_kind kind;
    const char *sql; /* of a comparison */
} operator;

static const operator ops[] = {
    {"=", OP_COMPARE, "="},    {"!=", OP_COMPARE, "IS DISTINCT FROM"},
    {"<", OP_COMPARE, "<"},    {"<=", OP_COMPARE, "<="},
    {">", OP_COMPARE, ">"},    {">=", OP_COMPARE, ">="},
    {"prefix", OP_PREFIX, ""}, {"contains", OP_CONTAINS, ""},
    {"in", OP_IN, ""},         {"is_null", OP_IS_NULL, ""},
};

/* The filter that is being converted. Errors name its parts. */
typedef struct context {
    size_t index;
    const Sw__Filter *filter;
    const sw_column *column;
    sw_sql *sql;
    sw_error *error;
} context;

static sw_code fail_part(const context *at, const char *part, const char *text)
{
    char path[64];
    snprintf(path, sizeof(path), "filters[%zu].%s", at->index, part);
    return sw_fail_field(at->error, SW_INVALID_ARGUMENT, path, "%s", text);
}

static const operator* find_op(const char *name)
{
    if (!name || !*name)
        return &ops[0];
    for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++)
        if (strcmp(ops[i].name, name) == 0)
            return &ops[i];
    return NULL;
}

static sw_code bind_value(const context *at, size_t i, sw_value *value)
{
    sw_error why;
    sw_code code = sw_bind_text(at->filter->values[i], at->column, at->sql->arena, value, &why);
    if (code == SW_OK)
        return code;
    if (code == SW_RESOURCE_EXHAUSTED)
        return sw_fail(at->error, code, "%s", why.message);
    char part[32];
    snprintf(part, sizeof(part), "values[%zu]", i);
    return fail_part(at, part, why.message);
}

static void add_column(const context *at, bool as_text)
{
    bool cast = as_text && at->column->bind == SW_BIND_CAST; /* see make_select in table.c */
    sw_sql_add(at->sql, cast ? "concat(" : "");
    sw_sql_name(at->sql, at->column->field->name);
    sw_sql_add(at->sql, cast ? ")" : "");
}

static bool is_string(const sw_column *column)
{
    return column->bind == SW_BIND_TEXT || column->bind == SW_BIND_CAST;
}

/* An empty reference is stored as NULL, an empty text as an empty text. To a caller both are
 * unset. */
static void add_empty(const context *at, bool empty)
{
    bool nullable = at->column->nullable;
    add_column(at, false);
    if (nullable)
        sw_sql_add(at->sql, empty ? " IS NULL" : " IS NOT NULL");
    else if (at->column->bind == SW_BIND_TEXT)
        sw_sql_add(at->sql, empty ? " = ''" : " <> ''");
    else if (at->column->bind == SW_BIND_TEXTS)
        sw_sql_add(at->sql, empty ? " = '{}'" : " <> '{}'");
    else
        sw_sql_add(at->sql, empty ? " IS NULL" : " IS NOT NULL");
}

static sw_code add_compare(const context *at, const operator* op)
{
    sw_value value;
    if (at->filter->n_values != 1)
        return fail_part(at, "values", "give exactly one value");
    if (at->column->bind == SW_BIND_TEXTS)
        return fail_part(at, "op",
                         "a list cannot be compared: use contains with one of its elements, or is_null");
    sw_code code = bind_value(at, 0, &value);
    if (code != SW_OK)
        return code;
    bool equality = op == &ops[0] || op == &ops[1];
    if (equality && is_string(at->column) && at->column->nullable && value.size == 0) {
        add_empty(at, op == &ops[0]);
        return SW_OK;
    }
    if (at->column->bind == SW_BIND_CAST && value.size == 0)
        return fail_part(at, "values[0]", "an empty value goes with = and != only");
    add_column(at, false);
    sw_sql_printf(at->sql, " %s ", op->sql);
    sw_sql_param(at->sql, &value);
    return SW_OK;
}

static sw_code add_part(const context *at, op_kind kind)
{
    sw_value value;
    if (at->filter->n_values != 1)
        return fail_part(at, "values", "give exactly one value");
    bool list = at->column->bind == SW_BIND_TEXTS;
    if (!is_string(at->column) && !(list && kind == OP_CONTAINS))
        return fail_part(at, "op", "this field is no text: use = != < <= > >= in or is_null");
    value = sw_value_text(at->filter->values[0]);
    if (list) {
        sw_sql_param(at->sql, &value);
        sw_sql_add(at->sql, " = ANY(");
        add_column(at, false);
        sw_sql_add(at->sql, ")");
        return SW_OK;
    }
    sw_sql_add(at->sql, kind == OP_PREFIX ? "" : "strpos(");
    add_column(at, true);
    sw_sql_add(at->sql, kind == OP_PREFIX ? " ^@ " : ", ");
    sw_sql_param(at->sql, &value);
    sw_sql_add(at->sql, kind == OP_PREFIX ? "" : ") > 0");
    return SW_OK;
}

/* All values as one text[] parameter, cast to the column's type, so that the text of the statement
 * does not depend on their number. Numbers and times are checked here, so that the error names the
 * value. An empty reference is compared as NULL. */
static sw_code add_in(const context *at)
{
    const Sw__Filter *filter = at->filter;
    if (filter->n_values == 0 || filter->n_values > SW_FILTER_VALUES_MAX)
        return fail_part(at, "values", "give 1 to 1000 values");
    if (at->column->bind == SW_BIND_TEXTS)
        return fail_part(at, "op",
                         "a list cannot be compared: use contains with one of its elements, or is_null");
    for (size_t i = 0; i < filter->n_values; i++) {
        sw_value value;
        sw_code code = bind_value(at, i, &value);
        if (code != SW_OK)
            return code;
    }
    char **texts = sw_arena_alloc(at->sql->arena, filter->n_values * sizeof(*texts));
    size_t count = 0;
    bool empty = false;
    for (size_t i = 0; texts && i < filter->n_values; i++) {
        bool none = is_string(at->column) && at->column->nullable && !*filter->values[i];
        if (!none)
            texts[count++] = filter->values[i];
        empty |= none;
    }
    sw_value values = sw_value_texts(at->sql->arena, texts, count);
    at->sql->failed |= !texts;
    sw_sql_add(at->sql, "(");
    add_column(at, false);
    sw_sql_add(at->sql, " = ANY(");
    sw_sql_param(at->sql, &values);
    if (at->column->bind != SW_BIND_TEXT)
        sw_sql_printf(at->sql, "::%s[]", at->column->type_name);
    sw_sql_add(at->sql, ")");
    if (empty) {
        sw_sql_add(at->sql, " OR ");
        add_empty(at, true);
    }
    sw_sql_add(at->sql, ")");
    return SW_OK;
}

static sw_code add_is_null(const context *at)
{
    const Sw__Filter *filter = at->filter;
    bool no = filter->n_values == 1 && strcmp(filter->values[0], "false") == 0;
    bool yes = filter->n_values == 0 || (filter->n_values == 1 && strcmp(filter->values[0], "true") == 0);
    if (!yes && !no)
        return fail_part(at, "values", "is_null takes no value, `true` or `false`");
    add_empty(at, yes);
    return SW_OK;
}

static sw_code add_filter(const sw_table *table, context *at)
{
    const char *name = at->filter->field ? at->filter->field : "";
    int i = sw_table_find(table, name);
    if (i < 0) {
        char text[SW_ERROR_MESSAGE_SIZE];
        snprintf(text, sizeof(text), "%s has no field `%.64s`; its fields: %s", table->type, name,
                 sw_table_names(table, ~(sw_fields)0, at->sql->arena));
        return fail_part(at, "field", text);
    }
    at->column = &table->columns[i];
    const operator* op = find_op(at->filter->op);
    if (!op)
        return fail_part(at, "op", "unknown; use = != < <= > >= prefix contains in or is_null");
    if (at->column->bind == SW_BIND_BYTES && op->kind != OP_IS_NULL)
        return fail_part(at, "op", "bytes cannot be compared: use is_null");
    switch (op->kind) {
    case OP_COMPARE:
        return add_compare(at, op);
    case OP_PREFIX:
    case OP_CONTAINS:
        return add_part(at, op->kind);
    case OP_IN:
        return add_in(at);
    default:
        return add_is_null(at);
    }
}

/* `%text%`, with the special characters of LIKE escaped. */
static char *like_pattern(const char *text, sw_arena *arena)
{
    char *pattern = sw_arena_alloc(arena, 2 * strlen(text) + 3), *to = pattern;
    if (!pattern)
        return NULL;
    *to++ = '%';
    for (; *text; text++) {
        if (strchr("%_\\", *text))
            *to++ = '\\';
        *to++ = *text;
    }
    *to++ = '%';
    return pattern;
}

static sw_code add_search(const sw_table *table, const char *search, sw_sql *sql, sw_error *error)
{
    if (strlen(search) > SW_SEARCH_MAX)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "search",
                             "longer than %d bytes: search for a part of it", SW_SEARCH_MAX);
    sw_value pattern = sw_value_text(like_pattern(search, sql->arena));
    int n = sw_sql_bind(sql, &pattern);
    const char *before = " AND (";
    for (int i = 0; i < table->count; i++) {
        sw_bind bind = table->columns[i].bind;
        if (bind != SW_BIND_TEXT && bind != SW_BIND_CAST && bind != SW_BIND_TEXTS)
            continue;
        sw_sql_add(sql, before);
        before = " OR ";
        sw_sql_add(sql, bind == SW_BIND_TEXTS ? "array_to_string(" : bind == SW_BIND_CAST ? "concat(" : "");
        sw_sql_name(sql, table->columns[i].field->name);
        sw_sql_add(sql, bind == SW_BIND_TEXTS ? ", ' ')" : bind == SW_BIND_CAST ? ")" : "");
        /* Columns use the collation C; letter case follows the locale of the database. */
        sw_sql_printf(sql, " COLLATE \"default\" ILIKE $%d", n);
    }
    sw_sql_add(sql, ")"); /* the key is always text */
    return SW_OK;
}

sw_code sw_filter_where(const sw_table *table, const sw_selection *selection, sw_sql *sql, sw_error *error)
{
    if (selection->filter_count > SW_FILTERS_MAX)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "filters", "more than %d filters", SW_FILTERS_MAX);
    sw_sql_add(sql, " WHERE true");
    for (size_t i = 0; i < selection->filter_count; i++) {
        context at = {.index = i, .filter = selection->filters[i], .sql = sql, .error = error};
        sw_sql_add(sql, " AND ");
        sw_code code = add_filter(table, &at);
        if (code != SW_OK)
            return code;
    }
    if (selection->search && *selection->search)
        return add_search(table, selection->search, sql, error);
    return SW_OK;
}
