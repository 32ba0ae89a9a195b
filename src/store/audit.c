/* Reads the chain of seals and the sealed changes (audit.h), row by row, so that a long history
 * needs no memory. */
#include "store/audit.h"
#include "base/error.h"
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const sw_change_fields[SW_CHANGE_FIELDS] = {
    "id",  "at",      "actor",     "call_id", "request_id", "reason",  "resource",
    "key", "old_key", "operation", "before",  "after",      "project", "transaction"};

/* Rows that row security hides would count as removed. */
static const char settings[] = "SET row_security = off; SET statement_timeout = 0;"
                               "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
#define ISO_TIME(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
/* Reads the columns, without users.text_of: an audit trusts no function of the database. */
static const char chain[] = "SELECT s.position, s.change, encode(s.hash, 'hex'), c.id, " ISO_TIME(
    "c.at") ", c.actor, c.call_id, c.request_id, "
            "c.reason, c.resource, c.key, c.old_key, c.operation, c.before, c.after, c.project, "
            "c.transaction "
            "FROM users.seal s LEFT JOIN users.change c ON c.id = s.change ORDER BY s.position";
static const char rest[] =
    "SELECT count(*), coalesce(" ISO_TIME("min(c.at)") ", '') FROM users.change c WHERE NOT EXISTS (SELECT "
                                                       "FROM users.seal s WHERE s.change = c.id)";
enum { POSITION, CHANGE, HASH, VALUES };

static sw_code failed(PGconn *connection, const PGresult *result, sw_error *error)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (!state || !message) {
        sw_fail(error, SW_UNAVAILABLE, "PostgreSQL: %s", PQerrorMessage(connection));
        if (error)
            error->message[strcspn(error->message, "\n")] = '\0';
        return SW_UNAVAILABLE;
    }
    if (strncmp(state, "42P01", 5) == 0 || strncmp(state, "3F000", 5) == 0)
        return sw_fail(error, SW_FAILED_PRECONDITION,
                       "the database has no history of sitewire: run `sitewire migrate`");
    if (strncmp(state, "42501", 5) == 0)
        return sw_fail(error, SW_PERMISSION_DENIED,
                       "PostgreSQL: %s; read as the owner of the tables, who ran `sitewire migrate`",
                       message);
    return sw_fail(error, SW_INTERNAL, "PostgreSQL: %s", message);
}

static const char *value(const PGresult *row, int column)
{
    return PQgetisnull(row, 0, column) ? NULL : PQgetvalue(row, 0, column);
}

static bool show(const PGresult *row, sw_audit_fn *fn, void *context)
{
    sw_sealed sealed = {.position = strtoll(PQgetvalue(row, 0, POSITION), NULL, 10),
                        .change = strtoll(PQgetvalue(row, 0, CHANGE), NULL, 10),
                        .hash = PQgetvalue(row, 0, HASH),
                        .gone = PQgetisnull(row, 0, VALUES)};
    for (int i = 0; i < SW_CHANGE_FIELDS; i++)
        sealed.values[i] = value(row, VALUES + i);
    return fn(&sealed, context);
}

/* *stopped: `fn` has ended the reading. Then the connection cannot be used again. */
static sw_code read_chain(PGconn *connection, sw_audit_fn *fn, void *context, bool *stopped, sw_error *error)
{
    if (!PQsendQuery(connection, chain) || !PQsetSingleRowMode(connection))
        return failed(connection, NULL, error);
    sw_code code = SW_OK;
    for (PGresult *result; !*stopped && code == SW_OK && (result = PQgetResult(connection));) {
        ExecStatusType status = PQresultStatus(result);
        if (status == PGRES_SINGLE_TUPLE)
            *stopped = !show(result, fn, context);
        else if (status != PGRES_TUPLES_OK)
            code = failed(connection, result, error);
        PQclear(result);
    }
    return code;
}

static sw_code read_rest(PGconn *connection, sw_unsealed *unsealed, sw_error *error)
{
    PGresult *result = PQexec(connection, rest);
    sw_code code = SW_OK;
    if (PQresultStatus(result) == PGRES_TUPLES_OK) {
        unsealed->count = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
        snprintf(unsealed->oldest, sizeof(unsealed->oldest), "%s", PQgetvalue(result, 0, 1));
    } else {
        code = failed(connection, result, error);
    }
    PQclear(result);
    return code;
}

/* The connection for an audit, in its transaction; *code is set. */
static PGconn *open_audit(const char *conninfo, sw_code *code, sw_error *error)
{
    bool given = conninfo && *conninfo;
    const char *const keys[] = {"fallback_application_name", "client_encoding", given ? "dbname" : NULL,
                                NULL};
    const char *const values[] = {"sitewire-audit", "UTF8", given ? conninfo : NULL, NULL};
    PGconn *connection = PQconnectdbParams(keys, values, 1);
    PGresult *begun = PQstatus(connection) == CONNECTION_OK ? PQexec(connection, settings) : NULL;
    *code = PQresultStatus(begun) == PGRES_COMMAND_OK ? SW_OK : failed(connection, begun, error);
    PQclear(begun);
    return connection;
}

sw_code sw_audit_read(const char *conninfo, sw_audit_fn *fn, void *context, sw_unsealed *unsealed,
                      sw_error *error)
{
    bool stopped = false;
    sw_code code;
    *unsealed = (sw_unsealed){0};
    PGconn *connection = open_audit(conninfo, &code, error);
    if (code == SW_OK)
        code = read_chain(connection, fn, context, &stopped, error);
    if (code == SW_OK && !stopped)
        code = read_rest(connection, unsealed, error);
    PQfinish(connection);
    return code;
}

/* --- Rows and their history --- */

/* One statement for each table under history, which returns its differences. What history keeps is
 * read into the row type of today, so that the texts of both sides are made by this session. */
static const char comparisons[] =
    "SELECT r.name, format($q$"
    "WITH present AS (SELECT concat_ws('/', %2$s) AS key, to_jsonb(t) AS v FROM %1$s t), "
    "last AS (SELECT DISTINCT ON (k.key) k.key, k.after FROM ("
    "  SELECT c.key, c.id, c.after FROM users.change c WHERE c.resource = %3$L AND c.operation <> 'READ' "
    "  UNION ALL SELECT c.old_key, c.id, NULL FROM users.change c WHERE c.resource = %3$L "
    "  AND c.old_key IS NOT NULL) k ORDER BY k.key, k.id DESC) "
    "SELECT key, CASE WHEN l.key IS NULL THEN 'no change has made it' "
    "  WHEN p.key IS NULL THEN 'no change has deleted it' ELSE 'no change has made it what it is: ' || "
    "  (SELECT string_agg(d, ', ') FROM %4$s) END "
    "FROM present p FULL JOIN (SELECT * FROM last WHERE after IS NOT NULL) l USING (key) "
    "WHERE p.key IS NULL OR l.key IS NULL OR EXISTS (SELECT FROM %4$s) LIMIT 20$q$, "
    "r.relation, k.keys, r.name, "
    "format('(SELECT a.key AS d FROM jsonb_each(p.v) a JOIN "
    "jsonb_each(to_jsonb(jsonb_populate_record(NULL::%s, l.after))) b ON b.key = a.key AND l.after ? a.key "
    "WHERE a.value IS DISTINCT FROM b.value AND a.key <> ALL (%L::text[])) x', r.relation, "
    "CASE r.quiet WHEN '{}' THEN r.hidden ELSE r.hidden || r.quiet || '{updated_at,revision}'::text[] END)) "
    "FROM (SELECT name, relation, hidden, quiet FROM sitewire.resource WHERE 'history' <> ALL (exempt) "
    "UNION ALL SELECT 'Rule', 'users.rule', '{}', '{}') r, "
    "LATERAL (SELECT string_agg(format('t.%I::text', a.attname), ', ' ORDER BY x.n) AS keys "
    "FROM pg_index i, unnest(i.indkey) WITH ORDINALITY x (attnum, n), pg_attribute a "
    "WHERE i.indrelid = r.relation::regclass AND i.indisprimary AND a.attrelid = i.indrelid "
    "AND a.attnum = x.attnum) k ORDER BY 1";
/* Permanent numbers are not hashed: they follow from what is. */
static const char numbers[] =
    "SELECT c.resource || '/' || c.key, format('change %s has the wrong row_id', c.id) "
    "FROM users.change c WHERE c.row_id <> CASE c.operation WHEN 'INSERT' THEN c.id ELSE "
    "coalesce((SELECT p.row_id FROM users.change p WHERE p.resource = c.resource "
    "AND p.key = coalesce(c.old_key, c.key) AND p.id < c.id ORDER BY p.id DESC LIMIT 1), c.row_id) END "
    "ORDER BY c.id LIMIT 20";

static sw_code report(PGconn *connection, const char *sql, const char *resource, sw_difference_fn *fn,
                      void *context, bool *stopped, sw_error *error)
{
    PGresult *found = PQexec(connection, sql);
    sw_code code = PQresultStatus(found) == PGRES_TUPLES_OK ? SW_OK : failed(connection, found, error);
    for (int i = 0; code == SW_OK && !*stopped && i < PQntuples(found); i++)
        *stopped = !fn(resource, PQgetvalue(found, i, 0), PQgetvalue(found, i, 1), context);
    PQclear(found);
    return code;
}

sw_code sw_audit_compare(const char *conninfo, sw_difference_fn *fn, void *context, sw_error *error)
{
    bool stopped = false;
    sw_code code;
    PGconn *connection = open_audit(conninfo, &code, error);
    PGresult *tables = code == SW_OK ? PQexec(connection, comparisons) : NULL;
    if (code == SW_OK && PQresultStatus(tables) != PGRES_TUPLES_OK)
        code = failed(connection, tables, error);
    for (int i = 0; code == SW_OK && !stopped && i < PQntuples(tables); i++)
        code = report(connection, PQgetvalue(tables, i, 1), PQgetvalue(tables, i, 0), fn, context, &stopped,
                      error);
    if (code == SW_OK && !stopped)
        code = report(connection, numbers, "Change", fn, context, &stopped, error);
    PQclear(tables);
    PQfinish(connection);
    return code;
}
