/* Converts the error of a statement to one that names the field at fault and the remedy (engine.h).
 * Used by call.c. */
#include "base/error.h"
#include "store/engine.h"
#include "store/pg/sqlstate.h"
#include <stdio.h>
#include <string.h>

static const char *diagnostic(const PGresult *result, int field)
{
    const char *text = PQresultErrorField(result, field);
    return text ? text : "";
}

/* Whether `schema.table` is the one that the failure is about. */
static bool is_table(const PGresult *result, const char *name)
{
    const char *schema = diagnostic(result, PG_DIAG_SCHEMA_NAME),
               *table = diagnostic(result, PG_DIAG_TABLE_NAME);
    size_t length = strlen(schema);
    return strncmp(name, schema, length) == 0 && name[length] == '.' && strcmp(name + length + 1, table) == 0;
}

/* Takes a name off the comma-separated list: the index of the field in the resource, or -1. */
static int next_field(const sw_store_call *call, const char **list)
{
    char name[64];
    size_t length = strcspn(*list, ",");
    snprintf(name, sizeof(name), "%.*s", (int)length, *list);
    *list += length + ((*list)[length] == ',');
    return sw_table_find(call->method->table, name);
}

/* The message that holds the values of the call, and its field for field i of the resource. */
static const ProtobufCMessage *holder(const sw_store_call *call, int i,
                                      const ProtobufCFieldDescriptor **field)
{
    const sw_store_method *method = call->method;
    if (method->resource) {
        *field = method->table->columns[i].field;
        return sw_field_message(call->request, method->resource);
    }
    *field = i < method->table->key_count ? method->keys[i] : NULL;
    return call->request;
}

static const char *value_text(const sw_store_call *call, int i)
{
    const ProtobufCFieldDescriptor *field = NULL;
    const ProtobufCMessage *message = i < 0 ? NULL : holder(call, i, &field);
    if (!message || !field || field->label == PROTOBUF_C_LABEL_REPEATED)
        return "";
    const char *text = field->type == PROTOBUF_C_TYPE_STRING ? sw_field_string(message, field)
                       : field->type == PROTOBUF_C_TYPE_INT64 || field->type == PROTOBUF_C_TYPE_INT32
                           ? sw_arena_printf(call->arena, "%lld", (long long)sw_field_int(message, field))
                           : NULL;
    return text ? text : "";
}

const char *sw_key_text(const sw_store_call *call)
{
    const char *text = "";
    for (int i = 0; call->method->table && call->method->verb != SW_VERB_LIST &&
                    i < call->method->table->key_count && text;
         i++)
        text = sw_arena_printf(call->arena, "%s%s%s", text, i ? "/" : "", value_text(call, i));
    return text ? text : "";
}

static void set_resource(const sw_store_call *call, sw_error *error)
{
    const char *key = sw_key_text(call);
    if (*key)
        snprintf(error->resource, sizeof(error->resource), "%s/%s", call->method->table->type, key);
}

/* Sets the path of a field in the request. `name` is its column, which a constraint names. */
static void set_field(const sw_store_call *call, const char *name, sw_error *error)
{
    const sw_store_method *method = call->method;
    if (method->verb == SW_VERB_RENAME)
        snprintf(error->field, sizeof(error->field), "%s", method->new_key->name);
    else if (method->resource)
        snprintf(error->field, sizeof(error->field), "%s.%s", method->resource->name, name);
}

static const sw_foreign_key *find_foreign_key(const sw_store_call *call, const PGresult *result)
{
    const char *name = diagnostic(result, PG_DIAG_CONSTRAINT_NAME);
    for (size_t i = 0; i < call->store->foreign_key_count; i++)
        if (strcmp(call->store->foreign_keys[i].name, name) == 0 &&
            is_table(result, call->store->foreign_keys[i].from))
            return &call->store->foreign_keys[i];
    return NULL;
}

static const char *type_of_table(const sw_store *store, const char *table)
{
    for (size_t i = 0; i < store->table_count; i++)
        if (strcmp(store->tables[i]->resource->table, table) == 0)
            return store->tables[i]->type;
    return table;
}

/* Names the row that a foreign key refers to and that does not exist, by the values of the
 * request. */
static void missing_foreign_key(const sw_store_call *call, const sw_foreign_key *foreign_key, sw_error *error)
{
    char key[192] = "";
    size_t used = 0;
    for (const char *list = foreign_key->from_columns; *list && used < sizeof(key) - 1;) {
        const char *value = value_text(call, next_field(call, &list));
        used += (size_t)snprintf(key + used, sizeof(key) - used, "%s%s", used ? "/" : "", value);
    }
    snprintf(error->message, sizeof(error->message), "no such %s \"%s\": create it first",
             type_of_table(call->store, foreign_key->to), key);
}

static void fill_constraint(const sw_store_call *call, const PGresult *result, sw_error *error)
{
    const char *state = diagnostic(result, PG_DIAG_SQLSTATE);
    const char *constraint = diagnostic(result, PG_DIAG_CONSTRAINT_NAME);
    char field[SW_ERROR_FIELD_SIZE] = "";
    const sw_rule *rule = NULL;
    if (strcmp(state, "23502") == 0) {
        set_field(call, diagnostic(result, PG_DIAG_COLUMN_NAME), error);
        snprintf(error->message, sizeof(error->message), "required: `%s` has no value",
                 diagnostic(result, PG_DIAG_COLUMN_NAME));
        return;
    }
    if (!sw_rule_parse(constraint, field, sizeof(field), &rule))
        return;
    if (strcmp(state, "23514") == 0 || strcmp(state, "23505") == 0)
        error->code = rule->code;
    if (is_table(result, call->method->table->resource->table))
        set_field(call, field, error);
    snprintf(error->message, sizeof(error->message), "%s", rule->remedy);
    const sw_foreign_key *foreign_key = strcmp(state, "23503") == 0 ? find_foreign_key(call, result) : NULL;
    if (foreign_key && call->method->verb == SW_VERB_DELETE)
        snprintf(error->message, sizeof(error->message),
                 "still referred to by %s.%s: remove or change that first",
                 diagnostic(result, PG_DIAG_TABLE_NAME), field);
    else if (foreign_key)
        missing_foreign_key(call, foreign_key, error);
}

void sw_fault_fill(const sw_store_call *call, const PGresult *result, sw_error *error)
{
    const sw_sqlstate *state = sw_sqlstate_find(PQresultErrorField(result, PG_DIAG_SQLSTATE));
    const char *message = diagnostic(result, PG_DIAG_MESSAGE_PRIMARY);
    if (!*message)
        message = PQresultErrorMessage(result);
    sw_fail(error, state->code, "%s%s%s", state->text ? state->text : "", state->text ? ": " : "", message);
    error->retry_safe = state->again || state->code == SW_UNAVAILABLE;
    if (!call->method->table) {
        if (state->kind == SW_FAULT_RAISED)
            snprintf(error->field, sizeof(error->field), "%s", diagnostic(result, PG_DIAG_MESSAGE_HINT));
        return;
    }
    set_resource(call, error);
    if (state->kind == SW_FAULT_CONSTRAINT)
        fill_constraint(call, result, error);
    else if (state->kind == SW_FAULT_RAISED)
        snprintf(error->field, sizeof(error->field), "%s", diagnostic(result, PG_DIAG_MESSAGE_HINT));
    else if (state->kind == SW_FAULT_REVISION) {
        snprintf(error->field, sizeof(error->field), "%s%srevision",
                 call->method->resource ? call->method->resource->name : "",
                 call->method->resource ? "." : "");
        snprintf(error->message, sizeof(error->message), "%s: read it again, and decide again", message);
    } else if (call->upserts && strcmp(diagnostic(result, PG_DIAG_SQLSTATE), "42501") == 0) {
        /* Row security: the caller may not see the existing row. A create reports the same. */
        error->code = SW_ALREADY_EXISTS;
        set_field(call, call->method->table->columns[0].field->name, error);
        snprintf(error->message, sizeof(error->message), "it is taken: choose another");
    }
}

void sw_fault_not_found(const sw_store_call *call, sw_error *error)
{
    if (!call->method->table) {
        sw_fail(error, SW_NOT_FOUND, "nothing found");
        return;
    }
    sw_fail(error, SW_NOT_FOUND, "no such %s \"%s\"", call->method->table->type, sw_key_text(call));
    set_resource(call, error);
}

/* --- What refers to a row that cannot be deleted --- */

const sw_foreign_key *sw_fault_foreign_key(const sw_store_call *call, const PGresult *result)
{
    if (call->method->verb != SW_VERB_DELETE || strcmp(diagnostic(result, PG_DIAG_SQLSTATE), "23503") != 0)
        return NULL;
    const sw_foreign_key *foreign_key = find_foreign_key(call, result);
    return foreign_key && strcmp(foreign_key->to, call->method->table->resource->table) == 0 ? foreign_key
                                                                                             : NULL;
}

bool sw_referrers_build(const sw_store_call *call, const sw_foreign_key *foreign_key, sw_sql *sql)
{
    sw_sql_add(sql, foreign_key->referrers);
    for (const char *list = foreign_key->to_columns; *list;) {
        int i = next_field(call, &list);
        if (i < 0 || i >= call->method->table->key_count)
            return false;
        sw_value value = {call->method->table->columns[i].type, false, value_text(call, i), 0};
        sw_sql_bind(sql, &value);
    }
    return !sql->failed;
}

void sw_fault_referrers(const sw_foreign_key *foreign_key, const PGresult *keys, sw_error *error)
{
    enum { SHOWN = 3 };
    char list[256] = "";
    size_t used = 0;
    int count = PQntuples(keys);
    for (int i = 0; i < count && i < SHOWN && used < sizeof(list); i++)
        used +=
            (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "", PQgetvalue(keys, i, 0));
    if (!count)
        return;
    const char *table = strchr(foreign_key->from, '.');
    snprintf(error->message, sizeof(error->message),
             "still referred to by %s.%s (%s%s): remove or change that first",
             table ? table + 1 : foreign_key->from, foreign_key->from_columns, list,
             count > SHOWN ? ", ..." : "");
}
