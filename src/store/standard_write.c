/* Builds the statements of Create, Update, Delete and Rename from the resource's row and
 * descriptor. With a request_id, the same statement writes the record, so that both are kept or
 * neither. Used by call.c. */
#include "base/error.h"
#include "google/protobuf/field_mask.pb-c.h"
#include "store/engine.h"
#include <stdio.h>
#include <string.h>

static const char outcome_created[] = "'created'::text";
/* A trigger of every table sets updated_at to the time of the transaction if anything has
 * changed. */
static const char outcome_updated[] = "CASE WHEN updated_at = now() THEN 'updated' ELSE 'unchanged' END";
/* A row that this statement has inserted was never locked or updated. */
static const char outcome_upserted[] =
    "CASE WHEN xmax = 0 THEN 'created' WHEN updated_at = now() THEN 'updated' ELSE 'unchanged' END";

static const char *field_path(const sw_store_call *call, int i)
{
    return sw_arena_printf(call->arena, "%s.%s", call->method->resource->name,
                           call->method->table->columns[i].field->name);
}

static sw_fields fields_set(const sw_table *table, const ProtobufCMessage *resource)
{
    sw_fields set = 0;
    for (int i = 0; i < table->count; i++)
        if (sw_field_is_set(resource, table->columns[i].field))
            set |= (sw_fields)1 << i;
    return set;
}

static void clear_fields(const sw_table *table, ProtobufCMessage *resource, sw_fields fields)
{
    for (int i = 0; i < table->count; i++)
        if (fields >> i & 1)
            sw_field_clear(resource, table->columns[i].field);
}

/* Appends the field as a parameter, or DEFAULT if it is unset. */
static sw_code add_value(sw_store_call *call, const ProtobufCMessage *resource, int i, sw_error *error)
{
    sw_value value;
    if (!sw_field_is_set(resource, call->method->table->columns[i].field)) {
        sw_sql_add(&call->main, "DEFAULT");
        return SW_OK;
    }
    sw_error why;
    sw_code code = sw_bind_field(resource, &call->method->table->columns[i], call->arena, &value, &why);
    if (code != SW_OK)
        return sw_fail_field(error, code, field_path(call, i), "%s", why.message);
    sw_sql_param(&call->main, &value);
    return SW_OK;
}

static void add_revision(sw_store_call *call, const char *current, int64_t expected)
{
    sw_value value = sw_value_int8(call->arena, expected);
    if (!expected)
        value.data = NULL;
    sw_sql_printf(&call->main, "sitewire.next_revision(%s, ", current);
    sw_sql_param(&call->main, &value);
    sw_sql_add(&call->main, ")");
}

/* The values by which the record of a request is found and compared. */
typedef struct record {
    sw_value id, method, hash, caller;
} record;

static record record_of(const sw_store_call *call)
{
    sw_view caller = sw_call_caller(call->rpc);
    return (record){sw_value_text(call->request_id), sw_value_text(call->method->path),
                    sw_value_bytes(call->hash, sizeof(call->hash)),
                    sw_value_text(sw_arena_strndup(call->arena, caller.data, caller.size))};
}

/* `WITH r AS (` before a mutation that leaves a record. */
static void begin(sw_store_call *call)
{
    sw_sql_add(&call->main, call->request_id ? "WITH r AS (" : "");
}

/* Appends the returned columns and, with a request_id, the statement that writes the record. */
static void end(sw_store_call *call, const char *outcome)
{
    sw_sql *sql = &call->main;
    const char *select = call->method->table->select;
    if (!call->request_id) {
        sw_sql_printf(sql, " RETURNING %s, %s AS sw_outcome", select, outcome);
        return;
    }
    record of = record_of(call);
    sw_sql_printf(sql,
                  " RETURNING *, %s AS sw_outcome), q AS (INSERT INTO sitewire.request "
                  "(request_id, method, request_hash, caller, reply) SELECT ",
                  outcome);
    sw_sql_param(sql, &of.id);
    sw_sql_add(sql, ", ");
    sw_sql_param(sql, &of.method);
    sw_sql_add(sql, ", ");
    sw_sql_param(sql, &of.hash);
    sw_sql_add(sql, ", ");
    sw_sql_param(sql, &of.caller);
    sw_sql_printf(sql, ", to_jsonb(r) FROM r) SELECT %s, sw_outcome FROM r", select);
}

void sw_record_build(const sw_store_call *call, sw_sql *sql)
{
    record of = record_of(call);
    sw_value type = sw_value_text(call->method->table->type);
    sw_sql_printf(sql,
                  "SELECT %s, sw_reply->>'sw_outcome', sw_same FROM (SELECT reply AS sw_reply, method = ",
                  call->method->table->select);
    sw_sql_param(sql, &of.method);
    sw_sql_add(sql, " AND request_hash = ");
    sw_sql_param(sql, &of.hash);
    sw_sql_add(sql, " AND caller = ");
    sw_sql_param(sql, &of.caller);
    sw_sql_add(sql, " AS sw_same FROM sitewire.request WHERE request_id = ");
    sw_sql_param(sql, &of.id);
    sw_sql_add(sql, " AND sitewire.may_replay(");
    sw_sql_param(sql, &type);
    /* The lock makes this transaction write, so that its commit waits for a synchronous standby.
     * The change may have been committed without one. */
    sw_sql_printf(sql,
                  ", reply) FOR NO KEY UPDATE) q "
                  "LEFT JOIN LATERAL jsonb_populate_record(NULL::%s, sw_reply) p ON true",
                  call->method->table->name);
}

/* The resource in the request, with a complete key and without computed fields. */
static sw_code prepare(sw_store_call *call, ProtobufCMessage **resource, sw_error *error)
{
    const sw_table *table = call->method->table;
    *resource = sw_field_message(call->request, call->method->resource);
    if (!*resource)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, call->method->resource->name,
                             "required: it holds the %s", table->type);
    for (int i = 0; i < table->key_count; i++)
        if (!sw_field_complete_key(*resource, table->columns[i].field))
            return sw_fail_field(error, SW_INVALID_ARGUMENT, field_path(call, i),
                                 "required: it is part of the key");
    clear_fields(table, *resource, table->computed);
    return SW_OK;
}

static sw_code run_hook(sw_store_call *call, ProtobufCMessage *resource, sw_error *error)
{
    sw_resource_hook *hook = call->method->table->resource->hook;
    return hook ? hook(resource, call->arena, error) : SW_OK;
}

/* `INSERT INTO t AS t (...) VALUES (...)` */
static sw_code add_insert(sw_store_call *call, const ProtobufCMessage *resource, sw_fields fields,
                          sw_error *error)
{
    const sw_table *table = call->method->table;
    const char *before = " (";
    sw_sql_printf(&call->main, "INSERT INTO %s AS t", table->name);
    for (int i = 0; i < table->count; i++)
        if (fields >> i & 1) {
            sw_sql_add(&call->main, before);
            sw_sql_name(&call->main, table->columns[i].field->name);
            before = ", ";
        }
    before = ") VALUES (";
    for (int i = 0; i < table->count; i++)
        if (fields >> i & 1) {
            sw_sql_add(&call->main, before);
            sw_code code = add_value(call, resource, i, error);
            if (code != SW_OK)
                return code;
            before = ", ";
        }
    sw_sql_add(&call->main, ")");
    return SW_OK;
}

static sw_code build_create(sw_store_call *call, sw_error *error)
{
    const sw_table *table = call->method->table;
    ProtobufCMessage *resource;
    sw_code code = prepare(call, &resource, error);
    if (code == SW_OK)
        code = run_hook(call, resource, error);
    if (code != SW_OK)
        return code;
    begin(call);
    code = add_insert(call, resource, fields_set(table, resource) & ~table->bookkeeping, error);
    end(call, outcome_created);
    return code;
}

/* --- Update --- */

/* The fields that the mask names. */
static sw_code read_mask(const sw_store_call *call, sw_fields *mask, sw_error *error)
{
    const sw_table *table = call->method->table;
    const Google__Protobuf__FieldMask *paths =
        (const Google__Protobuf__FieldMask *)sw_field_message(call->request, call->method->update_mask);
    *mask = 0;
    for (size_t p = 0; paths && p < paths->n_paths; p++) {
        char where[48];
        snprintf(where, sizeof(where), "update_mask.paths[%zu]", p);
        if (strcmp(paths->paths[p], "*") == 0) {
            *mask |= ~(table->keys | table->bookkeeping | table->computed);
            continue;
        }
        int i = sw_table_find(table, paths->paths[p]);
        if (i < 0)
            return sw_fail_field(
                error, SW_INVALID_ARGUMENT, where, "%s has no field `%.64s`; its fields: %s", table->type,
                paths->paths[p],
                sw_table_names(table, ~(table->keys | table->bookkeeping | table->computed), call->arena));
        sw_fields bit = (sw_fields)1 << i;
        if (bit & table->keys)
            return sw_fail_field(error, SW_INVALID_ARGUMENT, where,
                                 "`%s` is part of the key, which an update cannot change", paths->paths[p]);
        if (bit & (table->bookkeeping | table->computed))
            return sw_fail_field(error, SW_INVALID_ARGUMENT, where,
                                 "`%s` is set by the registry: leave it out", paths->paths[p]);
        *mask |= bit;
    }
    if (table->count < SW_FIELDS_MAX)
        *mask &= ((sw_fields)1 << table->count) - 1;
    return SW_OK;
}

/* The hook sees a text that the mask clears as empty, which differs from one that stays as it
 * is. */
static void show_cleared(const sw_table *table, ProtobufCMessage *resource, sw_fields mask)
{
    for (int i = 0; i < table->count; i++) {
        const ProtobufCFieldDescriptor *field = table->columns[i].field;
        if (mask >> i & 1 && field->type == PROTOBUF_C_TYPE_STRING &&
            field->label != PROTOBUF_C_LABEL_REPEATED && !sw_field_is_set(resource, field))
            sw_field_set_string(resource, field, "");
    }
}

/* Chooses the fields that the update sets, and runs the hook. If the hook sets one computed field,
 * all of them are written. */
static sw_code choose_fields(sw_store_call *call, ProtobufCMessage *resource, sw_fields *fields,
                             sw_error *error)
{
    const sw_table *table = call->method->table;
    sw_fields fixed = table->keys | table->bookkeeping | table->computed;
    sw_code code = read_mask(call, fields, error);
    if (code != SW_OK)
        return code;
    bool masked = *fields != 0;
    if (!masked)
        *fields = fields_set(table, resource) & ~fixed;
    if (!table->resource->hook)
        return SW_OK;
    if (masked) {
        clear_fields(table, resource, ~(*fields | table->keys | table->bookkeeping));
        show_cleared(table, resource, *fields);
    }
    code = run_hook(call, resource, error);
    if (fields_set(table, resource) & table->computed)
        *fields |= table->computed;
    return code;
}

static sw_code build_upsert(sw_store_call *call, const ProtobufCMessage *resource, sw_fields fields,
                            sw_error *error)
{
    const sw_table *table = call->method->table;
    sw_sql *sql = &call->main;
    call->upserts = true;
    sw_fields insert = (fields_set(table, resource) | fields) & ~table->bookkeeping;
    begin(call);
    sw_code code = add_insert(call, resource, insert, error);
    for (int i = 0; i < table->key_count; i++) {
        sw_sql_add(sql, i ? ", " : " ON CONFLICT (");
        sw_sql_name(sql, table->columns[i].field->name);
    }
    sw_sql_add(sql, ") DO UPDATE SET ");
    for (int i = 0; i < table->count; i++)
        if (fields >> i & 1) {
            sw_sql_name(sql, table->columns[i].field->name);
            sw_sql_add(sql, " = excluded.");
            sw_sql_name(sql, table->columns[i].field->name);
            sw_sql_add(sql, ", ");
        }
    sw_sql_add(sql, "revision = ");
    add_revision(call, "t.revision", 0);
    end(call, outcome_upserted);
    return code;
}

static sw_code build_update(sw_store_call *call, sw_error *error)
{
    const sw_table *table = call->method->table;
    sw_sql *sql = &call->main;
    ProtobufCMessage *resource;
    sw_fields fields = 0;
    sw_code code = prepare(call, &resource, error);
    if (code == SW_OK)
        code = choose_fields(call, resource, &fields, error);
    if (code != SW_OK)
        return code;
    int64_t revision = sw_field_int(resource, table->columns[table->revision].field);
    /* A missing row has no revision to match. */
    if (sw_field_bool(call->request, call->method->allow_missing) && !revision && !call->update_only)
        return build_upsert(call, resource, fields, error);
    begin(call);
    sw_sql_printf(sql, "UPDATE %s AS t SET ", table->name);
    for (int i = 0; i < table->count && code == SW_OK; i++)
        if (fields >> i & 1) {
            sw_sql_name(sql, table->columns[i].field->name);
            sw_sql_add(sql, " = ");
            code = add_value(call, resource, i, error);
            sw_sql_add(sql, ", ");
        }
    sw_sql_add(sql, "revision = ");
    add_revision(call, "t.revision", revision);
    for (int i = 0; i < table->key_count && code == SW_OK; i++) {
        sw_sql_add(sql, i ? " AND " : " WHERE ");
        sw_sql_name(sql, table->columns[i].field->name);
        sw_sql_add(sql, " = ");
        code = add_value(call, resource, i, error);
    }
    end(call, outcome_updated);
    return code;
}

/* --- Delete and Rename --- */

/* Returns the columns as they were. The outcome checks the revision. */
static sw_code build_delete(sw_store_call *call, sw_error *error)
{
    int64_t revision = sw_field_int(call->request, call->method->revision);
    sw_value expected = sw_value_int8(call->arena, revision);
    if (!revision)
        expected.data = NULL;
    int n = sw_sql_bind(&call->main, &expected);
    begin(call);
    sw_sql_printf(&call->main, "DELETE FROM %s WHERE ", call->method->table->name);
    sw_code code = sw_key_condition(call, &call->main, error);
    char outcome[96];
    snprintf(outcome, sizeof(outcome),
             "CASE WHEN sitewire.next_revision(revision, $%d) > 0 THEN 'deleted' END", n);
    end(call, outcome);
    return code;
}

static sw_code build_rename(sw_store_call *call, sw_error *error)
{
    const sw_store_method *method = call->method;
    sw_column column = method->table->columns[0];
    sw_value value;
    column.field = method->new_key;
    if (!sw_field_complete_key(call->request, column.field))
        return sw_fail_field(error, SW_INVALID_ARGUMENT, column.field->name, "required: it is the new key");
    sw_code code = sw_bind_field(call->request, &column, call->arena, &value, error);
    if (code != SW_OK)
        return code;
    begin(call);
    sw_sql_printf(&call->main, "UPDATE %s SET ", method->table->name);
    sw_sql_name(&call->main, method->table->columns[0].field->name);
    sw_sql_add(&call->main, " = ");
    sw_sql_param(&call->main, &value);
    sw_sql_add(&call->main, ", revision = ");
    add_revision(call, "revision", sw_field_int(call->request, method->revision));
    sw_sql_add(&call->main, " WHERE ");
    code = sw_key_condition(call, &call->main, error);
    end(call, outcome_updated);
    return code;
}

sw_code sw_write_build(sw_store_call *call, sw_error *error)
{
    switch (call->method->verb) {
    case SW_VERB_CREATE:
        return build_create(call, error);
    case SW_VERB_UPDATE:
        return build_update(call, error);
    case SW_VERB_DELETE:
        return build_delete(call, error);
    default:
        return build_rename(call, error);
    }
}
