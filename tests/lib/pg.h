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

/* A standby that streams from the cluster, which from then on waits for it with each commit. The
 * first call copies the cluster. Both return false after a message on stderr. */
bool pg_fixture_start_standby(void);
bool pg_fixture_stop_standby(void);
/* Ends the wait for a standby, and makes it a server of its own, on a new timeline. */
bool pg_fixture_promote(void);
/* The clock of servers that start from now on: "+2h", or NULL for the true one. False if
 * libfaketime is not installed. */
bool pg_fixture_set_clock(const char *offset);
/* Adds both servers to a conninfo, in this order. The caller frees it. */
char *pg_fixture_on_both(const char *conninfo);
/* The same database on the standby. The caller frees it. */
char *pg_fixture_on_standby(const char *conninfo);

/* Starts a pgbouncer in this mode, with so many sessions for each database and user. Returns what
 * to add to a conninfo; NULL if pgbouncer is not installed, or after a message on stderr. It ends
 * with the process, or with pg_fixture_stop_pooler. */
const char *pg_fixture_start_pooler(const char *mode, int sessions);
void pg_fixture_stop_pooler(void);

/* Runs SQL through psql in the test database; false after a message on stderr. */
bool pg_fixture_sql(const char *sql);

#endif
