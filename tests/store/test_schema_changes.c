/* What the schema does by itself: revisions, renames that carry references along, projects, states
 * of its own. */
#include "db.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static PGconn *conn;

static void test_revision(void **state)
{
    (void)state;
    db_run(conn, "INSERT INTO cms (code, updated_at, created_at) VALUES ('a', '2020-01-01', '2020-01-01')");
    assert_string_equal(db_rows(conn, "UPDATE cms SET name = 'A' RETURNING revision, updated_at = now()"),
                        "2|t");
    /* Nothing changes: neither do revision and time, whatever is set. */
    db_run(conn, "UPDATE cms SET name = 'A', revision = 77, updated_at = 'yesterday', created_at = 'today'");
    assert_string_equal(db_rows(conn, "SELECT revision, created_at = timestamptz '2020-01-01' FROM cms"),
                        "2|t");
    /* With a revision that is expected. */
    assert_string_equal(db_rows(conn,
                                "UPDATE cms SET name = 'A', revision = sitewire.next_revision(revision, 2) "
                                "RETURNING revision"),
                        "2");
    assert_string_equal(db_rows(conn,
                                "UPDATE cms SET name = 'B', revision = sitewire.next_revision(revision, 2) "
                                "RETURNING revision"),
                        "3");
    assert_string_equal(
        db_rows(conn, "UPDATE cms SET name = 'C', revision = sitewire.next_revision(revision, NULL) "
                      "RETURNING revision"),
        "4");
    db_fails(conn, "UPDATE cms SET name = 'D', revision = sitewire.next_revision(revision, 2)", "SW001",
             NULL);
}

static void test_revision_detail(void **state)
{
    (void)state;
    PGresult *result = PQexec(conn, "SELECT sitewire.next_revision(7, 6)");
    assert_string_equal(PQresultErrorField(result, PG_DIAG_SQLSTATE), "SW001");
    assert_string_equal(PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL), "7");
    PQclear(result);
}

static void test_rename(void **state)
{
    (void)state;
    db_run(conn,
           "INSERT INTO environment (code) VALUES ('prod'); INSERT INTO docroot (code) VALUES ('d');"
           "INSERT INTO docroot_environment (docroot, environment) VALUES ('d', 'prod');"
           "INSERT INTO website (code) VALUES ('w');"
           "INSERT INTO website_deployed (website, docroot, environment) VALUES ('w', 'd', 'prod');"
           "INSERT INTO domain (fqdn, website, docroot, environment) VALUES ('a.fr', 'w', 'd', 'prod');"
           "INSERT INTO domain (fqdn, parent) VALUES ('www.a.fr', 'a.fr');"
           "INSERT INTO server (hostname) VALUES ('s');"
           "INSERT INTO docroot_environment_server (docroot, environment, server) VALUES ('d', 'prod', 's')");
    db_run(conn, "UPDATE docroot SET code = 'd2'; UPDATE environment SET code = 'live';"
                 "UPDATE website SET code = 'w2'; UPDATE server SET hostname = 's2'");
    assert_string_equal(db_rows(conn, "SELECT website, docroot, environment, revision FROM domain "
                                      "WHERE fqdn = 'a.fr'"),
                        "w2|d2|live|4"); /* a rename changes the rows that refer, too */
    assert_string_equal(db_rows(conn, "SELECT docroot, environment, server FROM docroot_environment_server"),
                        "d2|live|s2");
    /* A domain keeps what lies in it inside. */
    db_run(conn, "SAVEPOINT s");
    db_fails(conn, "UPDATE domain SET fqdn = 'b.fr' WHERE fqdn = 'a.fr'", "23514", "domain__parent__within");
    db_run(conn, "ROLLBACK TO s");
    db_run(conn, "UPDATE domain SET parent = NULL; UPDATE domain SET fqdn = 'b.fr' WHERE fqdn = 'a.fr'");
}

static void test_projects(void **state)
{
    (void)state;
    static const char projects[] = "SELECT code, kind, revision FROM users.project ORDER BY code";
    db_run(conn, "INSERT INTO website (code) VALUES ('a'), ('b'); INSERT INTO drupal_docroot_core (code) "
                 "VALUES ('a')");
    assert_string_equal(db_rows(conn, projects),
                        "drupaldocrootcore:a|drupaldocrootcore|1\nwebsite:a|website|1\nwebsite:b|website|1");
    db_run(conn, "UPDATE website SET name = 'A'; UPDATE website SET code = 'c' WHERE code = 'a';"
                 "UPDATE drupal_docroot_core SET code = repeat('x', 128)");
    assert_string_equal(
        db_rows(conn, "SELECT length(code) FROM users.project WHERE kind = 'drupaldocrootcore'"), "146");
    assert_string_equal(
        db_rows(conn, "SELECT code, revision FROM users.project WHERE kind = 'website' ORDER BY 1"),
        "website:b|1\nwebsite:c|2");
    /* A project cannot be given away, doubled or misnamed. */
    db_run(conn, "UPDATE users.project SET code = 'x', kind = 'drupaldocrootcore' WHERE code = 'website:b'");
    assert_string_equal(db_rows(conn, "SELECT kind FROM users.project WHERE code = 'website:b'"), "website");
    db_run(conn, "SAVEPOINT s");
    db_fails(conn, "INSERT INTO users.project (website) VALUES ('b')", "23505", NULL);
    db_run(conn, "ROLLBACK TO s");
    db_fails(conn, "INSERT INTO users.project DEFAULT VALUES", "23502", NULL);
    db_run(conn, "ROLLBACK TO s");
    db_fails(conn, "DELETE FROM users.project", "23001", "project__code__ref");
    db_run(conn, "ROLLBACK TO s");
    db_run(conn, "DELETE FROM website WHERE code = 'b'; DELETE FROM drupal_docroot_core");
    assert_string_equal(db_rows(conn, "SELECT code FROM users.project"), "website:c");
}

static void test_page_token_key(void **state)
{
    (void)state;
    assert_string_equal(
        db_rows(conn, "SELECT length(value), value <> decode(repeat('00', 32), 'hex') FROM sitewire.setting "
                      "WHERE name = 'page_token_key'"),
        "32|t");
}

int main(void)
{
    conn = db_open_registry("changes");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_revision, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_revision_detail, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_rename, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_projects, db_begin, db_rollback),
        cmocka_unit_test(test_page_token_key),
    };
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    PQfinish(conn);
    return failures;
}
