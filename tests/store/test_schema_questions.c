/* The registry's questions (sql/queries), as statements: what they answer of a small fleet, and
 * what they refuse. */
#include "db.h"
#include "service/service.h"
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static PGconn *conn;

static const char fleet[] =
    "INSERT INTO cms (code) VALUES ('drupal8');"
    "INSERT INTO hosting_provider (code) VALUES ('acquia');"
    "INSERT INTO drupal_docroot_core (code) VALUES ('core8');"
    "INSERT INTO environment (code) VALUES ('dev'), ('prod'), ('uat');"
    "INSERT INTO docroot (code, hosting_provider, drupal_docroot_core) VALUES ('d1', 'acquia', 'core8');"
    "INSERT INTO docroot_environment (docroot, environment, cms, cms_version, drupal_docroot_core_version)"
    "    VALUES ('d1', 'dev', 'drupal8', '8.9.2', '1.1'), ('d1', 'prod', 'drupal8', '8.9.1', '1.1');"
    "INSERT INTO website (code) VALUES ('isover.fr'), ('weber.fr');"
    "INSERT INTO website_deployed (website, docroot, environment, website_version) VALUES"
    "    ('isover.fr', 'd1', 'dev', '2.0'), ('isover.fr', 'd1', 'prod', '1.9'), ('weber.fr', 'd1', 'prod', "
    "'1.0');"
    "INSERT INTO server (hostname) VALUES ('web1'), ('web2');"
    "INSERT INTO docroot_environment_server VALUES ('d1', 'prod', 'web1'), ('d1', 'dev', 'web2');"
    "INSERT INTO certificate (code, not_after) VALUES ('c1', now() + interval '10 days 1 hour'),"
    "    ('c2', now() - interval '1 day 1 hour'), ('c3', now() + interval '99 days');"
    "INSERT INTO docroot_environment_certificate VALUES ('d1', 'prod', 'c2');"
    "INSERT INTO registrar (code) VALUES ('nameshield');"
    "INSERT INTO domain (fqdn, registrar, expires_at)"
    "    VALUES ('isover.fr', 'nameshield', now() + interval '20 days 1 hour');"
    "INSERT INTO domain (fqdn, certificate, parent, website, docroot, environment) VALUES"
    "    ('www.isover.fr', 'c1', 'isover.fr', 'isover.fr', 'd1', 'prod'),"
    "    ('dev.isover.fr', NULL, 'isover.fr', 'isover.fr', 'd1', 'dev'),"
    "    ('weber.fr', NULL, NULL, 'weber.fr', 'd1', 'prod');"
    "INSERT INTO load_balancer (code, hosting_provider) VALUES ('lb1', 'acquia');"
    "INSERT INTO domain_load_balancer VALUES ('www.isover.fr', 'lb1');";

/* Asks a query of the service's table; arguments are given as `name=SQL literal`, others are NULL.
 * The statement's text with them in place; static storage. */
static const char *ask(const char *method, const char *const *arguments)
{
    static char text[65536];
    const sw_query *query = sw_service_referential.queries;
    while (query->service && strcmp(query->method, method) != 0)
        query++;
    assert_non_null(query->service);
    size_t length = 0;
    bool comment = false;
    for (const char *s = query->sql; *s;) {
        comment = *s == '\n' ? false : comment || strncmp(s, "--", 2) == 0;
        bool parameter = !comment && *s == ':' && islower((unsigned char)s[1]) && s[-1] != ':';
        if (!parameter) {
            text[length++] = *s++;
            continue;
        }
        size_t size = 0;
        for (s++; islower((unsigned char)s[size]) || s[size] == '_';)
            size++;
        const char *value = strncmp(s, "within", 6) == 0 || strncmp(s, "depth", 5) == 0 ? "NULL::int"
                            : strncmp(s, "all", 3) == 0                                 ? "NULL::boolean"
                                                                                        : "NULL::text";
        for (const char *const *a = arguments; *a; a++) {
            if (strncmp(*a, s, size) == 0 && (*a)[size] == '=')
                value = *a + size + 1;
        }
        length += (size_t)sprintf(text + length, "(%s)", value);
        s += size;
        assert_true(length < sizeof(text) / 2);
    }
    text[length] = '\0';
    return text;
}

#define ASK(method, ...) ask(method, (const char *const[]){__VA_ARGS__, NULL})

static void test_find_versions(void **state)
{
    (void)state;
    assert_string_equal(
        db_rows(conn, ASK("FindVersions", "type='Cms'", "code='drupal8'")),
        "Cms|drupal8|8.9.1|d1|prod|{isover.fr,weber.fr}\nCms|drupal8|8.9.2|d1|dev|{isover.fr}");
    assert_string_equal(db_rows(conn, ASK("FindVersions", "type='Website'", "version='1.9'")),
                        "Website|isover.fr|1.9|d1|prod|{isover.fr}");
    assert_string_equal(
        db_rows(conn, ASK("FindVersions", "type='DrupalDocrootCore'", "code='core8'", "version='1.1'")),
        "DrupalDocrootCore|core8|1.1|d1|dev|{isover.fr}\nDrupalDocrootCore|core8|1.1|d1|prod|{isover.fr,"
        "weber.fr}");
    assert_string_equal(db_rows(conn, ASK("FindVersions", "type='Cms'", "version='9'")), "");
    db_fails(conn, ASK("FindVersions", "code='core8'"), "SW002", NULL);
    db_fails(conn, ASK("FindVersions", "type='Server'", "code='web1'"), "SW002", NULL);
    db_fails(conn, ASK("FindVersions", "type='Website'"), "SW002", NULL);
    db_fails(conn, ASK("FindVersions", "type='Website'", "code='nope'"), "SW003", NULL);
}

static void test_impact(void **state)
{
    (void)state;
    assert_string_equal(db_rows(conn, ASK("ListImpact", "type='Server'", "key='web2'")),
                        "1|DocrootEnvironment|d1/dev|DocrootEnvironmentServer|Server|web2\n"
                        "1|DocrootEnvironmentServer|d1/dev/web2|server|Server|web2\n"
                        "2|WebsiteDeployed|isover.fr/d1/dev|environment|DocrootEnvironment|d1/dev\n"
                        "3|Domain|dev.isover.fr|website|WebsiteDeployed|isover.fr/d1/dev\n"
                        "3|Website|isover.fr|WebsiteDeployed|WebsiteDeployed|isover.fr/d1/dev");
    /* The certificate of one domain takes its website along, but not the website's other
     * domains. */
    assert_string_equal(db_rows(conn, ASK("ListImpact", "type='Certificate'", "key='c1'")),
                        "1|Domain|www.isover.fr|certificate|Certificate|c1\n"
                        "2|DomainLoadBalancer|www.isover.fr/lb1|domain|Domain|www.isover.fr\n"
                        "2|Website|isover.fr|Domain|Domain|www.isover.fr");
    assert_string_equal(db_rows(conn, ASK("ListImpact", "type='Website'", "key='weber.fr'")),
                        "1|WebsiteDeployed|weber.fr/d1/prod|website|Website|weber.fr\n"
                        "2|Domain|weber.fr|website|WebsiteDeployed|weber.fr/d1/prod");
    assert_string_equal(db_rows(conn, ASK("ListImpact", "type='Registrar'", "key='nameshield'", "depth=1")),
                        "1|Domain|isover.fr|registrar|Registrar|nameshield");
    assert_string_equal(
        db_rows(conn, ASK("ListImpact", "type='DomainLoadBalancer'", "key='www.isover.fr/lb1'")), "");
    assert_string_equal(db_rows(conn, ASK("ListImpact", "type='Environment'", "key='uat'")), "");
    db_fails(conn, ASK("ListImpact", "key='d1'"), "SW002", NULL);
    db_fails(conn, ASK("ListImpact", "type='docroot'", "key='d1'"), "SW002", NULL);
    db_fails(conn, ASK("ListImpact", "type='DocrootEnvironment'", "key='d1'"), "SW002", NULL);
    db_fails(conn, ASK("ListImpact", "type='Docroot'", "key='d1/dev'"), "SW002", NULL);
    db_fails(conn, ASK("ListImpact", "type='Docroot'"), "SW002", NULL);
    db_fails(conn, ASK("ListImpact", "type='Docroot'", "key='d1'", "depth=-1"), "SW002", NULL);
    db_fails(conn, ASK("ListImpact", "type='Docroot'", "key='x'' OR true --'"), "SW003", NULL);
}

/* The pairs of rows of which one refers to the other, by the schema's own foreign keys. */
static const char references[] =
    "CREATE TEMP TABLE pair (type text, key text, from_type text, from_key text);"
    "DO $$ DECLARE c record; BEGIN FOR c IN"
    "    SELECT replace(initcap(replace(t.relname, '_', ' ')), ' ', '') AS type, confrelid::regclass AS "
    "to_table,"
    "           replace(initcap(replace(f.relname, '_', ' ')), ' ', '') AS from_type, conrelid::regclass AS "
    "from_table,"
    "           columns(confrelid, confkey, 't') AS to_key, columns(conrelid, conkey, 'f') AS by_key,"
    "           columns(conrelid, p.indkey::int2[], 'f') AS from_key"
    "    FROM pg_constraint JOIN pg_class t ON t.oid = confrelid JOIN pg_class f ON f.oid = conrelid"
    "    JOIN pg_index p ON p.indrelid = conrelid AND p.indisprimary"
    "    WHERE contype = 'f' AND connamespace = 'referential'::regnamespace LOOP"
    "    EXECUTE format('INSERT INTO pair SELECT %L, concat_ws(''/'', %s), %L, concat_ws(''/'', %s) "
    "                    FROM %s t JOIN %s f ON (%s) = (%s)', c.type, c.to_key, c.from_type, c.from_key,"
    "                   c.to_table, c.from_table, c.to_key, c.by_key); END LOOP; END $$";
static const char columns[] =
    "CREATE FUNCTION columns(relation oid, numbers int2[], alias text) RETURNS text LANGUAGE sql AS "
    "$$ SELECT string_agg(alias || '.' || attname, ', ' ORDER BY n) FROM unnest(numbers) WITH ORDINALITY u "
    "(number, n) "
    "JOIN pg_attribute ON attrelid = relation AND attnum = number $$";

/* Whatever refers to a row is listed as hit by it: nothing that stands in the way of a delete is
 * missed. */
static void test_impact_is_complete(void **state)
{
    (void)state;
    db_run(conn, columns);
    db_run(conn, references);
    PGresult *pairs = PQexec(conn, "TABLE pair");
    assert_in_range(PQntuples(pairs), 25, 60);
    for (int i = 0; i < PQntuples(pairs); i++) {
        char type[80], key[80], sql[65536];
        snprintf(type, sizeof(type), "type='%s'", PQgetvalue(pairs, i, 0));
        snprintf(key, sizeof(key), "key='%s'", PQgetvalue(pairs, i, 1));
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM (%s\n) x WHERE type = '%s' AND key = '%s'",
                 ASK("ListImpact", type, key, "depth=1"), PQgetvalue(pairs, i, 2), PQgetvalue(pairs, i, 3));
        if (strcmp(db_rows(conn, sql), "1") != 0)
            fail_msg("%s, %s: %s %s is missing", type, key, PQgetvalue(pairs, i, 2), PQgetvalue(pairs, i, 3));
    }
    PQclear(pairs);
}

static void test_compare(void **state)
{
    (void)state;
    assert_string_equal(db_rows(conn, ASK("CompareEnvironments", "docroot='d1'", "environment='dev'",
                                          "other_environment='prod'")),
                        "DocrootEnvironment|d1|cms_version|8.9.2|8.9.1\n"
                        "Website|isover.fr|website_version|2.0|1.9\nWebsite|weber.fr||absent|present");
    assert_string_equal(
        db_rows(conn, ASK("CompareEnvironments", "docroot='d1'", "environment='dev'",
                          "other_environment='prod'", "all=true")),
        "DocrootEnvironment|d1|cms_version|8.9.2|8.9.1\nCertificate|c2||absent|present\n"
        "Domain|dev.isover.fr||present|absent\nDomain|weber.fr||absent|present\n"
        "Domain|www.isover.fr||absent|present\nServer|web1||absent|present\nServer|web2||present|absent\n"
        "Website|isover.fr|website_version|2.0|1.9\nWebsite|weber.fr||absent|present");
    assert_string_equal(db_rows(conn, ASK("CompareEnvironments", "docroot='d1'", "environment='dev'",
                                          "other_environment='dev'")),
                        "");
    db_fails(conn, ASK("CompareEnvironments", "environment='dev'", "other_environment='prod'"), "SW002",
             NULL);
    db_fails(conn, ASK("CompareEnvironments", "docroot='d1'", "environment='dev'"), "SW002", NULL);
    db_fails(conn, ASK("CompareEnvironments", "docroot='d2'", "environment='dev'", "other_environment='dev'"),
             "SW003", NULL);
    db_fails(conn, ASK("CompareEnvironments", "docroot='d1'", "environment='dev'", "other_environment='uat'"),
             "SW003", NULL);
}

static void test_expirations(void **state)
{
    (void)state;
    char sql[65536];
    snprintf(sql, sizeof(sql), "SELECT type, key, days_left, websites FROM (%s\n) x",
             ASK("ListExpirations", "within_days=NULL::int"));
    assert_string_equal(db_rows(conn, sql),
                        "Certificate|c2|-2|{isover.fr,weber.fr}\nCertificate|c1|10|{isover.fr}\n"
                        "Domain|isover.fr|20|{isover.fr}");
    snprintf(sql, sizeof(sql), "SELECT string_agg(key, ',') FROM (%s\n) x",
             ASK("ListExpirations", "within_days=0"));
    assert_string_equal(db_rows(conn, sql), "c2");
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM (%s\n) x", ASK("ListExpirations", "within_days=36500"));
    assert_string_equal(db_rows(conn, sql), "4");
    db_fails(conn, ASK("ListExpirations", "within_days=-1"), "SW002", NULL);
    db_fails(conn, ASK("ListExpirations", "within_days=36501"), "SW002", NULL);
}

/* Arguments are checked in an empty registry too. */
static void test_empty(void **state)
{
    (void)state;
    db_run(conn, "BEGIN; SET LOCAL client_min_messages = warning; TRUNCATE website, docroot, server, "
                 "certificate, registrar, domain, load_balancer CASCADE");
    db_run(conn, "SAVEPOINT s");
    db_fails(conn, ASK("FindVersions", "code='core8'"), "SW002", NULL);
    db_run(conn, "ROLLBACK TO s");
    db_fails(conn, ASK("ListExpirations", "within_days=-1"), "SW002", NULL);
    db_run(conn, "ROLLBACK TO s");
    db_fails(conn, ASK("CompareEnvironments", "docroot='d1'"), "SW003", NULL);
    db_run(conn, "ROLLBACK");
}

int main(void)
{
    conn = db_open_registry("questions");
    db_run(conn, fleet);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find_versions),      cmocka_unit_test(test_impact),
        cmocka_unit_test(test_impact_is_complete), cmocka_unit_test(test_compare),
        cmocka_unit_test(test_expirations),        cmocka_unit_test(test_empty),
    };
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    PQfinish(conn);
    return failures;
}
