/* Methods with a statement of their own: `:name` becomes $n; parameters and result columns are
 * matched with fields by name. Used by store.c at registration, by schema_check.c when the database
 * has described the statement, and by call.c. */
#include "base/error.h"
#include "store/engine.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Skips a part of the text that cannot contain a parameter: a string, a quoted identifier, a
 * comment, a dollar quote, a cast. Returns its end, or `at` if no such part begins there. */
static const char *skip(const char *at)
{
    const char *end = at;
    if (at[0] == '\'' || at[0] == '"') {
        end = strchr(at + 1, at[0]); /* after a doubled quote the next part begins */
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

static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *message, const char *name)
{
    return message ? protobuf_c_message_descriptor_get_field_by_name(message, name) : NULL;
}

/* The number of a parameter. A new one takes the field with its name, of the inner message if that
 * has one. 0 if there is no such field. */
static int number_of(const sw_store_method *method, sw_query_statement *statement, const char *name,
                     size_t length)
{
    char text[64];
    if (length >= sizeof(text))
        return 0;
    memcpy(text, name, length);
    text[length] = '\0';
    const ProtobufCFieldDescriptor *field = find_field(method->query->inner, text);
    if (!field)
        field = find_field(method->descriptor->input, text);
    if (!field)
        return 0;
    for (int i = 0; i < statement->parameter_count; i++)
        if (statement->parameters[i].field == field)
            return i + 1;
    statement->parameters[statement->parameter_count].field = field;
    return ++statement->parameter_count;
}

sw_code sw_query_parse(const sw_store_method *method, sw_query_statement *statement, const char *sql,
                       const ProtobufCMessageDescriptor *result, sw_error *error)
{
    const ProtobufCMessageDescriptor *inner = method->query->inner;
    const ProtobufCFieldDescriptor *items = find_field(result, "items");
    sw_arena *arena = sw_arena_new(0);
    sw_code code = SW_OK;
    statement->result = result;
    if (items && items->label == PROTOBUF_C_LABEL_REPEATED && items->type == PROTOBUF_C_TYPE_MESSAGE)
        statement->items = items;
    statement->parameters = calloc(method->descriptor->input->n_fields + (inner ? inner->n_fields : 0) + 1,
                                   sizeof(*statement->parameters));
    if (!arena || !statement->parameters) {
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
        int number = number_of(method, statement, at + 1, (size_t)(end - at - 1));
        if (!number)
            code = sw_fail(error, SW_INTERNAL, "%s: parameter `%.*s` is no field of %s", method->path,
                           (int)(end - at), at, method->descriptor->input->name);
        sw_sql_printf(&text, "%.*s$%d", (int)(at - from), from, number);
        from = at = end;
    }
    sw_sql_add(&text, from);
    statement->sql = text.failed ? NULL : strdup(text.text);
    sw_arena_destroy(&arena);
    if (code == SW_OK && !statement->sql)
        code = sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    return code;
}

void sw_query_statement_clear(sw_query_statement *statement)
{
    free(statement->sql);
    free(statement->parameters);
    free(statement->columns);
    *statement = (sw_query_statement){0};
}

static sw_code load_columns(const sw_store_method *method, sw_query_statement *statement,
                            const PGresult *description, sw_error *error)
{
    const ProtobufCMessageDescriptor *message =
        statement->items ? statement->items->descriptor : statement->result;
    int count = PQnfields(description);
    sw_column *columns = calloc((size_t)count + 1, sizeof(*columns));
    if (!columns)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    free(statement->columns);
    statement->columns = columns;
    statement->column_count = count;
    for (int i = 0; i < count; i++) {
        const char *name = PQfname(description, i);
        columns[i].field = protobuf_c_message_descriptor_get_field_by_name(message, name);
        columns[i].type = PQftype(description, i);
        if (!columns[i].field)
            return sw_fail(error, SW_FAILED_PRECONDITION, "%s: column `%s` is no field of %s", method->path,
                           name, message->name);
        sw_column_fit(&columns[i], &method->store->attributes, method->store->catalog);
        if (columns[i].bind == SW_BIND_NONE || columns[i].bind == SW_BIND_CAST)
            return sw_fail(error, SW_FAILED_PRECONDITION,
                           "%s: the type of column `%s` does not fit its field", method->path, name);
    }
    return SW_OK;
}

sw_code sw_query_load(const sw_store_method *method, sw_query_statement *statement,
                      const PGresult *description, sw_error *error)
{
    for (int i = 0; i < statement->parameter_count && i < PQnparams(description); i++) {
        sw_column *parameter = &statement->parameters[i];
        parameter->type = PQparamtype(description, i);
        sw_column_fit(parameter, &method->store->attributes, method->store->catalog);
        if (parameter->bind == SW_BIND_NONE)
            return sw_fail(error, SW_FAILED_PRECONDITION,
                           "%s: the type of parameter `:%s` does not fit its field", method->path,
                           parameter->field->name);
    }
    return load_columns(method, statement, description, error);
}

/* The message that has the field of a parameter: the inner message or the request. */
static const ProtobufCMessage *holder(const sw_store_call *call, const ProtobufCFieldDescriptor *field)
{
    const ProtobufCMessageDescriptor *inner = call->method->query->inner;
    return inner && field >= inner->fields && field < inner->fields + inner->n_fields ? call->inner
                                                                                      : call->request;
}

sw_code sw_query_build(sw_store_call *call, const sw_query_statement *statement, sw_error *error)
{
    sw_sql_add(&call->main, statement->sql);
    for (int i = 0; i < statement->parameter_count; i++) {
        const sw_column *parameter = &statement->parameters[i];
        sw_value value;
        sw_error why;
        sw_code code = sw_bind_field(holder(call, parameter->field), parameter, call->arena, &value, &why);
        if (code != SW_OK)
            return sw_fail_field(error, code, parameter->field->name, "%s", why.message);
        sw_sql_bind(&call->main, &value);
    }
    return SW_OK;
}

sw_code sw_query_hook_run(sw_store_call *call, sw_query_hook *hook, ProtobufCMessage *reply, sw_error *error)
{
    const sw_hook_context context = {call->store->hook_context, call->request, call->inner, reply,
                                     call->arena};
    return hook ? hook(&context, error) : SW_OK;
}
