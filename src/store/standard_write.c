/* Statements of Create, Update, Delete and Rename, generated from the resource's row and descriptor. With a
 * request_id, the same statement writes its record: both are kept or none. Used by call.c. */
#include "base/error.h"
#include "google/protobuf/field_mask.pb-c.h"
#include "store/engine.h"
#include <stdio.h>
#include <string.h>

static const char outcome_created[] = "'created'::text";
/* The trigger of every table sets updated_at to the transaction's time if anything has changed. */
static const char outcome_updated[] = "CASE WHEN updated_at = now() THEN 'updated' ELSE 'unchanged' END";
/* A row that this statement has inserted was never locked or updated. */
static const char outcome_upserted[] =
    "CASE WHEN xmax = 0 THEN 'created' WHEN updated_at = now() THEN 'updated' ELSE 'unchanged' END";

static const char *field_path(const sw_op *op, int i)
{
    return sw_arena_printf(op->arena, "%s.%s", op->plan->resource->name,
                           op->plan->table->columns[i].field->name);
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

/* The field as a parameter; one that is not set becomes DEFAULT. */
static sw_code add_value(sw_op *op, const ProtobufCMessage *resource, int i, sw_error *error)
{
    sw_value value;
    if (!sw_field_is_set(resource, op->plan->table->columns[i].field)) {
        sw_sql_add(&op->main, "DEFAULT");
        return SW_OK;
    }
    sw_error why;
    sw_code code = sw_bind_field(resource, &op->plan->table->columns[i], op->arena, &value, &why);
    if (code != SW_OK)
        return sw_fail_field(error, code, field_path(op, i), "%s", why.message);
    sw_sql_param(&op->main, &value);
    return SW_OK;
}

static void add_revision(sw_op *op, const char *current, int64_t expected)
{
    sw_value value = sw_value_int8(op->arena, expected);
    if (!expected)
        value.data = NULL;
    sw_sql_printf(&op->main, "sitewire.next_revision(%s, ", current);
    sw_sql_param(&op->main, &value);
    sw_sql_add(&op->main, ")");
}

/* What tells a record of a request_id from others. */
typedef struct record {
    sw_value id, method, hash, caller;
} record;

static record record_of(const sw_op *op)
{
    sw_view caller = sw_call_caller(op->call);
    return (record){sw_value_text(op->request_id), sw_value_text(op->plan->path),
                    sw_value_bytes(op->hash, sizeof(op->hash)),
                    sw_value_text(sw_arena_strndup(op->arena, caller.data, caller.size))};
}

/* `WITH r AS (` before a mutation that leaves a record. */
static void begin(sw_op *op)
{
    sw_sql_add(&op->main, op->request_id ? "WITH r AS (" : "");
}

/* What comes back, and the record. Without one the mutation itself returns the columns. */
static void end(sw_op *op, const char *outcome)
{
    sw_sql *sql = &op->main;
    const char *select = op->plan->table->select;
    if (!op->request_id) {
        sw_sql_printf(sql, " RETURNING %s, %s AS sw_outcome", select, outcome);
        return;
    }
    record of = record_of(op);
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

void sw_record_build(const sw_op *op, sw_sql *sql)
{
    record of = record_of(op);
    sw_sql_printf(sql,
                  "SELECT %s, sw_reply->>'sw_outcome', sw_same FROM (SELECT reply AS sw_reply, method = ",
                  op->plan->table->select);
    sw_sql_param(sql, &of.method);
    sw_sql_add(sql, " AND request_hash = ");
    sw_sql_param(sql, &of.hash);
    sw_sql_add(sql, " AND caller = ");
    sw_sql_param(sql, &of.caller);
    sw_sql_add(sql, " AS sw_same FROM sitewire.request WHERE request_id = ");
    sw_sql_param(sql, &of.id);
    sw_sql_printf(sql, ") q LEFT JOIN LATERAL jsonb_populate_record(NULL::%s, sw_reply) p ON true",
                  op->plan->table->name);
}

/* The resource in the request, with its key set; the hook has run. */
static sw_code prepare(sw_op *op, ProtobufCMessage **resource, sw_error *error)
{
    const sw_table *table = op->plan->table;
    *resource = sw_field_message(op->request, op->plan->resource);
    if (!*resource)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, op->plan->resource->name,
                             "required: it holds the %s", table->type);
    for (int i = 0; i < table->key_count; i++)
        if (!sw_field_complete_key(*resource, table->columns[i].field))
            return sw_fail_field(error, SW_INVALID_ARGUMENT, field_path(op, i),
                                 "required: it is part of the key");
    clear_fields(table, *resource, table->computed);
    return SW_OK;
}

static sw_code run_hook(sw_op *op, ProtobufCMessage *resource, sw_error *error)
{
    sw_resource_hook *hook = op->plan->table->resource->hook;
    return hook ? hook(resource, op->arena, error) : SW_OK;
}

/* `INSERT INTO t AS t (...) VALUES (...)` */
static sw_code add_insert(sw_op *op, const ProtobufCMessage *resource, sw_fields fields, sw_error *error)
{
    const sw_table *table = op->plan->table;
    const char *before = " (";
    sw_sql_printf(&op->main, "INSERT INTO %s AS t", table->name);
    for (int i = 0; i < table->count; i++)
        if (fields >> i & 1) {
            sw_sql_add(&op->main, before);
            sw_sql_name(&op->main, table->columns[i].field->name);
            before = ", ";
        }
    before = ") VALUES (";
    for (int i = 0; i < table->count; i++)
        if (fields >> i & 1) {
            sw_sql_add(&op->main, before);
            sw_code code = add_value(op, resource, i, error);
            if (code != SW_OK)
                return code;
            before = ", ";
        }
    sw_sql_add(&op->main, ")");
    return SW_OK;
}

static sw_code build_create(sw_op *op, sw_error *error)
{
    const sw_table *table = op->plan->table;
    ProtobufCMessage *resource;
    sw_code code = prepare(op, &resource, error);
    if (code == SW_OK)
        code = run_hook(op, resource, error);
    if (code != SW_OK)
        return code;
    begin(op);
    code = add_insert(op, resource, fields_set(table, resource) & ~table->bookkeeping, error);
    end(op, outcome_created);
    return code;
}

/* --- Update --- */

/* The fields that the mask names. */
static sw_code read_mask(const sw_op *op, sw_fields *mask, sw_error *error)
{
    const sw_table *table = op->plan->table;
    const Google__Protobuf__FieldMask *paths =
        (const Google__Protobuf__FieldMask *)sw_field_message(op->request, op->plan->update_mask);
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
                sw_table_names(table, ~(table->keys | table->bookkeeping | table->computed), op->arena));
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

/* A text that the mask clears is shown to the hook as empty, so that it can tell it from one that stays. */
static void show_cleared(const sw_table *table, ProtobufCMessage *resource, sw_fields mask)
{
    for (int i = 0; i < table->count; i++) {
        const ProtobufCFieldDescriptor *field = table->columns[i].field;
        if (mask >> i & 1 && field->type == PROTOBUF_C_TYPE_STRING &&
            field->label != PROTOBUF_C_LABEL_REPEATED && !sw_field_is_set(resource, field))
            sw_field_set_string(resource, field, "");
    }
}

/* What the update sets, and the resource as the hook leaves it. A hook that sets one computed field sets them all. */
static sw_code choose_fields(sw_op *op, ProtobufCMessage *resource, sw_fields *fields, sw_error *error)
{
    const sw_table *table = op->plan->table;
    sw_fields fixed = table->keys | table->bookkeeping | table->computed;
    sw_code code = read_mask(op, fields, error);
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
    code = run_hook(op, resource, error);
    if (fields_set(table, resource) & table->computed)
        *fields |= table->computed;
    return code;
}

static sw_code build_upsert(sw_op *op, const ProtobufCMessage *resource, sw_fields fields, sw_error *error)
{
    const sw_table *table = op->plan->table;
    sw_sql *sql = &op->main;
    op->upserts = true;
    sw_fields insert = (fields_set(table, resource) | fields) & ~table->bookkeeping;
    begin(op);
    sw_code code = add_insert(op, resource, insert, error);
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
    add_revision(op, "t.revision", 0);
    end(op, outcome_upserted);
    return code;
}

static sw_code build_update(sw_op *op, sw_error *error)
{
    const sw_table *table = op->plan->table;
    sw_sql *sql = &op->main;
    ProtobufCMessage *resource;
    sw_fields fields = 0;
    sw_code code = prepare(op, &resource, error);
    if (code == SW_OK)
        code = choose_fields(op, resource, &fields, error);
    if (code != SW_OK)
        return code;
    int64_t revision = sw_field_int(resource, table->columns[table->revision].field);
    /* A row that is not there has no revision to match. */
    if (sw_field_bool(op->request, op->plan->allow_missing) && !revision && !op->update_only)
        return build_upsert(op, resource, fields, error);
    begin(op);
    sw_sql_printf(sql, "UPDATE %s AS t SET ", table->name);
    for (int i = 0; i < table->count && code == SW_OK; i++)
        if (fields >> i & 1) {
            sw_sql_name(sql, table->columns[i].field->name);
            sw_sql_add(sql, " = ");
            code = add_value(op, resource, i, error);
            sw_sql_add(sql, ", ");
        }
    sw_sql_add(sql, "revision = ");
    add_revision(op, "t.revision", revision);
    for (int i = 0; i < table->key_count && code == SW_OK; i++) {
        sw_sql_add(sql, i ? " AND " : " WHERE ");
        sw_sql_name(sql, table->columns[i].field->name);
        sw_sql_add(sql, " = ");
        code = add_value(op, resource, i, error);
    }
    end(op, outcome_updated);
    return code;
}

/* --- Delete and Rename --- */

/* The columns come back as they were, except that the revision has been checked. */
static sw_code build_delete(sw_op *op, sw_error *error)
{
    int64_t revision = sw_field_int(op->request, op->plan->revision);
    sw_value expected = sw_value_int8(op->arena, revision);
    if (!revision)
        expected.data = NULL;
    int n = sw_sql_bind(&op->main, &expected);
    begin(op);
    sw_sql_printf(&op->main, "DELETE FROM %s WHERE ", op->plan->table->name);
    sw_code code = sw_key_condition(op, &op->main, error);
    char outcome[96];
    snprintf(outcome, sizeof(outcome),
             "CASE WHEN sitewire.next_revision(revision, $%d) > 0 THEN 'deleted' END", n);
    end(op, outcome);
    return code;
}

static sw_code build_rename(sw_op *op, sw_error *error)
{
    const sw_plan *plan = op->plan;
    sw_column column = plan->table->columns[0];
    sw_value value;
    column.field = plan->new_key;
    if (!sw_field_complete_key(op->request, column.field))
        return sw_fail_field(error, SW_INVALID_ARGUMENT, column.field->name, "required: it is the new key");
    sw_code code = sw_bind_field(op->request, &column, op->arena, &value, error);
    if (code != SW_OK)
        return code;
    begin(op);
    sw_sql_printf(&op->main, "UPDATE %s SET ", plan->table->name);
    sw_sql_name(&op->main, plan->table->columns[0].field->name);
    sw_sql_add(&op->main, " = ");
    sw_sql_param(&op->main, &value);
    sw_sql_add(&op->main, ", revision = ");
    add_revision(op, "revision", sw_field_int(op->request, plan->revision));
    sw_sql_add(&op->main, " WHERE ");
    code = sw_key_condition(op, &op->main, error);
    end(op, outcome_updated);
    return code;
}

sw_code sw_write_build(sw_op *op, sw_error *error)
{
    switch (op->plan->verb) {
    case SW_VERB_CREATE:
        return build_create(op, error);
    case SW_VERB_UPDATE:
        return build_update(op, error);
    case SW_VERB_DELETE:
        return build_delete(op, error);
    default:
        return build_rename(op, error);
    }
}
