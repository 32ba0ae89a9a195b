/* The schema of this build on a database of version 20 with rows in it, and on one that has it
 * already. */
#include "db.h"
#include "store/pg/migration.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct seen {
    char text[2048];
} seen;

static void see(const sw_migration_state *state, void *context)
{
    seen *s = context;
    if (!state->name) /* what it waits for, or a notice */
        return;
    size_t n = strlen(s->text);
    snprintf(s->text + n, sizeof(s->text) - n, "%d %s %s%s\n", state->version, state->name,
             state->applied ? "applied" : "pending",
             state->applied && strlen(state->applied_at) != 20 ? "?" : "");
}

static void run(const char *conninfo, const char *sql)
{
    PGconn *conn = db_open(conninfo);
    db_run(conn, sql);
    PQfinish(conn);
}

/* A dump of a database that the twenty migrations before the baseline made, with rows of every
 * resource. */
static char *restore_20(const char *name)
{
    char *conninfo = db_create(name), *command = NULL;
    run(conninfo,
        "DO $$ DECLARE r text; BEGIN FOREACH r IN ARRAY "
        "'{sitewire_service,sitewire_referential,sitewire_user,sitewire_deployment}'::text[] LOOP "
        "IF to_regrole(r) IS NULL THEN EXECUTE format('CREATE ROLE %I', r); END IF; END LOOP; END $$");
    assert_true(asprintf(&command,
                         "gzip -dc %s/store/version_20.sql.gz | psql -Xq -v ON_ERROR_STOP=1 '%s' >/dev/null",
                         SW_TESTS, conninfo) > 0);
    assert_int_equal(system(command), 0);
    free(command);
    return conninfo;
}

static char *read_catalog(PGconn *conn)
{
    char *path = NULL, *sql = calloc(1, 65536);
    assert_true(asprintf(&path, "%s/store/catalog.sql", SW_TESTS) > 0);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(sql, 1, 65535, file) > 0);
    fclose(file);
    free(path);
    PGresult *result = PQexec(conn, sql);
    free(sql);
    assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
    char *text = strdup(PQgetvalue(result, 0, 0));
    PQclear(result);
    return text;
}

static void assert_same_text(const char *one, const char *other)
{
    size_t at = 0;
    while (one[at] && one[at] == other[at])
        at++;
    size_t from = at > 300 ? at - 300 : 0;
    if (one[at] || other[at])
        fail_msg("catalogs differ:\n...%.600s\n--- and\n...%.600s", one + from, other + from);
}

/* How many links of the chain of history are wrong, or not sealed. */
static const char chain[] =
    "SELECT count(*) FILTER (WHERE hash IS DISTINCT FROM sha256(before || convert_to(text, 'UTF8'))) FROM ("
    "SELECT s.hash, users.text_of(c) AS text, lag(s.hash, 1, decode(repeat('00', 32), 'hex')) "
    "OVER (ORDER BY s.position) AS before FROM users.change c LEFT JOIN users.seal s ON s.change = c.id) x";

/* What was there stays, and the schema is that of a new database. */
/* The changes whose permanent numbers do not follow from the changes before them. */
static const char row_numbers[] =
    "SELECT count(*) FROM users.change c WHERE c.row_id IS DISTINCT FROM CASE c.operation WHEN 'INSERT' "
    "THEN c.id ELSE (SELECT p.row_id FROM users.change p WHERE p.resource = c.resource "
    "AND p.key = coalesce(c.old_key, c.key) AND p.id < c.id ORDER BY p.id DESC LIMIT 1) END "
    "OR (c.project IS NULL) <> (c.project_row IS NULL)";

static void test_upgrade(void **state)
{
    (void)state;
    char *conninfo = restore_20("upgrade"), *fresh_conninfo = db_create("fresh");
    sw_error error = {0};
    seen s = {""};
    PGconn *conn = db_open(conninfo);
    char *rows =
        strdup(db_rows(conn, "SELECT (SELECT count(*) FROM users.change), (SELECT count(*) FROM users.seal), "
                             "(SELECT count(*) FROM deployment.event)"));
    assert_string_equal(rows, "179|177|9");
    assert_int_equal(sw_migrate_status(conninfo, see, &s, &error), SW_OK);
    assert_non_null(strstr(s.text, "20 0020_deployment_scale applied\n21 0021_resources pending\n"));
    assert_non_null(strstr(s.text, " pending\n0 schema/01_common pending\n"));
    if (sw_migrate_apply(conninfo, false, NULL, NULL, &error) != SW_OK)
        fail_msg("%s", error.message);
    assert_int_equal(sw_migrate_apply(fresh_conninfo, false, NULL, NULL, &error), SW_OK);
    PGconn *fresh = db_open(fresh_conninfo);
    char *upgraded_catalog = read_catalog(conn), *fresh_catalog = read_catalog(fresh);
    assert_true(strlen(fresh_catalog) > 100000);
    assert_same_text(upgraded_catalog, fresh_catalog);
    /* Programs that know version 20 only may stay. */
    assert_true(atoi(db_rows(conn, "SELECT required FROM sitewire.schema")) <= 20);
    assert_string_equal(db_rows(conn, "SELECT count(*) = max(version) FROM sitewire.migration"), "t");
    db_run(conn, "SET ROLE sitewire_referential; SELECT sitewire.enter('', 'bob@example.org', false, false, "
                 "'', '', '')");
    assert_string_equal(db_rows(conn, "SELECT code FROM referential.website"), "pastry");
    db_fails(conn, "UPDATE referential.website SET name = 'x'", "SW005", NULL);
    db_run(conn, "RESET ROLE; SELECT sitewire.enter('', 'admin@localhost', true, false, '', '', '')");
    /* Rows, their history and the chain. */
    assert_string_equal(db_rows(conn, "SELECT name FROM referential.website WHERE code = 'almanac'"),
                        "The Almanac");
    assert_string_equal(db_rows(conn, "SELECT status, version FROM deployment.deployment ORDER BY id"),
                        "DONE|2.0\nACCEPTED|2.1\nREQUESTED|4");
    assert_string_equal(db_rows(conn, "SELECT count(*) FROM users.change WHERE id <= 179"), "179");
    /* Rows that come with new resources begin their history without a reason. */
    assert_string_equal(db_rows(conn, "SELECT count(*) FROM users.change WHERE id > 179 AND reason NOT LIKE "
                                      "'sql/%' AND resource NOT IN ('OutputLimit', 'DeploymentApproval')"),
                        "0");
    /* Deployers keep what they could, nobody runs, and rights that exist count as an admin's. */
    assert_string_equal(
        db_rows(conn, "SELECT code, permissions FROM users.role ORDER BY code"),
        "Admin|{read,deploy,command,approve,manage,override}\nExternal|{read,deploy,command}\n"
        "Owner|{read,deploy,command,approve,manage}\nRunner|{read,run}");
    assert_string_equal(db_rows(conn, "SELECT DISTINCT made_by, made_by_admin FROM users.access_right"),
                        "|t");
    assert_string_equal(db_rows(conn, "SELECT count(*) FROM users.access_right WHERE role = 'Runner'"), "0");
    assert_string_equal(db_rows(conn, "SELECT DISTINCT kind FROM users.\"user\""), "PERSON");
    /* Each change has the permanent number of its row, and of its project. */
    assert_string_equal(db_rows(conn, row_numbers), "0");
    db_run(
        conn,
        "UPDATE referential.website SET name = 'Pastry' WHERE code = 'pastry'; SELECT users.seal_changes()");
    assert_string_equal(db_rows(conn, chain), "0");
    assert_string_equal(db_rows(conn, "SELECT sitewire.as_of('Website', now(), 'pastry', 'pastry')->>'name'"),
                        "Pastry");
    /* Nothing is left to do. */
    s.text[0] = '\0';
    assert_int_equal(sw_migrate_apply(conninfo, false, see, &s, &error), SW_OK);
    assert_string_equal(s.text, "");
    PQfinish(fresh);
    PQfinish(conn);
    free(upgraded_catalog);
    free(fresh_catalog);
    free(rows);
    free(fresh_conninfo);
    free(conninfo);
}

static void test_too_old(void **state)
{
    (void)state;
    char *conninfo = restore_20("too_old");
    sw_error error = {0};
    run(conninfo, "DELETE FROM sitewire.migration WHERE version = 20");
    assert_int_equal(sw_migrate_apply(conninfo, false, NULL, NULL, &error), SW_FAILED_PRECONDITION);
    assert_non_null(strstr(error.message, "of version 19, and this program upgrades from version 20 on"));
    free(conninfo);
}

/* Applying the same files again makes nothing anew, and drops what no file defines. */
static void test_again(void **state)
{
    (void)state;
    static const char made[] =
        "SELECT md5(string_agg(oid::text, ',' ORDER BY oid)) FROM (SELECT oid FROM pg_trigger WHERE NOT "
        "tgisinternal "
        "UNION ALL SELECT oid FROM pg_policy UNION ALL SELECT oid FROM pg_proc WHERE oid > 16384 "
        "UNION ALL SELECT oid FROM pg_class WHERE relkind = 'v' AND oid > 16384) x";
    char *conninfo = db_create("again");
    sw_error error = {0};
    assert_int_equal(sw_migrate_apply(conninfo, false, NULL, NULL, &error), SW_OK);
    PGconn *conn = db_open(conninfo);
    char *before = strdup(db_rows(conn, made)), *catalog = read_catalog(conn);
    char *changes = strdup(db_rows(conn, "SELECT count(*) FROM users.change"));
    db_run(conn, "UPDATE sitewire.schema_file SET checksum = '' WHERE name = '01_common'");
    db_run(
        conn,
        "CREATE FUNCTION users.stray() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER stray BEFORE UPDATE ON referential.cms FOR EACH ROW EXECUTE FUNCTION users.stray();"
        "CREATE POLICY stray ON referential.cms FOR SELECT USING (true);"
        "CREATE VIEW referential.stray AS SELECT users.me();"
        "GRANT SELECT ON users.key TO sitewire_referential;"
        "GRANT EXECUTE ON FUNCTION users.seal_changes() TO PUBLIC");
    assert_int_equal(sw_migrate_apply(conninfo, false, NULL, NULL, &error), SW_OK);
    assert_string_equal(db_rows(conn, made), before);
    char *catalog_after = read_catalog(conn);
    assert_same_text(catalog_after, catalog);
    assert_string_equal(db_rows(conn, "SELECT count(*) FROM users.change"), changes);
    PQfinish(conn);
    free(before);
    free(changes);
    free(catalog);
    free(catalog_after);
    free(conninfo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_upgrade),
        cmocka_unit_test(test_too_old),
        cmocka_unit_test(test_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
