/* Which permissions users hold, by which rows, and who made those rows. */
#include "db.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static PGconn *conn;

static const char rows[] =
    "INSERT INTO website (code) VALUES ('mine'), ('theirs');"
    "INSERT INTO users.\"user\" (email, kind, active, is_admin) VALUES"
    " ('ann@x.org', 'PERSON', true, false), ('bob@x.org', 'PERSON', true, false),"
    " ('eve@x.org', 'PERSON', true, false), ('gone@x.org', 'PERSON', false, true),"
    " ('robot@x.org', 'ROBOT', true, false), ('chief@x.org', 'PERSON', true, true);"
    "INSERT INTO users.access_right (project, \"user\", role) VALUES"
    " ('website:mine', 'ann@x.org', 'Owner'), ('website:mine', 'robot@x.org', 'Owner'),"
    " ('website:mine', 'gone@x.org', 'Owner'), ('website:theirs', 'bob@x.org', 'External'),"
    " ('website:theirs', 'chief@x.org', 'Runner');";

static void enter(const char *role, const char *user)
{
    char text[256];
    snprintf(text, sizeof(text), "RESET ROLE; SET ROLE %s", role);
    db_run(conn, text);
    snprintf(text, sizeof(text), "SELECT sitewire.enter('', '%s', 'profile', '', '', '')", user);
    db_run(conn, text);
}

static const char *permissions(const char *user, const char *project)
{
    char text[256];
    db_run(conn, "RESET ROLE");
    snprintf(text, sizeof(text), "SELECT array_to_string(users.permissions_of('%s', '%s'), ' ')", user,
             project);
    return db_rows(conn, text);
}

static void test_permissions(void **state)
{
    (void)state;
    assert_string_equal(permissions("ann@x.org", "website:mine"), "approve command deploy manage read");
    assert_string_equal(permissions("ann@x.org", "website:theirs"), "");
    assert_string_equal(permissions("bob@x.org", "website:theirs"), "command deploy read");
    /* A robot never approves, and somebody who is not active may nothing, admin or not. */
    assert_string_equal(permissions("robot@x.org", "website:mine"), "command deploy manage read");
    assert_string_equal(permissions("gone@x.org", "website:mine"), "");
    /* An admin may everything but run, unless a right says so. */
    assert_string_equal(permissions("chief@x.org", "website:mine"),
                        "approve command deploy manage override read");
    assert_string_equal(permissions("chief@x.org", "website:theirs"),
                        "approve command deploy manage override read run");
    db_run(conn, "UPDATE users.\"user\" SET kind = 'ROBOT' WHERE email = 'chief@x.org'");
    assert_string_equal(permissions("chief@x.org", "website:mine"), "command deploy manage override read");
    assert_string_equal(
        db_rows(conn,
                "SELECT step FROM users.explain('run', 'Website', 'mine', 'chief@x.org') WHERE NOT allowed"),
        "to run a Website takes: run; it needs run on website:mine, where chief@x.org has command, deploy, "
        "manage, override, read\nno");
}

static const char *maker(const char *project, const char *user)
{
    char text[256];
    db_run(conn, "RESET ROLE");
    snprintf(text, sizeof(text),
             "SELECT made_by, made_by_admin FROM users.access_right WHERE project = '%s' AND \"user\" = '%s'",
             project, user);
    return db_rows(conn, text);
}

static const char *chain(const char *user)
{
    char text[256];
    db_run(conn, "RESET ROLE");
    snprintf(text, sizeof(text), "SELECT users.approval_chain('%s', 'website:mine', '')", user);
    return db_rows(conn, text);
}

static void test_makers(void **state)
{
    (void)state;
    assert_string_equal(maker("website:mine", "ann@x.org"), "|t");
    assert_string_equal(chain("ann@x.org"), "t");
    assert_string_equal(chain("chief@x.org"), "t");
    assert_string_equal(chain("robot@x.org"), "f");
    assert_string_equal(chain("gone@x.org"), "f");
    assert_string_equal(chain("bob@x.org"), "f");
    /* Whatever the statement says, the maker is the caller. */
    enter("sitewire_user", "ann@x.org");
    db_run(conn, "INSERT INTO users.access_right (project, \"user\", role, made_by, made_by_admin)"
                 " VALUES ('website:mine', 'eve@x.org', 'Owner', 'chief@x.org', true)");
    assert_string_equal(maker("website:mine", "eve@x.org"), "ann@x.org|f");
    assert_string_equal(chain("eve@x.org"), "f");
    enter("sitewire_user", "ann@x.org");
    db_run(conn,
           "UPDATE users.access_right SET made_by = NULL, made_by_admin = true WHERE \"user\" = 'eve@x.org'");
    assert_string_equal(maker("website:mine", "eve@x.org"), "ann@x.org|f");
    enter("sitewire_user", "ann@x.org");
    /* To change somebody's right makes it one's own. */
    db_run(conn, "UPDATE users.access_right SET \"user\" = 'bob@x.org' WHERE \"user\" = 'ann@x.org'");
    assert_string_equal(maker("website:mine", "bob@x.org"), "ann@x.org|f");
    /* A rename changes no maker. */
    db_run(conn, "RESET ROLE; UPDATE users.\"user\" SET email = 'anna@x.org' WHERE email = 'ann@x.org'");
    assert_string_equal(maker("website:mine", "bob@x.org"), "anna@x.org|f");
    enter("sitewire_user", "chief@x.org");
    db_run(conn, "UPDATE users.\"user\" SET email = 'eva@x.org' WHERE email = 'eve@x.org'");
    assert_string_equal(maker("website:mine", "eva@x.org"), "anna@x.org|f");
    /* A right of an admin's own counts. */
    db_run(conn, "INSERT INTO users.access_right (project, \"user\", role) VALUES"
                 " ('website:mine', 'eva@x.org', 'Admin')");
    assert_string_equal(chain("eva@x.org"), "t");
    /* Makers can be deleted; what they made stays. */
    db_run(conn, "DELETE FROM users.access_right WHERE \"user\" = 'anna@x.org';"
                 "DELETE FROM users.\"user\" WHERE email = 'anna@x.org'");
    assert_string_equal(maker("website:mine", "bob@x.org"), "|f");
}

int main(void)
{
    conn = db_open_registry("grants");
    db_run(conn, rows);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_permissions, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_makers, db_begin, db_rollback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
