/* A failed statement as an error that names the field at fault and the remedy (engine.h). Used by call.c. */
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

/* A name of the comma-separated list: the index of its field in the op's resource, or -1. */
static int next_field(const sw_op *op, const char **list)
{
    char name[64];
    size_t length = strcspn(*list, ",");
    snprintf(name, sizeof(name), "%.*s", (int)length, *list);
    *list += length + ((*list)[length] == ',');
    return sw_table_find(op->plan->table, name);
}

/* The message that holds the op's values, and the field there that goes with field i of the resource. */
static const ProtobufCMessage *holder(const sw_op *op, int i, const ProtobufCFieldDescriptor **field)
{
    const sw_plan *plan = op->plan;
    if (plan->resource) {
        *field = plan->table->columns[i].field;
        return sw_field_message(op->request, plan->resource);
    }
    *field = i < plan->table->key_count ? plan->keys[i] : NULL;
    return op->request;
}

static const char *value_text(const sw_op *op, int i)
{
    const ProtobufCFieldDescriptor *field = NULL;
    const ProtobufCMessage *message = i < 0 ? NULL : holder(op, i, &field);
    if (!message || !field || field->label == PROTOBUF_C_LABEL_REPEATED)
        return "";
    const char *text = field->type == PROTOBUF_C_TYPE_STRING ? sw_field_string(message, field)
                       : field->type == PROTOBUF_C_TYPE_INT64 || field->type == PROTOBUF_C_TYPE_INT32
                           ? sw_arena_printf(op->arena, "%lld", (long long)sw_field_int(message, field))
                           : NULL;
    return text ? text : "";
}

const char *sw_key_text(const sw_op *op)
{
    const char *text = "";
    for (int i = 0;
         op->plan->table && op->plan->verb != SW_VERB_LIST && i < op->plan->table->key_count && text; i++)
        text = sw_arena_printf(op->arena, "%s%s%s", text, i ? "/" : "", value_text(op, i));
    return text ? text : "";
}

static void set_resource(const sw_op *op, sw_error *error)
{
    const char *key = sw_key_text(op);
    if (*key)
        snprintf(error->resource, sizeof(error->resource), "%s/%s", op->plan->table->type, key);
}

/* The path in the request of the resource's field named by a constraint. */
static void set_field(const sw_op *op, const char *name, sw_error *error)
{
    const sw_plan *plan = op->plan;
    if (plan->verb == SW_VERB_RENAME)
        snprintf(error->field, sizeof(error->field), "%s", plan->new_key->name);
    else if (plan->resource)
        snprintf(error->field, sizeof(error->field), "%s.%s", plan->resource->name, name);
}

static const sw_reference *find_reference(const sw_op *op, const PGresult *result)
{
    const char *name = diagnostic(result, PG_DIAG_CONSTRAINT_NAME);
    for (size_t i = 0; i < op->store->reference_count; i++)
        if (strcmp(op->store->references[i].name, name) == 0 &&
            is_table(result, op->store->references[i].from))
            return &op->store->references[i];
    return NULL;
}

static const char *type_of_table(const sw_store *store, const char *table)
{
    for (size_t i = 0; i < store->table_count; i++)
        if (strcmp(store->tables[i]->resource->table, table) == 0)
            return store->tables[i]->type;
    return table;
}

/* What is referred to and is not there, in the words of the request. */
static void missing_reference(const sw_op *op, const sw_reference *reference, sw_error *error)
{
    char key[192] = "";
    size_t used = 0;
    for (const char *list = reference->from_columns; *list && used < sizeof(key) - 1;) {
        const char *value = value_text(op, next_field(op, &list));
        used += (size_t)snprintf(key + used, sizeof(key) - used, "%s%s", used ? "/" : "", value);
    }
    snprintf(error->message, sizeof(error->message), "no such %s \"%s\": create it first",
             type_of_table(op->store, reference->to), key);
}

static void fill_constraint(const sw_op *op, const PGresult *result, sw_error *error)
{
    const char *state = diagnostic(result, PG_DIAG_SQLSTATE);
    const char *constraint = diagnostic(result, PG_DIAG_CONSTRAINT_NAME);
    char field[SW_ERROR_FIELD_SIZE] = "";
    const sw_rule *rule = NULL;
    if (strcmp(state, "23502") == 0) {
        set_field(op, diagnostic(result, PG_DIAG_COLUMN_NAME), error);
        snprintf(error->message, sizeof(error->message), "required: `%s` has no value",
                 diagnostic(result, PG_DIAG_COLUMN_NAME));
        return;
    }
    if (!sw_rule_parse(constraint, field, sizeof(field), &rule))
        return;
    if (strcmp(state, "23514") == 0 || strcmp(state, "23505") == 0)
        error->code = rule->code;
    if (is_table(result, op->plan->table->resource->table))
        set_field(op, field, error);
    snprintf(error->message, sizeof(error->message), "%s", rule->remedy);
    const sw_reference *reference = strcmp(state, "23503") == 0 ? find_reference(op, result) : NULL;
    if (reference && op->plan->verb == SW_VERB_DELETE)
        snprintf(error->message, sizeof(error->message),
                 "still referred to by %s.%s: remove or change that first",
                 diagnostic(result, PG_DIAG_TABLE_NAME), field);
    else if (reference)
        missing_reference(op, reference, error);
}

void sw_fault_fill(const sw_op *op, const PGresult *result, sw_error *error)
{
    const sw_sqlstate *state = sw_sqlstate_find(PQresultErrorField(result, PG_DIAG_SQLSTATE));
    const char *message = diagnostic(result, PG_DIAG_MESSAGE_PRIMARY);
    if (!*message)
        message = PQresultErrorMessage(result);
    sw_fail(error, state->code, "%s%s%s", state->text ? state->text : "", state->text ? ": " : "", message);
    error->retry_safe = state->again || state->code == SW_UNAVAILABLE;
    if (!op->plan->table) {
        if (state->kind == SW_FAULT_RAISED)
            snprintf(error->field, sizeof(error->field), "%s", diagnostic(result, PG_DIAG_MESSAGE_HINT));
        return;
    }
    set_resource(op, error);
    if (state->kind == SW_FAULT_CONSTRAINT)
        fill_constraint(op, result, error);
    else if (state->kind == SW_FAULT_RAISED)
        snprintf(error->field, sizeof(error->field), "%s", diagnostic(result, PG_DIAG_MESSAGE_HINT));
    else if (state->kind == SW_FAULT_REVISION) {
        snprintf(error->field, sizeof(error->field), "%s%srevision",
                 op->plan->resource ? op->plan->resource->name : "", op->plan->resource ? "." : "");
        snprintf(error->message, sizeof(error->message), "%s: read it again, and decide again", message);
    } else if (op->upserts && strcmp(diagnostic(result, PG_DIAG_SQLSTATE), "42501") == 0) {
        /* Row security: the row that is in the way is not the caller's to see. A create says the same. */
        error->code = SW_ALREADY_EXISTS;
        set_field(op, op->plan->table->columns[0].field->name, error);
        snprintf(error->message, sizeof(error->message), "it is taken: choose another");
    }
}

void sw_fault_not_found(const sw_op *op, sw_error *error)
{
    if (!op->plan->table) {
        sw_fail(error, SW_NOT_FOUND, "nothing found");
        return;
    }
    sw_fail(error, SW_NOT_FOUND, "no such %s \"%s\"", op->plan->table->type, sw_key_text(op));
    set_resource(op, error);
}

/* --- What refers to a row that cannot be deleted --- */

const sw_reference *sw_fault_reference(const sw_op *op, const PGresult *result)
{
    if (op->plan->verb != SW_VERB_DELETE || strcmp(diagnostic(result, PG_DIAG_SQLSTATE), "23503") != 0)
        return NULL;
    const sw_reference *reference = find_reference(op, result);
    return reference && strcmp(reference->to, op->plan->table->resource->table) == 0 ? reference : NULL;
}

bool sw_referrers_build(const sw_op *op, const sw_reference *reference, sw_sql *sql)
{
    sw_sql_add(sql, reference->referrers);
    for (const char *list = reference->to_columns; *list;) {
        int i = next_field(op, &list);
        if (i < 0 || i >= op->plan->table->key_count)
            return false;
        sw_value value = {op->plan->table->columns[i].type, false, value_text(op, i), 0};
        sw_sql_bind(sql, &value);
    }
    return !sql->failed;
}

void sw_fault_referrers(const sw_reference *reference, const PGresult *keys, sw_error *error)
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
    const char *table = strchr(reference->from, '.');
    snprintf(error->message, sizeof(error->message),
             "still referred to by %s.%s (%s%s): remove or change that first",
             table ? table + 1 : reference->from, reference->from_columns, list,
             count > SHOWN ? ", ..." : "");
}
