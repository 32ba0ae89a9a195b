/* Methods with a statement of their own: `:name` becomes $n, parameters and result columns find their fields by
 * name. Used by store.c at registration, boot.c once the database has described the statement, and op.c. */
#include "base/error.h"
#include "store/engine.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* The end of what begins at `at` and is no place for a parameter: a string, a quoted identifier, a comment, a dollar
 * quote, a cast. `at` itself if nothing such begins here. */
static const char *skip(const char *at)
{
    const char *end = at;
    if (at[0] == '\'' || at[0] == '"') {
        end = strchr(at + 1, at[0]); /* a doubled quote begins again */
        return end ? end + 1 : at + strlen(at);
    }
    if (at[0] == '-' && at[1] == '-')
        return at + strcspn(at, "\n");
    if (at[0] == '/' && at[1] == '*') {
        end = strstr(at + 2, "*/");
        return end ? end + 2 : at + strlen(at);
    }
    if (at[0] == ':' && (at[1] == ':' || at[1] == '='))
        return at + 2;
    if (at[0] == '$' && !isdigit((unsigned char)at[1])) {
        const char *tag = at + 1;
        while (is_name(*tag))
            tag++;
        if (*tag == '$') {
            size_t length = (size_t)(tag + 1 - at);
            for (end = tag + 1; *end && strncmp(end, at, length) != 0; end++)
                continue;
            return *end ? end + length : end;
        }
    }
    return at;
}

/* The parameter's number; a new one takes the request field of its name. 0 if there is none. */
static int number_of(sw_plan *plan, const char *name, size_t length)
{
    char text[64];
    if (length >= sizeof(text))
        return 0;
    memcpy(text, name, length);
    text[length] = '\0';
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(plan->method->input, text);
    if (!field)
        return 0;
    for (int i = 0; i < plan->parameter_count; i++)
        if (plan->parameters[i].field == field)
            return i + 1;
    plan->parameters[plan->parameter_count].field = field;
    return ++plan->parameter_count;
}

sw_code sw_query_parse(sw_plan *plan, const char *sql, sw_error *error)
{
    sw_arena *arena = sw_arena_new(0);
    plan->parameters = calloc(plan->method->input->n_fields + 1, sizeof(*plan->parameters));
    sw_code code = SW_OK;
    if (!arena || !plan->parameters) {
        sw_arena_destroy(&arena);
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    }
    sw_sql text;
    sw_sql_init(&text, arena);
    const char *from = sql, *at = sql;
    while (*at && code == SW_OK) {
        const char *end = skip(at);
        bool starts = end == at && *at == ':' && (isalpha((unsigned char)at[1]) || at[1] == '_') &&
                      (at == sql || !is_name(at[-1]));
        if (!starts) {
            at = end == at ? at + 1 : end;
            continue;
        }
        for (end = at + 1; is_name(*end);)
            end++;
        int number = number_of(plan, at + 1, (size_t)(end - at - 1));
        if (!number)
            code = sw_fail(error, SW_INTERNAL, "%s: parameter `%.*s` is no field of %s", plan->path,
                           (int)(end - at), at, plan->method->input->name);
        sw_sql_printf(&text, "%.*s$%d", (int)(at - from), from, number);
        from = at = end;
    }
    sw_sql_add(&text, from);
    plan->sql = text.failed ? NULL : strdup(text.text);
    sw_arena_destroy(&arena);
    if (code == SW_OK && !plan->sql)
        code = sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    return code;
}

static sw_code load_columns(sw_plan *plan, const PGresult *description, sw_error *error)
{
    const ProtobufCMessageDescriptor *message = plan->items ? plan->items->descriptor : plan->method->output;
    int count = PQnfields(description);
    sw_column *columns = calloc((size_t)count + 1, sizeof(*columns));
    if (!columns)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    free(plan->columns);
    plan->columns = columns;
    plan->column_count = count;
    for (int i = 0; i < count; i++) {
        const char *name = PQfname(description, i);
        columns[i].field = protobuf_c_message_descriptor_get_field_by_name(message, name);
        columns[i].type = PQftype(description, i);
        if (!columns[i].field)
            return sw_fail(error, SW_FAILED_PRECONDITION, "%s: column `%s` is no field of %s", plan->path,
                           name, message->name);
        sw_column_fit(&columns[i], &plan->store->attributes, plan->store->catalog);
        if (columns[i].bind == SW_BIND_NONE || columns[i].bind == SW_BIND_CAST)
            return sw_fail(error, SW_FAILED_PRECONDITION,
                           "%s: the type of column `%s` does not fit its field", plan->path, name);
    }
    return SW_OK;
}

sw_code sw_query_load(sw_plan *plan, const PGresult *description, sw_error *error)
{
    for (int i = 0; i < plan->parameter_count && i < PQnparams(description); i++) {
        sw_column *parameter = &plan->parameters[i];
        parameter->type = PQparamtype(description, i);
        sw_column_fit(parameter, &plan->store->attributes, plan->store->catalog);
        if (parameter->bind == SW_BIND_NONE)
            return sw_fail(error, SW_FAILED_PRECONDITION,
                           "%s: the type of parameter `:%s` does not fit its field", plan->path,
                           parameter->field->name);
    }
    return load_columns(plan, description, error);
}

sw_code sw_query_build(sw_op *op, sw_error *error)
{
    const sw_plan *plan = op->plan;
    sw_sql_add(&op->main, plan->sql);
    for (int i = 0; i < plan->parameter_count; i++) {
        sw_value value;
        sw_error why;
        sw_code code = sw_bind_field(op->request, &plan->parameters[i], op->arena, &value, &why);
        if (code != SW_OK)
            return sw_fail_field(error, code, plan->parameters[i].field->name, "%s", why.message);
        sw_sql_bind(&op->main, &value);
    }
    return SW_OK;
}
