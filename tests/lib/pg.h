/* A private PostgreSQL for tests: a cluster in a temporary folder, on a unix socket only. Used by
 * tests/store. As root it runs as user postgres (or nobody), since PostgreSQL refuses root. */
#ifndef SW_TESTS_PG_H
#define SW_TESTS_PG_H

#include <stdbool.h>

/* Makes and starts the cluster, once per process (a second call returns the same). The conninfo is
 * of an empty database `test`, superuser; owned by the fixture. NULL after a message on stderr. The
 * cluster ends with the process, however that ends. */
char *pg_fixture_start(void);

/* Stops it and removes the folder. */
void pg_fixture_stop(void);

/* Loss of PostgreSQL: SIGQUIT to the postmaster (all connections break at once), and a start of the
 * same cluster on the same socket. False after a message on stderr. */
bool pg_fixture_crash(void);
bool pg_fixture_restart(void);

/* Runs SQL through psql in the test database; false after a message on stderr. */
bool pg_fixture_sql(const char *sql);

#endif
