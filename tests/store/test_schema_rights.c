/* What the schema lets whom see and do, to the roles that the services log in as. */
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
    "INSERT INTO website (code, name) VALUES ('mine', 'M'), ('theirs', 'T'), ('seen', 'S');"
    "INSERT INTO docroot (code) VALUES ('d'); INSERT INTO environment (code) VALUES ('e');"
    "INSERT INTO docroot_environment (docroot, environment) VALUES ('d', 'e');"
    "INSERT INTO website_deployed SELECT code, 'd', 'e' FROM website;"
    "INSERT INTO domain (fqdn, website, docroot, environment) VALUES ('mine.org', 'mine', 'd', 'e'),"
    " ('theirs.org', 'theirs', 'd', 'e'), ('nobodys.org', NULL, NULL, NULL);"
    "INSERT INTO load_balancer (code) VALUES ('lb'); "
    "INSERT INTO domain_load_balancer (domain, load_balancer) SELECT fqdn, 'lb' FROM domain WHERE fqdn <> "
    "'mine.org';"
    "INSERT INTO users.\"user\" (email, active) VALUES ('ann@x.org', true), ('bob@x.org', true), "
    "('eve@x.org', true),"
    " ('gone@x.org', false);"
    "INSERT INTO users.role (code, permissions) VALUES ('Reader', '{read}'), ('Manager', '{read,manage}');"
    "INSERT INTO users.access_right VALUES ('website:mine', 'ann@x.org', 'Manager'), ('website:seen', "
    "'ann@x.org', 'Reader'),"
    " ('website:theirs', 'bob@x.org', 'Owner'), ('website:mine', 'gone@x.org', 'Owner');"
    "INSERT INTO users.key (public_key, \"user\", expires_at, revoked_at) VALUES"
    " (repeat('a', 40), 'ann@x.org', NULL, NULL), (repeat('b', 40), 'ann@x.org', '2000-01-01', NULL),"
    " (repeat('c', 40), 'ann@x.org', NULL, now());";

static void enter(const char *role, const char *user)
{
    char text[256];
    db_run(conn, "RESET ROLE");
    snprintf(text, sizeof(text), "SET ROLE %s", role);
    db_run(conn, text);
    snprintf(text, sizeof(text), "SELECT sitewire.enter('', '%s', 'profile', '', '', '')", user);
    db_run(conn, text);
}

static const char *readable(void)
{
    return db_rows(conn, "SELECT string_agg(code, ' ' ORDER BY code) FROM referential.website");
}

/* What the session has in mind of somebody's rights is forgotten with the next change of any. */
static void test_rights_that_change_between_calls(void **state)
{
    (void)state;
    enter("sitewire_referential", "ann@x.org");
    assert_string_equal(
        db_rows(conn, "SELECT length(regexp_replace(current_setting('sitewire.reads'), '[^\\n]', '', 'g'))"),
        "3");
    assert_string_equal(readable(), "mine seen");
    db_run(conn, "RESET ROLE; DELETE FROM users.access_right WHERE project = 'website:seen'; SET ROLE "
                 "sitewire_referential");
    assert_string_equal(readable(), "mine");
    enter("sitewire_referential", "ann@x.org");
    db_run(conn,
           "RESET ROLE; INSERT INTO users.access_right VALUES ('website:theirs', 'ann@x.org', 'Reader');"
           "SET ROLE sitewire_referential");
    assert_string_equal(readable(), "mine theirs");
    enter("sitewire_referential", "ann@x.org");
    db_run(conn, "RESET ROLE; UPDATE users.role SET permissions = '{}' WHERE code = 'Manager'; SET ROLE "
                 "sitewire_referential");
    assert_string_equal(readable(), "theirs");
    enter("sitewire_referential", "bob@x.org");
    assert_string_equal(readable(), "theirs");
    enter("sitewire_referential", "admin@localhost");
    assert_string_equal(db_rows(conn, "SELECT current_setting('sitewire.reads')"), "");
    /* More than the session keeps are looked up one by one. */
    db_run(conn, "RESET ROLE; INSERT INTO website (code) SELECT 'w' || g FROM generate_series(1, 101) g;"
                 "INSERT INTO users.access_right SELECT 'website:w' || g, 'eve@x.org', 'Reader' FROM "
                 "generate_series(1, 101) g");
    enter("sitewire_referential", "eve@x.org");
    assert_string_equal(
        db_rows(conn, "SELECT count(*), current_setting('sitewire.reads') FROM referential.website"),
        "101|#");
}

static void test_who_gets_in(void **state)
{
    (void)state;
    static const struct {
        const char *key, *user, *flags, *sqlstate;
    } refused[] = {
        {"", "", "false, false", "SW004"},           /* nobody */
        {"", "no@x.org", "true, false", "SW004"},    /* unknown */
        {"", "gone@x.org", "true, false", "SW004"},  /* inactive */
        {"", "eve@x.org", "false, false", "SW005"},  /* no rights */
        {"b", "ann@x.org", "false, false", "SW004"}, /* expired */
        {"c", "ann@x.org", "false, false", "SW004"}, /* revoked */
        {"d", "ann@x.org", "false, false", "SW004"}, /* not enrolled: what the key says counts */
        {"", "admin@localhost", "false, true", "SW005"},
        {"", "@broker", "false, false", "SW005"},
        {"", "@broker", "false, true", ""},
    };
    char text[256];
    db_run(conn, "SET ROLE sitewire_user");
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
        snprintf(text, sizeof(text), "SELECT sitewire.enter(repeat('%s', 40), '%s', %s, '', '', '')",
                 refused[i].key, refused[i].user, refused[i].flags);
        if (*refused[i].sqlstate != '\0')
            db_fails(conn, text, refused[i].sqlstate, NULL);
        else
            db_run(conn, text);
    }
    /* What the broker's name opens is nothing but internal methods. */
    assert_string_equal(db_rows(conn, "SELECT count(*) FROM users.project"), "0");
    db_run(conn, "SELECT sitewire.enter(repeat('a', 40), '', false, false, 'c1', 'r1', 'because')");
    assert_string_equal(
        db_rows(conn, "SELECT current_setting('sitewire.user'), current_setting('sitewire.profile'), "
                      "current_setting('sitewire.admin'), current_setting('sitewire.call_id'), "
                      "current_setting('sitewire.request_id'), current_setting('sitewire.reason')"),
        "ann@x.org|USER||c1|r1|because");
    db_run(conn, "SELECT sitewire.enter('', 'eve@x.org', true, false, '', '', '')");
    assert_string_equal(db_rows(conn, "SELECT current_setting('sitewire.profile')"), "NONE");
    db_fails(conn, "SELECT sitewire.enter('', 'ann@x.org', false, false, '', '', repeat('x', 1001))", "SW002",
             NULL);
    /* A line of its own in it could pass for a change that never was. */
    db_fails(conn, "SELECT sitewire.enter('', 'ann@x.org', false, false, '', '', E'so\\n2026-11-25 INSERT')",
             "SW002", NULL);
}

static void test_reading(void **state)
{
    (void)state;
    assert_string_equal(db_rows(conn, "SELECT users.is_admin(), NOT users.is_admin()"),
                        "f|t"); /* nobody is none */
    enter("sitewire_referential", "ann@x.org");
    assert_string_equal(db_rows(conn, "SELECT code FROM website ORDER BY code"), "mine\nseen");
    assert_string_equal(db_rows(conn, "SELECT website FROM website_deployed ORDER BY 1"), "mine\nseen");
    assert_string_equal(db_rows(conn, "SELECT fqdn FROM domain ORDER BY 1"), "mine.org\nnobodys.org");
    assert_string_equal(db_rows(conn, "SELECT domain FROM domain_load_balancer"), "nobodys.org");
    assert_string_equal(db_rows(conn, "SELECT code FROM docroot"), "d");
    enter("sitewire_user", "ann@x.org"); /* manages something, so may find people to give rights to */
    assert_string_equal(db_rows(conn, "SELECT code FROM users.project ORDER BY 1"),
                        "website:mine\nwebsite:seen");
    assert_string_equal(db_rows(conn, "SELECT count(*) FROM users.\"user\""), "5");
    assert_string_equal(db_rows(conn, "SELECT project, \"user\" FROM users.access_right ORDER BY 1, 2"),
                        "website:mine|ann@x.org\nwebsite:mine|gone@x.org\nwebsite:seen|ann@x.org");
    assert_string_equal(db_rows(conn, "SELECT count(*) FROM users.key"), "3");
    enter("sitewire_user", "admin@localhost");
    assert_string_equal(db_rows(conn, "SELECT count(*) FROM users.access_right"), "4");
    enter("sitewire_referential", "admin@localhost");
    assert_string_equal(db_rows(conn, "SELECT count(*) FROM referential.website"), "3");
    db_run(conn, "SELECT set_config('sitewire.user', '', false), set_config('sitewire.admin', '', false)");
    assert_string_equal(db_rows(conn, "SELECT count(*) FROM referential.website"), "0");
}

static void test_writing(void **state)
{
    (void)state;
    enter("sitewire_referential", "ann@x.org");
    db_run(conn, "UPDATE website SET name = 'Mine' WHERE code = 'mine'");
    db_run(conn, "UPDATE website_deployed SET website_version = '2' WHERE website = 'mine'");
    db_run(conn, "UPDATE domain SET waf_id = 'w' WHERE fqdn = 'mine.org'");
    /* Not there for her. */
    assert_string_equal(db_rows(conn, "UPDATE website SET name = 'x' WHERE code = 'theirs' RETURNING 1"), "");
    assert_string_equal(db_rows(conn, "DELETE FROM website WHERE code = 'theirs' RETURNING 1"), "");
    static const char *const denied[] = {
        "UPDATE website SET name = 'x' WHERE code = 'seen'",
        "UPDATE website SET code = 'other' WHERE code = 'mine'", /* another project */
        "DELETE FROM website WHERE code = 'seen'",
        "DELETE FROM domain WHERE fqdn = 'mine.org'",
        "INSERT INTO website (code) VALUES ('new')",
        "UPDATE domain SET website = 'theirs' WHERE fqdn = 'mine.org'", /* into what she cannot see */
        "UPDATE domain SET website = 'seen' WHERE fqdn = 'mine.org'",
        "UPDATE domain SET waf_id = 'w' WHERE fqdn = 'nobodys.org'",
        /* Neither does she take what is nobody's, nor does she give hers away. */
        "UPDATE domain SET website = 'mine', docroot = 'd', environment = 'e' WHERE fqdn = 'nobodys.org'",
        "UPDATE domain SET website = NULL, docroot = NULL, environment = NULL WHERE fqdn = 'mine.org'",
        "UPDATE docroot SET name = 'x' WHERE code = 'd'",
        "INSERT INTO server (hostname) VALUES ('h')",
    };
    for (size_t i = 0; i < sizeof(denied) / sizeof(*denied); i++)
        db_fails(conn, denied[i], "SW005", NULL);
    enter("sitewire_referential", "admin@localhost");
    for (size_t i = 0; i < 6; i++)
        if (i != 2) /* referred to */
            db_run(conn, denied[i]);
}

/* Functions of the owner look types up where their caller says: nobody who logs in as a service can
 * put one there. */
static void test_services_make_nothing(void **state)
{
    (void)state;
    static const char *const roles[] = {"sitewire_referential", "sitewire_user", "sitewire_deployment"};
    for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++) {
        enter(roles[i], "admin@localhost");
        db_fails(conn, "CREATE TEMP TABLE t ()", "42501", NULL);
        db_fails(conn, "CREATE DOMAIN pg_temp.text AS pg_catalog.text", "42501", NULL);
        db_fails(conn, "CREATE SCHEMA s", "42501", NULL);
        db_fails(conn, "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "42501", NULL);
    }
}

/* Beyond the tables of its own methods a service reads what all of them need, which is nobody's
 * secret. */
static void test_services_read_their_own(void **state)
{
    (void)state;
    assert_string_equal(
        db_rows(
            conn,
            "SELECT r.rolname, string_agg(c.oid::regclass::text, ' ' ORDER BY c.oid::regclass::text) FROM "
            "pg_roles r, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE r.rolname ~ "
            "'^sitewire_(referential|user|deployment)$' AND c.relkind IN ('r', 'v') AND n.nspname IN "
            "('sitewire', 'referential', 'users', 'deployment') AND 'sitewire_' || rtrim(n.nspname, 's') <> "
            "r.rolname AND has_schema_privilege(r.oid, n.oid, 'USAGE') AND "
            "has_any_column_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE') GROUP BY 1 ORDER BY 1"),
        "sitewire_deployment|sitewire.request sitewire.schema sitewire.setting\n"
        "sitewire_referential|sitewire.request sitewire.schema sitewire.setting\n"
        "sitewire_user|sitewire.request sitewire.schema sitewire.setting");
}

static void test_rights_and_keys(void **state)
{
    (void)state;
    enter("sitewire_user", "ann@x.org");
    db_run(conn, "INSERT INTO users.access_right VALUES ('website:mine', 'bob@x.org', 'Reader')");
    db_run(conn, "DELETE FROM users.access_right WHERE project = 'website:mine' AND \"user\" = 'bob@x.org'");
    db_run(conn, "SELECT users.enroll(repeat('e', 40), '', '', NULL, '', 0)");
    db_run(conn, "UPDATE users.key SET revoked_at = now() WHERE public_key = repeat('e', 40)");
    assert_string_equal(
        db_rows(conn, "UPDATE users.\"user\" SET is_admin = false WHERE email = 'x' RETURNING 1"), "");
    static const char *const denied[] = {
        /* more than she has: */
        "INSERT INTO users.access_right VALUES ('website:mine', 'ann@x.org', 'Owner')",
        "INSERT INTO users.access_right VALUES ('website:seen', 'bob@x.org', 'Reader')",
        "INSERT INTO users.access_right VALUES ('website:theirs', 'ann@x.org', 'Reader')",
        "UPDATE users.access_right SET role = 'Owner' WHERE project = 'website:mine' AND \"user\" = "
        "'ann@x.org'",
        "UPDATE users.access_right SET project = 'website:theirs' WHERE project = 'website:mine'",
        "UPDATE users.\"user\" SET is_admin = true WHERE email = 'ann@x.org'",
        "INSERT INTO users.\"user\" (email) VALUES ('new@x.org')",
        "UPDATE users.role SET permissions = '{read,deploy,approve,manage}' WHERE code = 'Reader'",
        "INSERT INTO users.key (public_key, \"user\") VALUES (repeat('f', 40), 'admin@localhost')",
        "INSERT INTO users.key (public_key, \"user\") VALUES (repeat('f', 40), 'ann@x.org')",
        "SELECT users.enroll(repeat('f', 40), 'admin@localhost', '', NULL, '', 0)",
        "SELECT users.invite('admin@localhost', repeat('f', 40), '', 0)",
        "DELETE FROM users.key WHERE public_key = repeat('a', 40)",
    };
    for (size_t i = 0; i < sizeof(denied) / sizeof(*denied); i++)
        db_fails(conn, denied[i], "SW005", NULL);
    /* What a service's role does not need, it cannot. */
    db_fails(conn, "INSERT INTO users.rule VALUES ('Website', 'create', 'profile')", "42501", NULL);
    db_fails(conn, "INSERT INTO users.project (website) VALUES ('mine')", "42501", NULL);
    db_fails(conn, "UPDATE referential.website SET name = 'x'", "42501", NULL);
    enter("sitewire_referential", "admin@localhost");
    db_fails(conn, "UPDATE users.\"user\" SET is_admin = true", "42501", NULL);
}

/* A domain that moved shows its former project to nobody who may not read that, but is there for
 * those who may read the new one, now and as of then. */
static void test_history_of_what_moved(void **state)
{
    (void)state;
    static const char moves[] =
        "SELECT string_agg(concat(before->>'website', '>', after->>'website'), ' ' ORDER BY id) FROM "
        "users.change WHERE resource = 'Domain' AND operation = 'UPDATE'";
    static const char past[] = "SELECT string_agg(d->>'fqdn', ' ' ORDER BY d->>'fqdn') FROM "
                               "sitewire.as_of('Domain', now(), 'm', NULL) d "
                               "WHERE d->>'website' IS NOT NULL";
    static const struct {
        const char *user, *moves, *past;
    } cases[] = {
        {"ann@x.org", "mine>seen mine>mine2", "two.org"},
        {"bob@x.org", "", "mine.org theirs.org"},
        {"admin@localhost", "mine>seen seen>theirs mine>mine2", "mine.org theirs.org two.org"},
    };
    db_run(conn,
           "INSERT INTO domain (fqdn, website, docroot, environment) VALUES ('two.org', 'mine', 'd', 'e');"
           "UPDATE domain SET website = 'seen' WHERE fqdn = 'mine.org';"
           "UPDATE domain SET website = 'theirs' WHERE fqdn = 'mine.org';"
           "UPDATE website SET code = 'mine2' WHERE code = 'mine'");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        enter("sitewire_user", cases[i].user);
        assert_string_equal(db_rows(conn, moves), cases[i].moves);
        assert_string_equal(db_rows(conn, past), cases[i].past);
    }
}

/* Every resource has rules, and what they say of reading is what the policies do. */
static void test_rules_are_whole(void **state)
{
    (void)state;
    assert_string_equal(
        db_rows(conn, "SELECT sitewire.resource_of(relname), action FROM pg_class, "
                      "unnest('{read,create,update,delete}'::text[]) action WHERE relkind = 'r' AND "
                      "(relnamespace = 'referential'::regnamespace OR oid::regclass::text IN ('users.role', "
                      "'users.\"user\"', 'users.access_right', 'users.key', 'users.project')) AND NOT EXISTS "
                      "(SELECT FROM users.rule r WHERE r.resource = sitewire.resource_of(relname) AND "
                      "r.action = action.action)"),
        "");
    assert_string_equal(db_rows(conn, "SELECT r.name, d.duty FROM sitewire.resource r, "
                                      "sitewire.missing_duties(r.relation::regclass) d"),
                        "");
    static const char *const people[] = {"ann@x.org", "bob@x.org", "admin@localhost"};
    char text[512], seen[256];
    for (size_t i = 0; i < sizeof(people) / sizeof(*people); i++) {
        enter("sitewire_referential", people[i]);
        snprintf(seen, sizeof(seen), "%s", readable());
        enter("sitewire_user", people[i]);
        snprintf(
            text, sizeof(text),
            "SELECT string_agg(code, ' ' ORDER BY code) FROM (SELECT w.code FROM (VALUES ('mine'), "
            "('theirs'), ('seen')) w (code), users.explain('read', 'Website', w.code, '%s') e GROUP BY 1 "
            "HAVING (array_agg(e.allowed))[count(*)]) allowed",
            people[i]);
        assert_string_equal(db_rows(conn, text), seen);
    }
}

static void test_explain(void **state)
{
    (void)state;
    enter("sitewire_user", "ann@x.org");
    assert_string_equal(
        db_rows(conn, "SELECT * FROM users.explain('update', 'Website', 'seen', 'ann@x.org')"),
        "|ann@x.org has the profile USER\n"
        "|Website seen belongs to website:seen, where ann@x.org has read\n"
        "f|to update a Website takes: manage; it needs manage on website:seen, where ann@x.org has read\n"
        "f|no");
    assert_string_equal(
        db_rows(conn, "SELECT * FROM users.explain('create', 'AccessRight', "
                      "'website:mine/bob@x.org/Reader', 'ann@x.org') OFFSET 2"),
        "t|to create a AccessRight takes: grant; ann@x.org has manage, read on website:mine\n"
        "|manage on website:mine comes from AccessRight website:mine/ann@x.org/Manager\nt|yes");
    assert_string_equal(
        db_rows(conn, "SELECT step FROM users.explain('read', 'Server', 'h', 'ann@x.org') OFFSET 1"),
        "no: there is no Server h that ann@x.org may read");
    /* What she may not read might as well not be there. */
    static const char *const hidden[][2] = {{"Website", "theirs"},
                                            {"Domain", "theirs.org"},
                                            {"Project", "website:theirs"},
                                            {"AccessRight", "website:theirs/bob@x.org/Owner"},
                                            {"DomainLoadBalancer", "theirs.org/lb"}};
    char text[256], said[256], first[512];
    for (size_t i = 0; i < sizeof(hidden) / sizeof(*hidden); i++) {
        /* Also to who asks about making it; the key of an access right says itself whose it is. */
        for (int there = strcmp(hidden[i][0], "AccessRight") == 0 ? 2 : 0; there < 2; there++) {
            snprintf(
                text, sizeof(text),
                "SELECT replace(step, '%s%s', '') FROM users.explain('create', '%s', '%s%s', 'ann@x.org')",
                there ? "" : "x", hidden[i][1], hidden[i][0], there ? "" : "x", hidden[i][1]);
            if (there)
                assert_string_equal(db_rows(conn, text), first);
            else
                snprintf(first, sizeof(first), "%s", db_rows(conn, text));
        }
        for (int there = 0; there < 2; there++) {
            snprintf(text, sizeof(text),
                     "SELECT step FROM users.explain('update', '%s', '%s%s', 'ann@x.org') OFFSET 1",
                     hidden[i][0], there ? "" : "x", hidden[i][1]);
            snprintf(said, sizeof(said), "no: there is no %s %s%s that ann@x.org may read", hidden[i][0],
                     there ? "" : "x", hidden[i][1]);
            assert_string_equal(db_rows(conn, text), said);
        }
    }
    assert_string_equal(
        db_rows(conn, "SELECT step FROM users.explain('deploy', 'Website', 'mine', 'gone@x.org')"),
        "the user gone@x.org is not active\nno: gone@x.org is refused");
    db_fails(conn, "SELECT users.explain('deploy', 'Webstie', 'mine', 'ann@x.org')", "SW002", NULL);
    /* Whether a change may be read does not follow from the rules alone. */
    db_fails(conn, "SELECT users.explain('read', 'Change', '1', 'ann@x.org')", "SW002", NULL);
    db_fails(conn, "SELECT users.explain('eat', 'Website', 'mine', 'ann@x.org')", "SW002", NULL);
}

int main(void)
{
    conn = db_open_registry("rights");
    db_run(conn, rows);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_who_gets_in, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_rights_that_change_between_calls, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_reading, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_writing, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_services_make_nothing, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_services_read_their_own, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_rights_and_keys, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_history_of_what_moved, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_rules_are_whole, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_explain, db_begin, db_rollback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
