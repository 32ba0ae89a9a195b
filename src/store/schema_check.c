/* Checks the schema before the store serves, through the control lane: its version fits, and every
 * table meets its duties. Reads the page token key, the columns, the foreign keys, and the
 * parameters and columns of each query. Repeats this every minute, because the schema may change
 * under a running service, and deletes old records of requests. Used by store.c. */
#include "base/clock.h"
#include "base/error.h"
#include "store/engine.h"
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t retry_ms = 1000, again_ms = 60000;
static const char prune_max[] = "5000";

#define DIGEST_SIZE 32 /* bytes of a hash */

typedef struct sw_schema_check {
    sw_work work;
    sw_store *store;
    sw_arena *arena;                                                          /* for the current step */
    uint8_t foreign_keys_digest[DIGEST_SIZE], attributes_digest[DIGEST_SIZE]; /* hashes of the last answers */
    sw_timer *timer;
    bool running;
    size_t step;      /* in steps[] */
    size_t query;     /* being described: index in store->methods */
    bool lookup_done; /* its `lookup` has been described */
    /* The version of the schema, and a sum over its types, which identifies the database: as of
     * now, and as of when the catalog was read (0: not yet). */
    int64_t version, known_version, types, known_types;
} sw_schema_check;

/* A step appends its statement, or nothing to be skipped, and then reads the result. */
typedef struct sw_schema_step {
    void (*build)(sw_schema_check *check, sw_sql *sql);
    sw_code (*read)(sw_schema_check *check, const PGresult *result, sw_error *error);
    const char *what;
} sw_schema_step;

static bool is_known(const sw_schema_check *check)
{
    return check->version == check->known_version && check->types == check->known_types;
}

/* --- The schema's version --- */

static void build_schema(sw_schema_check *check, sw_sql *sql)
{
    (void)check;
    sw_sql_add(sql,
               "SELECT version::bigint, required::bigint, (SELECT rolsuper OR rolbypassrls FROM "
               "pg_catalog.pg_roles WHERE rolname = current_user), "
               "(has_database_privilege(current_database(), 'TEMPORARY, CREATE') OR EXISTS (SELECT FROM "
               "pg_catalog.pg_namespace n WHERE has_schema_privilege(n.oid, 'CREATE'))), "
               "(SELECT sum(t.oid::bigint)::bigint FROM pg_catalog.pg_type t WHERE t.typtype = 'c' AND NOT "
               "starts_with(t.typnamespace::regnamespace::text, 'pg_')) FROM sitewire.schema");
}

static sw_code read_schema(sw_schema_check *check, const PGresult *result, sw_error *error)
{
    const sw_store *store = check->store;
    if (PQntuples(result) != 1)
        return sw_fail(error, SW_FAILED_PRECONDITION, "sitewire.schema is empty: run `sitewire migrate`");
    int64_t version = (int64_t)sw_get_be(PQgetvalue(result, 0, 0), 8);
    int64_t required = (int64_t)sw_get_be(PQgetvalue(result, 0, 1), 8);
    if (version < store->schema_minimum)
        return sw_fail(error, SW_FAILED_PRECONDITION,
                       "the schema has version %lld, this program needs %d: run `sitewire migrate`",
                       (long long)version, store->schema_minimum);
    if (required > store->schema_maximum)
        return sw_fail(error, SW_FAILED_PRECONDITION,
                       "the schema has version %lld, this program knows up to %d: install a newer sitewire",
                       (long long)version, store->schema_maximum);
    if (*PQgetvalue(result, 0, 2))
        return sw_fail(
            error, SW_FAILED_PRECONDITION,
            "the database role bypasses row security, which guards everybody's rights: log in as the "
            "service's own role, such as user=sitewire_referential");
    if (*PQgetvalue(result, 0, 3)) /* sql/schema/12_access.sql revokes this, but a dump does not contain it */
        return sw_fail(
            error, SW_FAILED_PRECONDITION,
            "the database role may create objects, and so act as the schema's owner: as that, REVOKE "
            "TEMPORARY, CREATE ON DATABASE ... FROM PUBLIC and REVOKE CREATE ON SCHEMA public FROM "
            "PUBLIC");
    check->version = version;
    check->types = (int64_t)sw_get_be(PQgetvalue(result, 0, 4), 8);
    return SW_OK;
}

static void build_key(sw_schema_check *check, sw_sql *sql)
{
    if (!is_known(check))
        sw_sql_add(sql, "SELECT value FROM sitewire.setting WHERE name = 'page_token_key'");
}

static sw_code read_key(sw_schema_check *check, const PGresult *result, sw_error *error)
{
    if (PQntuples(result) != 1 || PQgetlength(result, 0, 0) < 16)
        return sw_fail(error, SW_FAILED_PRECONDITION, "sitewire.setting has no usable page_token_key");
    crypto_generichash(check->store->page_key, SW_PAGE_KEY, (const unsigned char *)PQgetvalue(result, 0, 0),
                       (unsigned long long)PQgetlength(result, 0, 0), NULL, 0);
    return SW_OK;
}

/* --- Columns and foreign keys --- */

static void add_tables(sw_schema_check *check, sw_sql *sql)
{
    const sw_store *store = check->store;
    char **names = sw_arena_alloc(check->arena, (store->table_count + 1) * sizeof(*names));
    if (!names) {
        sql->failed = true;
        return;
    }
    for (size_t i = 0; i < store->table_count; i++)
        names[i] = (char *)store->tables[i]->resource->table;
    sw_value value = sw_value_texts(check->arena, names, store->table_count);
    sw_sql_bind(sql, &value);
}

static void add_types(sw_schema_check *check, sw_sql *sql)
{
    const sw_store *store = check->store;
    char **names = sw_arena_alloc(check->arena, (store->table_count + 1) * sizeof(*names));
    if (!names) {
        sql->failed = true;
        return;
    }
    for (size_t i = 0; i < store->table_count; i++)
        names[i] = (char *)store->tables[i]->type;
    sw_value value = sw_value_texts(check->arena, names, store->table_count);
    sw_sql_bind(sql, &value);
}

static void build_columns(sw_schema_check *check, sw_sql *sql)
{
    if (is_known(check))
        return;
    sw_sql_add(
        sql, "SELECT n.name, a.attname::text, b.oid::text, (a.attnotnull OR t.typnotnull)::text, "
             "format_type(b.oid, NULL) "
             "FROM unnest($1) WITH ORDINALITY n (name, i) "
             "JOIN pg_catalog.pg_attribute a ON a.attrelid = to_regclass(n.name) "
             "AND a.attnum > 0 AND NOT a.attisdropped "
             "JOIN pg_catalog.pg_type t ON t.oid = a.atttypid "
             "JOIN pg_catalog.pg_type b ON b.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END "
             "ORDER BY n.i, a.attnum");
    add_tables(check, sql);
}

static sw_code read_columns(sw_schema_check *check, const PGresult *result, sw_error *error)
{
    int first = 0, rows = PQntuples(result);
    sw_code code = SW_OK;
    for (size_t i = 0; i < check->store->table_count && code == SW_OK; i++) {
        sw_table *table = check->store->tables[i];
        int end = first;
        while (end < rows && strcmp(PQgetvalue(result, end, 0), table->resource->table) == 0)
            end++;
        code = sw_table_load(table, result, first, end, error);
        first = end;
    }
    return code;
}

/* --- Duties --- */

/* The service does not serve while a table lacks a duty, while it can change a table that nobody
 * registered, or while a function, view, trigger or policy is not as `sitewire migrate` made it. */
static void build_duties(sw_schema_check *check, sw_sql *sql)
{
    sw_sql_add(
        sql, "(SELECT m.name, 'is not guarded: it lacks ' || string_agg(m.duty, ', '), "
             "(array_agg(m.remedy))[1] FROM ("
             "SELECT n.i, n.name, d.duty, d.remedy FROM unnest($1) WITH ORDINALITY n (name, i), "
             "sitewire.missing_duties(to_regclass(n.name)) d "
             "UNION ALL SELECT n.i, n.name, 'name', 'name table and message alike: it is registered as ' || "
             "s.name "
             "FROM unnest($1, $2) WITH ORDINALITY n (name, type, i), "
             "sitewire.resource_at(to_regclass(n.name)) s (name) "
             "WHERE s.name <> n.type "
             "UNION ALL SELECT 1000, u.relation, 'registration', u.remedy FROM sitewire.unregistered() u) m "
             "GROUP BY m.i, m.name ORDER BY m.i, m.name LIMIT 1) "
             "UNION ALL SELECT a.object, a.complaint, a.remedy FROM sitewire.altered() a LIMIT 1");
    add_tables(check, sql);
    add_types(check, sql);
}

static sw_code read_duties(sw_schema_check *check, const PGresult *result, sw_error *error)
{
    (void)check;
    return PQntuples(result) == 0
               ? SW_OK
               : sw_fail(error, SW_FAILED_PRECONDITION, "%s %s; %s", PQgetvalue(result, 0, 0),
                         PQgetvalue(result, 0, 1), PQgetvalue(result, 0, 2));
}

static void build_foreign_keys(sw_schema_check *check, sw_sql *sql)
{
    if (is_known(check))
        return;
    sw_sql_add(sql, "SELECT c.conname::text, format('%s.%s', fn.nspname, f.relname), s.names, "
                    "format('%s.%s', tn.nspname, t.relname), "
                    "d.names, format('SELECT %s FROM %I.%I WHERE %s ORDER BY 1 LIMIT 4', p.key, fn.nspname, "
                    "f.relname, s.condition) "
                    "FROM pg_catalog.pg_constraint c "
                    "JOIN pg_catalog.pg_class f ON f.oid = c.conrelid JOIN pg_catalog.pg_namespace fn ON "
                    "fn.oid = f.relnamespace "
                    "JOIN pg_catalog.pg_class t ON t.oid = c.confrelid JOIN pg_catalog.pg_namespace tn ON "
                    "tn.oid = t.relnamespace "
                    "CROSS JOIN LATERAL (SELECT string_agg(a.attname, ',' ORDER BY k.i) AS names, "
                    "string_agg(format('%I = $%s', a.attname, k.i), ' AND ' ORDER BY k.i) AS condition "
                    "FROM unnest(c.conkey) WITH ORDINALITY k (n, i) "
                    "JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.n) s "
                    "CROSS JOIN LATERAL (SELECT string_agg(a.attname, ',' ORDER BY k.i) AS names "
                    "FROM unnest(c.confkey) WITH ORDINALITY k (n, i) "
                    "JOIN pg_catalog.pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.n) d "
                    "CROSS JOIN LATERAL (SELECT string_agg(format('%I::text', a.attname), ' || ''/'' || ' "
                    "ORDER BY k.i) AS key "
                    "FROM pg_catalog.pg_index x CROSS JOIN unnest(x.indkey::int2[]) WITH ORDINALITY k (n, i) "
                    "JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.n "
                    "WHERE x.indrelid = c.conrelid AND x.indisprimary) p "
                    "WHERE c.contype = 'f' AND p.key IS NOT NULL "
                    "AND (c.confrelid IN (SELECT to_regclass(n) FROM unnest($1) n) "
                    "OR c.conrelid IN (SELECT to_regclass(n) FROM unnest($1) n))");
    add_tables(check, sql);
}

/* Hashes a result. The data that is built from it is never freed, so it is built again only when
 * the catalog has changed. A check that fails is repeated every second. */
static void hash_result(const PGresult *result, uint8_t digest[DIGEST_SIZE])
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, DIGEST_SIZE);
    for (int row = 0; row < PQntuples(result); row++)
        for (int column = 0; column < PQnfields(result); column++) {
            int size = PQgetlength(result, row, column);
            crypto_generichash_update(&state, (const uint8_t *)&size, sizeof(size));
            crypto_generichash_update(&state, (const uint8_t *)PQgetvalue(result, row, column),
                                      (unsigned long long)size);
        }
    crypto_generichash_final(&state, digest, DIGEST_SIZE);
}

static sw_code read_foreign_keys(sw_schema_check *check, const PGresult *result, sw_error *error)
{
    uint8_t digest[DIGEST_SIZE];
    hash_result(result, digest);
    if (memcmp(digest, check->foreign_keys_digest, DIGEST_SIZE) == 0)
        return SW_OK;
    size_t count = (size_t)PQntuples(result);
    sw_foreign_key *foreign_keys = sw_arena_alloc(check->store->catalog, (count + 1) * sizeof(*foreign_keys));
    if (!foreign_keys)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const char *texts[6];
        for (int n = 0; n < 6; n++) {
            const char *text = PQgetvalue(result, (int)i, n);
            texts[n] = sw_arena_strndup(check->store->catalog, text, strlen(text));
            if (!texts[n])
                return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
        }
        foreign_keys[i] = (sw_foreign_key){texts[0], texts[1], texts[2], texts[3], texts[4], texts[5]};
    }
    check->store->foreign_keys = foreign_keys;
    check->store->foreign_key_count = count;
    memcpy(check->foreign_keys_digest, digest, DIGEST_SIZE);
    return SW_OK;
}

/* --- Queries, records --- */

static void build_attributes(sw_schema_check *check, sw_sql *sql)
{
    if (is_known(check))
        return;
    sw_sql_add(sql, "SELECT t.oid::text, t.typarray::text, a.atttypid::text, a.attname::text "
                    "FROM pg_catalog.pg_type t JOIN pg_catalog.pg_attribute a "
                    "ON a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped "
                    "WHERE t.typtype = 'c' AND NOT starts_with(t.typnamespace::regnamespace::text, 'pg_') "
                    "AND t.typnamespace <> 'information_schema'::regnamespace ORDER BY t.oid, a.attnum");
}

static Oid read_oid(const PGresult *result, int row, int column)
{
    return (Oid)strtoul(PQgetvalue(result, row, column), NULL, 10);
}

static sw_code read_attributes(sw_schema_check *check, const PGresult *result, sw_error *error)
{
    sw_store *store = check->store;
    uint8_t digest[DIGEST_SIZE];
    hash_result(result, digest);
    if (memcmp(digest, check->attributes_digest, DIGEST_SIZE) == 0)
        return SW_OK;
    int count = PQntuples(result);
    sw_attribute *list = sw_arena_alloc(store->catalog, ((size_t)count + 1) * sizeof(*list));
    for (int i = 0; list && i < count; i++) {
        const char *name =
            sw_arena_strndup(store->catalog, PQgetvalue(result, i, 3), strlen(PQgetvalue(result, i, 3)));
        list[i] =
            (sw_attribute){read_oid(result, i, 0), read_oid(result, i, 1), read_oid(result, i, 2), name};
        if (!name)
            list = NULL;
    }
    if (!list)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    store->attributes = (sw_attributes){list, (size_t)count, NULL};
    memcpy(check->attributes_digest, digest, DIGEST_SIZE);
    return SW_OK;
}

/* The statement that is being described. */
static sw_query_statement *statement_of(const sw_schema_check *check)
{
    sw_store_method *method = check->store->methods[check->query];
    return method->lookup.sql && !check->lookup_done ? &method->lookup : &method->statement;
}

static void build_query(sw_schema_check *check, sw_sql *sql)
{
    const sw_store *store = check->store;
    while (check->query < store->method_count && store->methods[check->query]->verb != SW_VERB_QUERY)
        check->query++;
    if (is_known(check) || check->query == store->method_count)
        return;
    const sw_query_statement *statement = statement_of(check);
    sw_sql_add(sql, statement->sql);
    sw_value open = {0, false, NULL, 0}; /* PostgreSQL infers the type */
    for (int i = 0; i < statement->parameter_count; i++)
        sw_sql_bind(sql, &open);
    check->work.describe = true;
}

static sw_code read_query(sw_schema_check *check, const PGresult *result, sw_error *error)
{
    const sw_store_method *method = check->store->methods[check->query];
    sw_query_statement *statement = statement_of(check);
    check->step--; /* this step goes on with the next statement */
    check->lookup_done = statement == &method->lookup;
    check->query += !check->lookup_done;
    return sw_query_load(method, statement, result, error);
}

static void build_prune(sw_schema_check *check, sw_sql *sql)
{
    (void)check;
    sw_sql_printf(sql,
                  "DELETE FROM sitewire.request WHERE request_id IN (SELECT request_id FROM sitewire.request "
                  "WHERE at < now() - interval '1 day' ORDER BY at LIMIT %s FOR UPDATE SKIP LOCKED)",
                  prune_max);
}

static sw_code read_prune(sw_schema_check *check, const PGresult *result, sw_error *error)
{
    (void)error;
    if (strcmp(PQcmdTuples((PGresult *)result), prune_max) == 0) /* there are more */
        check->step--;
    return SW_OK;
}

static const sw_schema_step steps[] = {
    {build_schema, read_schema, "schema version"},
    {build_key, read_key, "page token key"},
    {build_columns, read_columns, "columns"},
    {build_duties, read_duties, "duties"},
    {build_foreign_keys, read_foreign_keys, "foreign keys"},
    {build_attributes, read_attributes, "composite types"},
    {build_query, read_query, "query"},
    {build_prune, read_prune, "old records"},
};
enum { PRUNE = 7, STEPS = 8 };

/* --- Running them --- */

static void check_done(sw_work *work, const PGresult *result);

static void set_ready(sw_schema_check *check)
{
    sw_store *store = check->store;
    check->known_version = check->version;
    check->known_types = check->types;
    if (!store->ready) {
        store->ready = true;
        store->reason[0] = '\0';
    }
    sw_store_report(store);
    sw_store_calls_unpark(store);
}

static void stop(sw_schema_check *check, int64_t wait_ms)
{
    check->running = false;
    sw_timer_start(check->timer, sw_now_ms() + wait_ms);
}

static void refuse(sw_schema_check *check, const char *reason)
{
    sw_store *store = check->store;
    store->ready = false;
    check->known_version = 0;
    snprintf(store->reason, sizeof(store->reason), "%s", reason);
    stop(check, retry_ms);
    sw_store_report(store);
}

static void advance(sw_schema_check *check)
{
    for (; check->step < STEPS; check->step++) {
        if (check->step == PRUNE)
            set_ready(check);
        sw_sql sql;
        sw_arena_reset(check->arena);
        sw_sql_init(&sql, check->arena);
        check->work = (sw_work){.done = check_done};
        steps[check->step].build(check, &sql);
        if (!sql.failed && sql.length == 0)
            continue;
        sw_error error;
        if (sw_pool_submit(check->store->pool, &check->work, SW_LANE_CONTROL, &sql, &error) != SW_OK)
            refuse(check, error.message);
        return;
    }
    stop(check, again_ms);
}

static void step_failed(sw_schema_check *check, const PGresult *result)
{
    char reason[400];
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *query = steps[check->step].build == build_query && check->query < check->store->method_count
                            ? check->store->methods[check->query]->path
                            : "";
    bool absent = state && (strncmp(state, "42P01", 5) == 0 || strncmp(state, "3F000", 5) == 0);
    if (check->step == 0 && absent)
        snprintf(reason, sizeof(reason), "the database has no sitewire schema: run `sitewire migrate`");
    else
        snprintf(reason, sizeof(reason), "%s%s%s: %s", steps[check->step].what, *query ? " of " : "", query,
                 text ? text : "the statement failed");
    refuse(check, reason);
}

static void check_done(sw_work *work, const PGresult *result)
{
    sw_schema_check *check = (sw_schema_check *)work;
    sw_statement_release(work->statement);
    if (!result) { /* the connection was lost: the next one starts a new check */
        stop(check, retry_ms);
        return;
    }
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        if (check->step == PRUNE)
            stop(check, again_ms);
        else
            step_failed(check, result);
        return;
    }
    sw_error error;
    if (steps[check->step].read(check, result, &error) != SW_OK) {
        refuse(check, error.message);
        return;
    }
    check->step++;
    advance(check);
}

void sw_schema_check_start(sw_schema_check *check)
{
    if (check->running || check->store->closing || !sw_pool_is_up(check->store->pool, SW_LANE_CONTROL))
        return;
    check->running = true;
    check->step = check->query = 0;
    check->lookup_done = false;
    sw_timer_stop(check->timer);
    advance(check);
}

static void on_timer(void *context)
{
    sw_schema_check_start(context);
}

sw_code sw_schema_check_new(sw_store *store, sw_schema_check **out, sw_error *error)
{
    sw_schema_check *check = calloc(1, sizeof(*check));
    if (check) {
        check->store = store;
        check->arena = sw_arena_new(0);
        check->timer = sw_loop_timer(store->loop, on_timer, check);
    }
    *out = check;
    if (check && check->arena && check->timer)
        return SW_OK;
    sw_schema_check_destroy(out);
    return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
}

void sw_schema_check_destroy(sw_schema_check **check)
{
    if (!*check)
        return;
    sw_timer_destroy(&(*check)->timer);
    sw_arena_destroy(&(*check)->arena);
    free(*check);
    *check = NULL;
}
