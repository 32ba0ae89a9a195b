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

sw_code sw_audit_read(const char *conninfo, sw_audit_fn *fn, void *context, sw_unsealed *unsealed,
                      sw_error *error)
{
    bool given = conninfo && *conninfo, stopped = false;
    const char *const keys[] = {"fallback_application_name", "client_encoding", given ? "dbname" : NULL,
                                NULL};
    const char *const values[] = {"sitewire-audit", "UTF8", given ? conninfo : NULL, NULL};
    PGconn *connection = PQconnectdbParams(keys, values, 1);
    PGresult *begun = NULL;
    sw_code code = SW_OK;
    *unsealed = (sw_unsealed){0};
    if (PQstatus(connection) == CONNECTION_OK)
        begun = PQexec(connection, settings);
    if (PQresultStatus(begun) != PGRES_COMMAND_OK)
        code = failed(connection, begun, error);
    PQclear(begun);
    if (code == SW_OK)
        code = read_chain(connection, fn, context, &stopped, error);
    if (code == SW_OK && !stopped)
        code = read_rest(connection, unsealed, error);
    PQfinish(connection);
    return code;
}
