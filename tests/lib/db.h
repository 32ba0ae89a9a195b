/* A connection to the private PostgreSQL, with checks of what statements do. Used by tests of the
 * schema. */
#ifndef SW_TESTS_DB_H
#define SW_TESTS_DB_H

#include <libpq-fe.h>

/* Conninfo of a new, empty database of the fixture's cluster. The caller frees it. */
char *db_create(const char *name);
PGconn *db_open(const char *conninfo);
/* A new database with the registry's schema, which is its search_path. */
PGconn *db_open_registry(const char *name);
/* Runs SQL that must succeed. */
void db_run(PGconn *conn, const char *sql);
/* The statement's rows as text: columns are joined with `|`, rows with `\n`. Static storage of 64
 * KiB. */
const char *db_rows(PGconn *conn, const char *sql);
/* Runs SQL that must fail with a SQLSTATE and, unless NULL, at a constraint; a transaction under
 * way goes on. */
void db_fails(PGconn *conn, const char *sql, const char *sqlstate, const char *constraint);
/* Set up and tear down a test: what it does in the transaction is undone, its role too. */
int db_begin(void **state);
int db_rollback(void **state);

#endif
