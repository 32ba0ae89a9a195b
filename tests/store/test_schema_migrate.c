/* Migrations and schema files: apply, dry run, status, what is refused, and many migrators at
 * once. */
#include "db.h"
#include "pg.h"
#include "store/pg/migration.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A set of our own, whose third migration may be broken. */
static const sw_migration items[] = {
    {1, "0001_one", "aaaa", "CREATE TABLE one (x int); INSERT INTO one VALUES (1);", false, NULL},
    {2, "0002_two", "bbbb", "CREATE TABLE two (x int);", false, "bb"},
    {3, "0003_three", "cccc", "-- compatible\nCREATE TABLE three (x int);", true, NULL},
    {4, "0004_four", "dddd", "-- The text of a migration may be comments alone.", true, NULL},
};
static const sw_migration broken[] = {
    {1, "0001_one", "aaaa", "CREATE TABLE one (x int); INSERT INTO one VALUES (1);", false, NULL},
    {2, "0002_two", "bbbb", "CREATE TABLE two (x int);\n-- é\nSELECT nonsense;", false, NULL},
};
static const sw_migration ending[] = {
    {1, "0001_one", "aaaa", "CREATE TABLE one (x int); COMMIT;", false, NULL}};
static const sw_schema_file files[] = {
    {"01_one", "ffff", "CREATE OR REPLACE FUNCTION public.one() RETURNS int LANGUAGE sql AS 'SELECT two()'"},
    {"02_two", "eeee", "CREATE OR REPLACE FUNCTION public.two() RETURNS int LANGUAGE sql AS 'SELECT 2'"},
};
static const sw_schema_file changed_files[] = {
    {"01_one", "ffff", "CREATE OR REPLACE FUNCTION public.one() RETURNS int LANGUAGE sql AS 'SELECT two()'"},
    {"02_two", "dddd", "CREATE OR REPLACE FUNCTION public.two() RETURNS int LANGUAGE sql AS 'SELECT 3'"},
};
static const sw_schema_file broken_files[] = {
    {"01_one", "ffff", "CREATE OR REPLACE FUNCTION public.one() RETURNS int LANGUAGE sql AS 'SELECT 1'"},
    {"02_two", "cccc", "SELECT 1;\nSELECT nonsense;"},
};

typedef struct seen {
    char text[2048];
} seen;

static void see(const sw_migration_state *state, void *context)
{
    seen *s = context;
    if (state->waits_for) /* the session of the run before may still be ending */
        return;
    size_t n = strlen(s->text);
    snprintf(s->text + n, sizeof(s->text) - n, "%d %s %s%s\n", state->version, state->name,
             state->applied ? "applied" : "pending",
             state->applied && strlen(state->applied_at) != 20 ? "?" : "");
}

static sw_code apply(const char *conninfo, int count, bool dry_run, char *text, sw_error *error)
{
    sw_migration_set set = {items, count, NULL, 0};
    seen s = {""};
    sw_code code = sw_migration_set_apply(&set, conninfo, dry_run, see, &s, error);
    strcpy(text, s.text);
    return code;
}

static sw_code status(const char *conninfo, int count, char *text, sw_error *error)
{
    sw_migration_set set = {items, count, NULL, 0};
    seen s = {""};
    sw_code code = sw_migration_set_status(&set, conninfo, see, &s, error);
    strcpy(text, s.text);
    return code;
}

static void run(const char *conninfo, const char *sql)
{
    PGconn *conn = db_open(conninfo);
    db_run(conn, sql);
    PQfinish(conn);
}

static void test_apply(void **state)
{
    (void)state;
    char *conninfo = db_create("apply"), text[2048];
    sw_error error = {0};
    assert_int_equal(status(conninfo, 2, text, &error), SW_OK);
    assert_string_equal(text, "1 0001_one pending\n2 0002_two pending\n");
    /* A dry run tells and leaves nothing. */
    assert_int_equal(apply(conninfo, 2, true, text, &error), SW_OK);
    assert_string_equal(text, "1 0001_one applied\n2 0002_two applied\n");
    PGconn *conn = db_open(conninfo);
    assert_string_equal(
        db_rows(conn, "SELECT to_regclass('one') IS NULL, to_regnamespace('sitewire') IS NULL"), "t|t");
    assert_int_equal(apply(conninfo, 2, false, text, &error), SW_OK);
    assert_string_equal(text, "1 0001_one applied\n2 0002_two applied\n");
    assert_int_equal(apply(conninfo, 2, false, text, &error), SW_OK);
    assert_string_equal(text, "");
    assert_int_equal(apply(conninfo, 3, false, text, &error), SW_OK);
    assert_string_equal(text, "3 0003_three applied\n");
    assert_int_equal(status(conninfo, 3, text, &error), SW_OK);
    assert_string_equal(text, "1 0001_one applied\n2 0002_two applied\n3 0003_three applied\n");
    assert_string_equal(db_rows(conn, "SELECT count(*) FROM one"), "1");
    assert_int_equal(apply(conninfo, 4, false, text, &error), SW_OK);
    assert_string_equal(text, "4 0004_four applied\n");
    PQfinish(conn);
    free(conninfo);
}

static void test_refused(void **state)
{
    (void)state;
    char *conninfo = db_create("refused"), text[2048];
    sw_error error = {0};
    assert_int_equal(apply(conninfo, 3, false, text, &error), SW_OK);
    /* Newer than the program: works if that migration is compatible. */
    assert_int_equal(apply(conninfo, 2, false, text, &error), SW_OK);
    assert_int_equal(apply(conninfo, 1, false, text, &error), SW_FAILED_PRECONDITION);
    assert_non_null(strstr(error.message, "install a newer sitewire"));
    assert_int_equal(status(conninfo, 1, text, &error), SW_FAILED_PRECONDITION);
    assert_string_equal(text, "1 0001_one applied\n2 0002_two applied\n3 0003_three applied\n");
    run(conninfo, "UPDATE sitewire.migration SET checksum = 'bb' WHERE version = 2"); /* what it replaces */
    assert_int_equal(apply(conninfo, 3, false, text, &error), SW_OK);
    run(conninfo, "UPDATE sitewire.migration SET checksum = 'dddd' WHERE version = 2");
    assert_int_equal(apply(conninfo, 3, false, text, &error), SW_FAILED_PRECONDITION);
    assert_non_null(strstr(error.message, "0002_two differs"));
    run(conninfo, "DELETE FROM sitewire.migration WHERE version = 2");
    assert_int_equal(status(conninfo, 3, text, &error), SW_FAILED_PRECONDITION);
    assert_non_null(strstr(error.message, "migration 2 is missing"));
    free(conninfo);
}

static void test_broken(void **state)
{
    (void)state;
    char *conninfo = db_create("broken");
    sw_error error = {0};
    sw_migration_set set = {broken, 2, NULL, 0};
    assert_int_equal(sw_migration_set_apply(&set, conninfo, false, NULL, NULL, &error), SW_INTERNAL);
    assert_non_null(strstr(error.message, "0002_two, line 3: "));
    PGconn *conn = db_open(conninfo);
    /* One transaction: nothing is kept, not even the first one. */
    assert_string_equal(
        db_rows(conn, "SELECT to_regnamespace('sitewire') IS NULL, to_regclass('one') IS NULL"), "t|t");
    PQfinish(conn);
    free(conninfo);
    conninfo = db_create("ending");
    set = (sw_migration_set){ending, 1, NULL, 0};
    assert_int_equal(sw_migration_set_apply(&set, conninfo, false, NULL, NULL, &error), SW_INTERNAL);
    assert_non_null(strstr(error.message, "ends its transaction"));
    free(conninfo);
}

static void test_unfit(void **state)
{
    (void)state;
    sw_error error = {0};
    assert_int_equal(sw_migrate_apply("host=/nonexistent dbname=x", false, NULL, NULL, &error),
                     SW_UNAVAILABLE);
    assert_true(error.retry_safe);
    char *conninfo = db_create("unfit"), *readonly = NULL, *ascii = NULL;
    assert_true(asprintf(&readonly, "%s options='-c default_transaction_read_only=on'", conninfo) > 0);
    assert_int_equal(sw_migrate_apply(readonly, false, NULL, NULL, &error), SW_FAILED_PRECONDITION);
    assert_non_null(strstr(error.message, "target_session_attrs"));
    run(conninfo, "CREATE ROLE guest LOGIN");
    run(conninfo,
        "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
    assert_true(asprintf(&ascii, "%s dbname=ascii", conninfo) > 0);
    assert_int_equal(sw_migrate_status(ascii, NULL, NULL, &error), SW_FAILED_PRECONDITION);
    assert_non_null(strstr(error.message, "ENCODING 'UTF8'"));
    free(ascii);
    assert_true(asprintf(&ascii, "%s user=guest", conninfo) > 0);
    assert_int_equal(sw_migrate_apply(ascii, false, NULL, NULL, &error), SW_PERMISSION_DENIED);
    free(ascii);
    free(readonly);
    free(conninfo);
}

static sw_code apply_files(const char *conninfo, int count, const sw_schema_file *list, int file_count,
                           bool dry_run, char *text, sw_error *error)
{
    sw_migration_set set = {items, count, list, file_count};
    seen s = {""};
    sw_code code = sw_migration_set_apply(&set, conninfo, dry_run, see, &s, error);
    strcpy(text, s.text);
    return code;
}

/* Schema files are applied again, all of them, when one of them changes. */
static void test_files(void **state)
{
    (void)state;
    char *conninfo = db_create("files"), text[2048];
    sw_error error = {0};
    PGconn *conn = db_open(conninfo);
    assert_int_equal(apply_files(conninfo, 1, files, 2, false, text, &error), SW_OK);
    assert_string_equal(text, "1 0001_one applied\n0 schema/01_one applied\n0 schema/02_two applied\n");
    assert_string_equal(db_rows(conn, "SELECT one()"), "2");
    assert_int_equal(apply_files(conninfo, 1, files, 2, false, text, &error), SW_OK);
    assert_string_equal(text, "");
    /* A dry run reports and leaves nothing; a failure, too. */
    assert_int_equal(apply_files(conninfo, 1, changed_files, 2, true, text, &error), SW_OK);
    assert_string_equal(text, "0 schema/02_two applied\n");
    assert_int_equal(apply_files(conninfo, 1, broken_files, 2, false, text, &error), SW_INTERNAL);
    assert_non_null(strstr(error.message, "schema file 02_two, line 2: "));
    assert_string_equal(db_rows(conn, "SELECT one()"), "2");
    sw_migration_set set = {items, 1, changed_files, 2};
    seen s = {""};
    assert_int_equal(sw_migration_set_status(&set, conninfo, see, &s, &error), SW_OK);
    assert_string_equal(s.text, "1 0001_one applied\n0 schema/01_one applied\n0 schema/02_two pending\n");
    assert_int_equal(apply_files(conninfo, 1, changed_files, 2, false, text, &error), SW_OK);
    assert_string_equal(db_rows(conn, "SELECT one()"), "3");
    /* A new version applies them, too, and a file that is gone is forgotten. */
    assert_int_equal(apply_files(conninfo, 3, files, 2, false, text, &error), SW_OK);
    assert_string_equal(text, "2 0002_two applied\n3 0003_three applied\n0 schema/02_two applied\n");
    assert_int_equal(apply_files(conninfo, 3, files, 1, false, text, &error), SW_OK);
    assert_string_equal(db_rows(conn, "SELECT string_agg(name, ',') FROM sitewire.schema_file"), "01_one");
    /* A program that is older than the schema leaves the files of newer ones alone. */
    assert_int_equal(apply_files(conninfo, 2, changed_files, 2, false, text, &error), SW_OK);
    assert_string_equal(text, "");
    assert_string_equal(db_rows(conn, "SELECT one()"), "2");
    PQfinish(conn);
    free(conninfo);
}

/* Many at once: each ends well, and each migration is applied once. */
static void test_concurrent(void **state)
{
    (void)state;
    char *conninfo = db_create("concurrent");
    pid_t children[6];
    for (int i = 0; i < 6; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0)
            _exit(sw_migrate_apply(conninfo, false, NULL, NULL, NULL));
    }
    for (int i = 0; i < 6; i++) {
        int end;
        assert_int_equal(waitpid(children[i], &end, 0), children[i]);
        assert_true(WIFEXITED(end));
        assert_int_equal(WEXITSTATUS(end), 0);
    }
    PGconn *conn = db_open(conninfo);
    assert_int_equal(atoi(db_rows(conn, "SELECT count(*) FROM sitewire.migration")), sw_migrations.count);
    assert_int_equal(atoi(db_rows(conn, "SELECT version FROM sitewire.schema WHERE required <= version")),
                     sw_migrate_latest());
    assert_int_equal(atoi(db_rows(conn, "SELECT count(*) FROM sitewire.schema_file")),
                     sw_migrations.file_count);
    assert_string_equal(db_rows(conn, "SELECT DISTINCT length(checksum) FROM sitewire.migration"), "64");
    PQfinish(conn);
    free(conninfo);
}

/* --- Killed, and waiting --- */

static const sw_migration gated[] = {
    {1, "0001_one", "aaaa", "CREATE TABLE one (x int); INSERT INTO one VALUES (1);", false, NULL},
    {2, "0002_two", "bbbb", "LOCK TABLE gate; CREATE TABLE two (x int);", false, NULL},
};
static const sw_migration_set gated_set = {gated, 2, NULL, 0};

static void die_at_two(const sw_migration_state *state, void *context)
{
    (void)context;
    if (state->version == 2)
        raise(SIGKILL);
}

static void assert_killed(pid_t child)
{
    int end;
    assert_int_equal(waitpid(child, &end, 0), child);
    assert_true(WIFSIGNALED(end));
}

/* Killed between two migrations: nothing of them is kept, and the next one applies all. */
static void test_killed(void **state)
{
    (void)state;
    char *conninfo = db_create("killed"), text[2048];
    sw_error error = {0};
    assert_int_equal(apply(conninfo, 1, false, text, &error), SW_OK);
    sw_migration_set set = {items, 3, NULL, 0};
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(sw_migration_set_apply(&set, conninfo, false, die_at_two, NULL, NULL));
    assert_killed(child);
    assert_int_equal(status(conninfo, 3, text, &error), SW_OK);
    assert_string_equal(text, "1 0001_one applied\n2 0002_two pending\n3 0003_three pending\n");
    assert_int_equal(apply(conninfo, 3, false, text, &error), SW_OK);
    assert_string_equal(text, "2 0002_two applied\n3 0003_three applied\n");
    free(conninfo);
}

static void tell(const sw_migration_state *state, void *context)
{
    const int *pipe_end = context;
    if (state->waits_for)
        dprintf(*pipe_end, "%s", state->waits_for);
}

/* Waits, a minute at most, until a migration waits for a table that the test has locked. Nothing
 * announces that, so PostgreSQL looks for it in small steps. */
static void await_gate(PGconn *conn)
{
    db_run(conn,
           "DO $$ BEGIN FOR i IN 1..6000 LOOP"
           " IF (SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
           "     WHERE a.application_name = 'sitewire-migrate' AND NOT l.granted) = 1 THEN RETURN; END IF;"
           " PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();"
           " END LOOP; RAISE 'no migration waits'; END $$");
}

/* Killed in the middle of a statement, which the server goes on with: the next one says what it
 * waits for, and then applies all. */
static void test_waiting(void **state)
{
    (void)state;
    char *conninfo = db_create("waiting"), text[300] = "";
    int ends[2], end;
    run(conninfo, "CREATE TABLE gate (x int)");
    PGconn *conn = db_open(conninfo);
    db_run(conn, "BEGIN; LOCK TABLE gate");
    pid_t first = fork();
    assert_true(first >= 0);
    if (first == 0)
        _exit(sw_migration_set_apply(&gated_set, conninfo, false, NULL, NULL, NULL));
    await_gate(conn);
    assert_int_equal(kill(first, SIGKILL), 0);
    assert_killed(first);
    assert_int_equal(pipe(ends), 0);
    pid_t second = fork();
    assert_true(second >= 0);
    if (second == 0)
        _exit(sw_migration_set_apply(&gated_set, conninfo, false, tell, &ends[1], NULL));
    close(ends[1]);
    assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
    assert_non_null(strstr(text, "another migration (server process "));
    db_run(conn, "COMMIT");
    assert_int_equal(waitpid(second, &end, 0), second);
    assert_true(WIFEXITED(end));
    assert_int_equal(WEXITSTATUS(end), SW_OK);
    assert_string_equal(db_rows(conn, "SELECT count(*), (SELECT count(*) FROM one) FROM sitewire.migration"),
                        "2|1");
    close(ends[0]);
    PQfinish(conn);
    free(conninfo);
}

/* A login that does not own the schema is refused before it changes anything. */
static void test_other_owner(void **state)
{
    (void)state;
    char *conninfo = db_create("owned"), *visitor = NULL, text[2048];
    sw_error error = {0};
    assert_int_equal(apply(conninfo, 1, false, text, &error), SW_OK);
    run(conninfo, "CREATE ROLE visitor LOGIN SUPERUSER");
    assert_true(asprintf(&visitor, "%s user=visitor", conninfo) > 0);
    assert_int_equal(apply(visitor, 3, false, text, &error), SW_PERMISSION_DENIED);
    assert_non_null(strstr(error.message, "the schema belongs to "));
    assert_non_null(strstr(error.message, "this login is visitor; migrate as its owner"));
    assert_int_equal(apply(conninfo, 3, false, text, &error), SW_OK);
    free(visitor);
    free(conninfo);
}

/* What was waited for; the first time, ends the wait. */
typedef struct blocked {
    char text[600];
    PGconn *holder;
} blocked;

static void release(const sw_migration_state *state, void *context)
{
    blocked *w = context;
    if (!state->waits_for || *w->text)
        return;
    snprintf(w->text, sizeof(w->text), "%s", state->waits_for);
    if (w->holder)
        db_run(w->holder, "COMMIT");
    else
        assert_true(pg_fixture_start_standby());
}

/* Another session has locked a table that the migration changes. */
static void test_locked_table(void **state)
{
    (void)state;
    char *conninfo = db_create("locked"), expected[96];
    sw_error error;
    run(conninfo, "CREATE TABLE gate (x int)");
    blocked w = {.holder = db_open(conninfo)};
    db_run(w.holder, "SET application_name = 'report'; BEGIN; LOCK TABLE gate");
    snprintf(expected, sizeof(expected),
             "locks of server process %d (postgres, report, in a transaction since ", PQbackendPID(w.holder));
    assert_int_equal(sw_migration_set_apply(&gated_set, conninfo, false, release, &w, &error), SW_OK);
    if (!strstr(w.text, expected))
        fail_msg("%s", w.text);
    PQfinish(w.holder);
    free(conninfo);
}

/* The commit waits for a standby that is away. */
static void test_absent_standby(void **state)
{
    (void)state;
    char *conninfo = db_create("absent");
    sw_error error;
    blocked w = {.holder = NULL};
    run(conninfo, "CREATE TABLE gate (x int)");
    assert_true(pg_fixture_start_standby());
    assert_true(pg_fixture_stop_standby());
    assert_int_equal(sw_migration_set_apply(&gated_set, conninfo, false, release, &w, &error), SW_OK);
    assert_string_equal(w.text,
                        "a synchronous standby to confirm the commit (synchronous_standby_names = '*')");
    pg_fixture_sql("ALTER SYSTEM RESET synchronous_standby_names");
    pg_fixture_sql("SELECT pg_reload_conf()");
    free(conninfo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_apply),          cmocka_unit_test(test_refused),
        cmocka_unit_test(test_broken),         cmocka_unit_test(test_unfit),
        cmocka_unit_test(test_files),          cmocka_unit_test(test_concurrent),
        cmocka_unit_test(test_killed),         cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_other_owner),    cmocka_unit_test(test_locked_table),
        cmocka_unit_test(test_absent_standby),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
