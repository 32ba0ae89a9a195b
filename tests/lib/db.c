/* Statements and what they do: see db.h. */
#include "db.h"
#include "pg.h"
#include "store/pg/migrate.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static PGconn *registry; /* opened last */

PGconn *db_open(const char *conninfo)
{
    PGconn *conn = PQconnectdb(conninfo);
    if (PQstatus(conn) != CONNECTION_OK)
        fail_msg("%s: %s", conninfo, PQerrorMessage(conn));
    return conn;
}

void db_run(PGconn *conn, const char *sql)
{
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);
    PQclear(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(conn));
}

char *db_create(const char *name)
{
    char *base = pg_fixture_start();
    if (!base)
        fail_msg("no PostgreSQL");
    PGconn *conn = db_open(base);
    char sql[200], *conninfo = NULL;
    snprintf(sql, sizeof(sql), "CREATE DATABASE %s ENCODING 'UTF8' TEMPLATE template0", name);
    db_run(conn, sql);
    PQfinish(conn);
    assert_true(asprintf(&conninfo, "%s dbname=%s", base, name) > 0);
    return conninfo;
}

PGconn *db_open_registry(const char *name)
{
    char *conninfo = db_create(name);
    sw_error error;
    if (sw_migrate_apply(conninfo, false, NULL, NULL, &error) != SW_OK)
        fail_msg("migrate: %s", error.message);
    PGconn *conn = db_open(conninfo);
    free(conninfo);
    db_run(conn, "SET search_path = referential");
    return registry = conn;
}

int db_begin(void **state)
{
    (void)state;
    db_run(registry, "BEGIN");
    return 0;
}

int db_rollback(void **state)
{
    (void)state;
    db_run(registry, "ROLLBACK; RESET ROLE");
    return 0;
}

const char *db_rows(PGconn *conn, const char *sql)
{
    static char text[65536];
    PGresult *result = PQexec(conn, sql);
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(conn));
    size_t length = 0;
    text[0] = '\0';
    for (int row = 0; row < PQntuples(result); row++) {
        for (int column = 0; column < PQnfields(result); column++) {
            int n = snprintf(text + length, sizeof(text) - length, "%s%s",
                             column ? "|"
                             : row  ? "\n"
                                    : "",
                             PQgetvalue(result, row, column));
            assert_true(n >= 0 && (size_t)n < sizeof(text) - length);
            length += (size_t)n;
        }
    }
    PQclear(result);
    return text;
}

void db_fails(PGconn *conn, const char *sql, const char *sqlstate, const char *constraint)
{
    bool within = PQtransactionStatus(conn) == PQTRANS_INTRANS;
    if (within)
        db_run(conn, "SAVEPOINT before_failure");
    PGresult *result = PQexec(conn, sql);
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *at = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
    if (!state || strcmp(state, sqlstate) != 0 || (constraint && (!at || strcmp(at, constraint) != 0)))
        fail_msg("%s: expected %s at %s, got %s at %s", sql, sqlstate, constraint ? constraint : "-",
                 state ? state : "success", at ? at : "-");
    PQclear(result);
    if (within)
        db_run(conn, "ROLLBACK TO before_failure");
}
