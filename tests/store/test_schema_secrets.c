/* What the schema lets whom do with secrets, what it writes down, and what stays what it is through
 * renames. Here a ciphertext is just bytes. */
#include "db.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static PGconn *conn;

/* d/one: a website and a core; d/both: two websites and the core; d2/empty: nothing. Certificates:
 * on d/one; of domains; of a domain of nobody; of nothing. */
static const char rows[] =
    "INSERT INTO website (code) VALUES ('mine'), ('theirs'); INSERT INTO drupal_docroot_core (code) VALUES "
    "('core');"
    "INSERT INTO docroot (code, drupal_docroot_core) VALUES ('d', 'core'), ('d2', NULL);"
    "INSERT INTO environment (code) VALUES ('one'), ('both'), ('empty'), ('lone');"
    "INSERT INTO docroot_environment (docroot, environment) VALUES ('d', 'one'), ('d', 'both'), ('d2', "
    "'empty'), "
    "('d2', 'lone');"
    "INSERT INTO website_deployed VALUES ('mine', 'd', 'one'), ('mine', 'd', 'both'), ('theirs', 'd', "
    "'both'), "
    "('mine', 'd2', 'lone');"
    "INSERT INTO certificate (code) VALUES ('c-env'), ('c-domain'), ('c-mixed'), ('c-nobody'), ('c-alone'), "
    "('c-empty');"
    "INSERT INTO docroot_environment_certificate VALUES ('d', 'one', 'c-env'), ('d2', 'empty', 'c-empty');"
    "INSERT INTO domain (fqdn, website, docroot, environment, certificate) VALUES ('a.org', 'mine', 'd', "
    "'one', 'c-domain'),"
    " ('b.org', 'mine', 'd', 'one', 'c-mixed'), ('c.org', 'theirs', 'd', 'both', 'c-mixed'),"
    " ('d.org', 'mine', 'd', 'one', 'c-nobody'), ('e.org', NULL, NULL, NULL, 'c-nobody');"
    "INSERT INTO users.\"user\" (email) VALUES ('ann@x.org'), ('bob@x.org'), ('cat@x.org'), ('dan@x.org');"
    "INSERT INTO users.role (code, permissions) VALUES ('Reader', '{read}');"
    "INSERT INTO users.access_right VALUES ('website:mine', 'ann@x.org', 'Owner'),"
    " ('website:mine', 'bob@x.org', 'Owner'), ('drupaldocrootcore:core', 'bob@x.org', 'Owner'),"
    " ('website:theirs', 'bob@x.org', 'Owner'),"
    " ('website:mine', 'cat@x.org', 'Owner'), ('drupaldocrootcore:core', 'cat@x.org', 'Owner'),"
    " ('website:theirs', 'cat@x.org', 'Reader'),"
    " ('website:mine', 'dan@x.org', 'External');";

static void enter(const char *role, const char *user)
{
    char text[256];
    db_run(conn, "RESET ROLE");
    snprintf(text, sizeof(text), "SET ROLE %s", role);
    db_run(conn, text);
    snprintf(text, sizeof(text), "SELECT sitewire.enter('', '%s', false, false, 'call', '', 'because')",
             user);
    db_run(conn, text);
}

/* Whose secrets each of ann, bob, cat, dan and the admin may read, set and delete. */
static const struct right {
    const char *type, *key, *who;
} rights[] = {
    {"DocrootEnvironment", "d/one", "_bc_+"},    {"DocrootEnvironment", "d/both", "_b__+"},
    {"DocrootEnvironment", "d2/empty", "____+"}, {"DocrootEnvironment", "d2/lone", "abc_+"},
    {"Certificate", "c-env", "_bc_+"},           {"Certificate", "c-domain", "abc_+"},
    {"Certificate", "c-mixed", "_b__+"},         {"Certificate", "c-nobody", "____+"},
    {"Certificate", "c-alone", "____+"},         {"Certificate", "c-empty", "____+"},
};
#define RIGHTS (sizeof(rights) / sizeof(*rights))
static const char *const people[] = {"ann@x.org", "bob@x.org", "cat@x.org", "dan@x.org", "admin@localhost"};

static const char *field_of(const struct right *r)
{
    return *r->type == 'C' ? "private_key" : "basic_auth_password";
}

static const char *set_sql(const struct right *r)
{
    static char text[640];
    snprintf(text, sizeof(text),
             "SELECT s.field FROM referential.look_at_owner('%s', '%s', '%s') o, "
             "referential.set_secret('%s', '%s', '%s', "
             "o.owner, o.owner_revision, 'geheim', 'k1', 0) s",
             r->type, r->key, field_of(r), r->type, r->key, field_of(r));
    return text;
}

static const char *read_sql(const struct right *r)
{
    static char text[256];
    snprintf(text, sizeof(text), "SELECT ciphertext, key_id FROM referential.read_secret('%s', '%s', '%s')",
             r->type, r->key, field_of(r));
    return text;
}

static void set_all(void)
{
    enter("sitewire_referential", "admin@localhost");
    for (size_t i = 0; i < RIGHTS; i++)
        assert_string_equal(db_rows(conn, set_sql(&rights[i])), field_of(&rights[i]));
}

static void attempt(const char *sql, bool allowed)
{
    if (allowed)
        assert_string_not_equal(db_rows(conn, sql), "");
    else
        db_fails(conn, sql, "SW005", NULL);
}

static void test_rights(void **state)
{
    (void)state;
    char text[512], other[1024];
    set_all();
    for (size_t p = 0; p < sizeof(people) / sizeof(*people); p++)
        for (size_t i = 0; i < RIGHTS; i++) {
            const struct right *r = &rights[i];
            bool may = r->who[p] != '_';
            enter("sitewire_referential", people[p]);
            attempt(read_sql(r), may);
            attempt(set_sql(r), may);
            snprintf(text, sizeof(text), "type = '%s' AND key = '%s'", r->type, r->key);
            /* What one may not read is not there. */
            snprintf(other, sizeof(other), "SELECT count(*) FROM secret_listing WHERE %s", text);
            assert_string_equal(db_rows(conn, other), may ? "1" : "0");
            snprintf(other, sizeof(other), "SAVEPOINT a; DELETE FROM secret_listing WHERE %s", text);
            db_run(conn, other);
            snprintf(other, sizeof(other), "RESET ROLE; SELECT count(*) FROM secret WHERE %s", text);
            assert_string_equal(db_rows(conn, other), may ? "0" : "1");
            db_run(conn, "ROLLBACK TO a");
            /* `explain` says the same. */
            snprintf(other, sizeof(other),
                     "RESET ROLE; SELECT allowed FROM users.explain('read', 'Secret', '%s/%s/%s', '%s') WITH "
                     "ORDINALITY "
                     "ORDER BY ordinality DESC LIMIT 1",
                     r->type, r->key, field_of(r), people[p]);
            assert_string_equal(db_rows(conn, other), may ? "t" : "f");
        }
    /* A project that somebody may not even read is not named. */
    db_run(conn, "RESET ROLE");
    assert_string_equal(db_rows(conn, "SELECT count(*) FROM users.explain('read', 'Secret', "
                                      "'Certificate/c-mixed/private_key', 'ann@x.org') "
                                      "WHERE step LIKE '%theirs%'"),
                        "0");
    assert_string_equal(db_rows(conn, "SELECT count(*) FROM users.explain('read', 'Secret', "
                                      "'Certificate/c-mixed/private_key', 'cat@x.org') "
                                      "WHERE step LIKE '%website:theirs, where cat@x.org has read'"),
                        "1");
    assert_string_equal(
        db_rows(conn,
                "SELECT allowed, step FROM users.explain('create', 'Secret', 'DocrootEnvironment/d2/none/x', "
                "'bob@x.org') WITH ORDINALITY ORDER BY ordinality DESC LIMIT 1"),
        "f|no");
}

/* Who serves a certificate may read its key: so it is not for everybody to make a domain of theirs
 * serve it. */
static void test_taking_certificates(void **state)
{
    (void)state;
    static const struct {
        const char *who, *domain, *certificate;
        bool may;
    } cases[] = {
        {"ann@x.org", "a.org", "'c-domain'", true}, /* as before */
        {"ann@x.org", "d.org", "'c-domain'", true}, /* hers alone */
        {"ann@x.org", "a.org", "'c-alone'", false}, /* of nobody, and so an admin's */
        {"ann@x.org", "a.org", "'c-nobody'", false},     {"ann@x.org", "a.org", "'c-mixed'", false},
        {"cat@x.org", "a.org", "'c-mixed'", false},      {"bob@x.org", "a.org", "'c-mixed'", true},
        {"ann@x.org", "a.org", "'c-none'", false},       {"ann@x.org", "a.org", "NULL", true},
        {"admin@localhost", "a.org", "'c-alone'", true},
    };
    char text[256];
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        enter("sitewire_referential", cases[i].who);
        db_run(conn, "SAVEPOINT a");
        snprintf(text, sizeof(text), "UPDATE domain SET certificate = %s WHERE fqdn = '%s' RETURNING fqdn",
                 cases[i].certificate, cases[i].domain);
        attempt(text, cases[i].may);
        db_run(conn, "ROLLBACK TO a");
    }
}

/* The table is nobody's, and what leads to a sealed secret is one service's. */
static void test_roles(void **state)
{
    (void)state;
    set_all();
    static const char *const roles[] = {"sitewire_referential", "sitewire_user", "sitewire_deployment"};
    static const char *const denied[] = {
        "SELECT ciphertext FROM referential.secret",
        "SELECT key FROM referential.secret",
        "UPDATE referential.secret SET key_id = 'x'",
        "DELETE FROM referential.secret",
        "INSERT INTO referential.secret (certificate, field, ciphertext, key_id) VALUES ('c-env', "
        "'private_key', 'x', 'k')",
        "TRUNCATE referential.secret",
        "UPDATE referential.secret_listing SET key_id = 'x'",
        "SELECT referential.need_admin()",
        "SELECT users.record_read('Secret', 'x')",
        "SELECT * FROM referential.owner_of_secret('Certificate', 'c-env', false)",
    };
    static const char *const others[] = {
        "SELECT key FROM referential.secret_listing",
        "DELETE FROM referential.secret_listing",
        "SELECT referential.read_secret('Certificate', 'c-env', 'private_key')",
        "SELECT referential.look_at_owner('Certificate', 'c-env', 'private_key')",
        "SELECT referential.set_secret('Certificate', 'c-env', 'private_key', 1, 1, 'x', 'k', 0)",
        "SELECT referential.secrets_to_reseal('x', 0, 10)",
        "SELECT referential.reseal_secrets('x', '{}')",
    };
    for (size_t i = 0; i < 3; i++) {
        enter(roles[i], "admin@localhost");
        for (size_t k = 0; k < sizeof(denied) / sizeof(*denied); k++)
            db_fails(conn, denied[k], "42501", NULL);
        for (size_t k = 0; i > 0 && k < sizeof(others) / sizeof(*others); k++)
            db_fails(conn, others[k], "42501", NULL);
    }
    /* Nothing without a caller, and no rotation by who is no admin. */
    enter("sitewire_referential", "bob@x.org");
    db_fails(conn, "SELECT referential.secrets_to_reseal('x', 0, 10)", "SW005", NULL);
    db_fails(conn, "SELECT referential.reseal_secrets('x', '{}')", "SW005", NULL);
    db_run(conn, "SELECT set_config('sitewire.user', '', false), set_config('sitewire.admin', '', false)");
    db_fails(conn, read_sql(&rights[0]), "SW004", NULL);
    assert_string_equal(db_rows(conn, "SELECT count(*) FROM secret_listing"), "0");
}

static void test_arguments(void **state)
{
    (void)state;
    static const struct {
        const char *arguments, *sqlstate;
    } bad[] = {{"'Website', 'mine', 'password'", "SW002"},
               {"'Certificate', 'c-env', 'basic_auth_password'", "SW002"},
               {"'Certificate', 'c-env', ''", "SW002"},
               {"'Certificate', 'c-env', NULL", "SW002"},
               {"NULL, NULL, NULL", "SW002"},
               {"'Certificate', 'none', 'private_key'", "SW003"},
               {"'Certificate', '', 'private_key'", "SW003"},
               {"'DocrootEnvironment', 'd', 'basic_auth_password'", "SW003"},
               {"'DocrootEnvironment', 'd/one/x', 'basic_auth_password'", "SW003"},
               {"'DocrootEnvironment', '/d/one', 'basic_auth_password'", "SW003"}};
    char text[256];
    enter("sitewire_referential", "admin@localhost");
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        snprintf(text, sizeof(text), "SELECT * FROM referential.look_at_owner(%s)", bad[i].arguments);
        db_fails(conn, text, bad[i].sqlstate, NULL);
        snprintf(text, sizeof(text), "SELECT * FROM referential.read_secret(%s)", bad[i].arguments);
        db_fails(conn, text, bad[i].sqlstate, NULL);
    }
    db_fails(conn, read_sql(&rights[0]), "SW003", NULL); /* it has none */
    /* Sealed for a row that is another one by now, or has changed; with a revision. */
    static const struct {
        const char *sql, *sqlstate;
    } late[] = {
        {"SELECT referential.set_secret('Certificate', 'c-env', 'private_key', o.owner + 1, "
         "o.owner_revision, 'x', 'k', 0)",
         "SW001"},
        {"SELECT referential.set_secret('Certificate', 'c-env', 'private_key', o.owner, o.owner_revision + "
         "1, 'x', 'k', 0)",
         "SW001"},
        {"SELECT referential.set_secret('Certificate', 'c-env', 'private_key', o.owner, o.owner_revision, "
         "'x', 'k', 1)",
         "SW003"},
    };
    for (size_t i = 0; i < 3; i++) {
        snprintf(text, sizeof(text),
                 "%s FROM referential.look_at_owner('Certificate', 'c-env', 'private_key') o", late[i].sql);
        db_fails(conn, text, late[i].sqlstate, NULL);
    }
    db_rows(conn, set_sql(&rights[4]));
    db_fails(conn,
             "SELECT referential.set_secret('Certificate', 'c-env', 'private_key', o.owner, "
             "o.owner_revision, 'x', "
             "'k', 2) FROM referential.look_at_owner('Certificate', 'c-env', 'private_key') o",
             "SW001", NULL);
    assert_string_equal(db_rows(conn, "SELECT s.revision, s.key_id FROM "
                                      "referential.look_at_owner('Certificate', 'c-env', 'private_key') o, "
                                      "referential.set_secret('Certificate', 'c-env', 'private_key', "
                                      "o.owner, o.owner_revision, 'x', 'k', 1) s"),
                        "2|k");
}

static void test_history(void **state)
{
    (void)state;
    enter("sitewire_referential", "bob@x.org");
    db_rows(conn, set_sql(&rights[4]));
    db_rows(conn, read_sql(&rights[4]));
    db_rows(conn, set_sql(&rights[4]));
    enter("sitewire_referential", "admin@localhost");
    db_run(conn, "DELETE FROM secret_listing");
    static const char sql[] =
        "SELECT operation, actor, key, call_id, reason FROM users.change WHERE resource = 'Secret' "
        "ORDER BY id";
    static const char whole[] = "INSERT|bob@x.org|Certificate/c-env/private_key|call|because\n"
                                "READ|bob@x.org|Certificate/c-env/private_key|call|because\n"
                                "UPDATE|bob@x.org|Certificate/c-env/private_key|call|because\n"
                                "DELETE|admin@localhost|Certificate/c-env/private_key|call|because";
    /* For those who may read the secret: not for ann, who does not manage the core there. */
    enter("sitewire_user", "admin@localhost");
    assert_string_equal(db_rows(conn, sql), whole);
    enter("sitewire_user", "cat@x.org");
    assert_string_equal(db_rows(conn, sql), whole);
    enter("sitewire_user", "ann@x.org");
    assert_string_equal(db_rows(conn, sql), "");
    db_run(conn, "RESET ROLE");
    assert_string_equal(
        db_rows(conn, "SELECT count(*) FROM users.change c WHERE c::text ~ 'geheim|67656865696d|ciphertext'"),
        "0");
    assert_string_equal(db_rows(conn, "SELECT before, after FROM users.change WHERE operation = 'READ'"),
                        "|");
    /* Whoever reads at psql does so under a name of their own. */
    enter("sitewire_referential", "admin@localhost");
    db_run(conn, "RESET ROLE");
    db_rows(conn, set_sql(&rights[4]));
    db_rows(conn, read_sql(&rights[4]));
    assert_string_equal(
        db_rows(conn, "SELECT starts_with(actor, 'psql:') FROM users.change ORDER BY id DESC LIMIT 1"), "t");
}

/* What a seal is bound to outlives renames, cannot be chosen, and does not come back. */
static void test_owner(void **state)
{
    (void)state;
    static const char owners[] =
        "SELECT type, key, owner FROM referential.secrets_to_reseal('', 0, 100) ORDER BY id";
    static char before[4096];
    set_all();
    snprintf(before, sizeof(before), "%s",
             db_rows(conn, "SELECT owner FROM referential.secrets_to_reseal('', 0, 100) ORDER BY id"));
    db_run(conn, "UPDATE docroot SET code = 'D' WHERE code = 'd'; UPDATE environment SET code = 'ONE' WHERE "
                 "code = 'one';"
                 "UPDATE certificate SET code = 'C' WHERE code = 'c-env'");
    assert_string_equal(
        db_rows(conn, "SELECT owner FROM referential.secrets_to_reseal('', 0, 100) ORDER BY id"), before);
    assert_string_equal(db_rows(conn, "SELECT key FROM referential.secret_listing ORDER BY 1 LIMIT 3"),
                        "C\nD/ONE\nD/both");
    db_run(conn, "RESET ROLE");
    assert_string_equal(
        db_rows(conn,
                "SELECT old_key, key FROM users.change WHERE resource = 'Secret' AND old_key LIKE '%one%' "
                "ORDER BY id"),
        "DocrootEnvironment/d/one/basic_auth_password|DocrootEnvironment/D/one/basic_auth_password\n"
        "DocrootEnvironment/D/one/basic_auth_password|DocrootEnvironment/D/ONE/basic_auth_password");
    db_fails(conn, "UPDATE certificate SET id = 1 WHERE code = 'C'", "428C9", NULL);
    db_fails(conn, "INSERT INTO certificate (code, id) VALUES ('x', 1)", "428C9", NULL);
    db_fails(conn, "UPDATE secret SET field = 'private_key' WHERE type = 'DocrootEnvironment'", "23514",
             "secret__field__choice");
    /* It goes with its row, and a new row of that key is another one. */
    db_run(
        conn,
        "DELETE FROM certificate WHERE code = 'c-alone'; INSERT INTO certificate (code) VALUES ('c-alone')");
    assert_string_equal(db_rows(conn, "SELECT count(*) FROM secret WHERE certificate = 'c-alone'"), "0");
    assert_string_equal(db_rows(conn, "SELECT id > 6 FROM certificate WHERE code = 'c-alone'"), "t");
    assert_string_equal(db_rows(conn, "SELECT operation FROM users.change WHERE key = "
                                      "'Certificate/c-alone/private_key' ORDER BY id DESC "
                                      "LIMIT 1"),
                        "DELETE");
    assert_string_not_equal(db_rows(conn, owners), "");
}

static void test_rotation(void **state)
{
    (void)state;
    set_all();
    /* The first three; one of them is set meanwhile, one is gone. */
    db_run(conn,
           "RESET ROLE; CREATE TEMP TABLE batch AS SELECT * FROM referential.secrets_to_reseal('k2', 0, 3);"
           "GRANT SELECT ON batch TO sitewire_referential; SET ROLE sitewire_referential");
    assert_string_equal(db_rows(conn, "SELECT key, key_id FROM batch ORDER BY id"),
                        "d/one|k1\nd/both|k1\nd2/empty|k1");
    db_rows(conn, set_sql(&rights[0]));
    db_run(conn, "DELETE FROM secret_listing WHERE key = 'd/both'");
    static const char reseal[] =
        "SELECT r.* FROM referential.reseal_secrets('k2', (SELECT array_agg(ROW(id, type, key, field, "
        "owner, 'new', 'k2', revision)::referential.sealed_secret) FROM batch)) r";
    assert_string_equal(db_rows(conn, reseal), "1|8");
    assert_string_equal(db_rows(conn, reseal), "0|8");
    assert_string_equal(
        db_rows(conn,
                "RESET ROLE; SELECT key, encode(ciphertext, 'escape'), key_id FROM secret WHERE docroot "
                "IS NOT NULL ORDER BY key"),
        "d/one|geheim|k1\nd2/empty|new|k2\nd2/lone|geheim|k1");
    enter("sitewire_referential", "admin@localhost");
    assert_string_equal(
        db_rows(conn, "SELECT count(*) FROM referential.secrets_to_reseal('k2', (SELECT max(id) FROM batch), "
                      "100)"),
        "7");
    /* It is a change like any other, but not a new secret. */
    db_run(conn, "RESET ROLE");
    assert_string_equal(db_rows(conn, "SELECT after->>'key_id', before->>'set_at' = after->>'set_at' FROM "
                                      "users.change WHERE resource = "
                                      "'Secret' ORDER BY id DESC LIMIT 1"),
                        "k2|t");
}

static int prepare(void **state)
{
    int failed = db_begin(state);
    db_run(conn, rows);
    return failed;
}

int main(void)
{
    conn = db_open_registry("secrets");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rights, prepare, db_rollback),
        cmocka_unit_test_setup_teardown(test_taking_certificates, prepare, db_rollback),
        cmocka_unit_test_setup_teardown(test_roles, prepare, db_rollback),
        cmocka_unit_test_setup_teardown(test_arguments, prepare, db_rollback),
        cmocka_unit_test_setup_teardown(test_history, prepare, db_rollback),
        cmocka_unit_test_setup_teardown(test_owner, prepare, db_rollback),
        cmocka_unit_test_setup_teardown(test_rotation, prepare, db_rollback),
    };
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    PQfinish(conn);
    return failures;
}
