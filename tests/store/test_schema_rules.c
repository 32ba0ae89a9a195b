/* Every rule of the schema: what a violation says, by SQLSTATE and name of the constraint, and what
 * is allowed. */
#include "db.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static PGconn *conn;

static const char rows[] =
    "INSERT INTO cms (code) VALUES ('drupal8');"
    "INSERT INTO hosting_provider (code) VALUES ('acquia');"
    "INSERT INTO drupal_docroot_core (code) VALUES ('core8');"
    "INSERT INTO environment (code) VALUES ('dev'), ('prod');"
    "INSERT INTO docroot (code, hosting_provider, drupal_docroot_core, provider_id)"
    "    VALUES ('d1', 'acquia', 'core8', 'id1');"
    "INSERT INTO docroot_environment (docroot, environment, cms, provider_id)"
    "    VALUES ('d1', 'dev', 'drupal8', ''), ('d1', 'prod', 'drupal8', 'id1');"
    "INSERT INTO website (code) VALUES ('isover.fr');"
    "INSERT INTO website_deployed (website, docroot, environment) VALUES ('isover.fr', 'd1', 'prod');"
    "INSERT INTO server (hostname) VALUES ('web1');"
    "INSERT INTO registrar (code) VALUES ('nameshield');"
    "INSERT INTO certificate (code) VALUES ('c1');"
    "INSERT INTO domain (fqdn, registrar, certificate, website, docroot, environment)"
    "    VALUES ('isover.fr', 'nameshield', 'c1', 'isover.fr', 'd1', 'prod');"
    "INSERT INTO domain (fqdn, parent) VALUES ('www.isover.fr', 'isover.fr');"
    "INSERT INTO load_balancer (code, hosting_provider) VALUES ('lb1', 'acquia');"
    "INSERT INTO domain_load_balancer (domain, load_balancer) VALUES ('isover.fr', 'lb1');"
    "INSERT INTO docroot_environment_server (docroot, environment, server) VALUES ('d1', 'prod', 'web1');"
    "INSERT INTO docroot_environment_certificate (docroot, environment, certificate) VALUES ('d1', 'prod', "
    "'c1');"
    "INSERT INTO docroot_environment_load_balancer (docroot, environment, load_balancer)"
    "    VALUES ('d1', 'prod', 'lb1');";

#define CHECK   "23514"
#define UNIQUE  "23505"
#define FOREIGN "23503"

static const struct {
    const char *sql, *sqlstate, *constraint;
} violations[] = {
    /* Keys. */
    {"INSERT INTO cms (code) VALUES ('drupal8')", UNIQUE, "cms__code__key"},
    {"INSERT INTO website (code) VALUES ('isover.fr')", UNIQUE, "website__code__key"},
    {"INSERT INTO hosting_provider (code) VALUES ('acquia')", UNIQUE, "hosting_provider__code__key"},
    {"INSERT INTO drupal_docroot_core (code) VALUES ('core8')", UNIQUE, "drupal_docroot_core__code__key"},
    {"INSERT INTO docroot (code) VALUES ('d1')", UNIQUE, "docroot__code__key"},
    {"INSERT INTO environment (code) VALUES ('dev')", UNIQUE, "environment__code__key"},
    {"INSERT INTO docroot_environment (docroot, environment) VALUES ('d1', 'dev')", UNIQUE,
     "docroot_environment__environment__key"},
    {"INSERT INTO website_deployed (website, docroot, environment) VALUES ('isover.fr', 'd1', 'prod')",
     UNIQUE, "website_deployed__environment__key"},
    {"INSERT INTO server (hostname) VALUES ('web1')", UNIQUE, "server__hostname__key"},
    {"INSERT INTO registrar (code) VALUES ('nameshield')", UNIQUE, "registrar__code__key"},
    {"INSERT INTO certificate (code) VALUES ('c1')", UNIQUE, "certificate__code__key"},
    {"INSERT INTO domain (fqdn) VALUES ('isover.fr')", UNIQUE, "domain__fqdn__key"},
    {"INSERT INTO load_balancer (code) VALUES ('lb1')", UNIQUE, "load_balancer__code__key"},
    {"INSERT INTO domain_load_balancer VALUES ('isover.fr', 'lb1')", UNIQUE,
     "domain_load_balancer__load_balancer__key"},
    {"INSERT INTO docroot_environment_server VALUES ('d1', 'prod', 'web1')", UNIQUE,
     "docroot_environment_server__server__key"},
    {"INSERT INTO docroot_environment_certificate VALUES ('d1', 'prod', 'c1')", UNIQUE,
     "docroot_environment_certificate__certificate__key"},
    {"INSERT INTO docroot_environment_load_balancer VALUES ('d1', 'prod', 'lb1')", UNIQUE,
     "docroot_environment_load_balancer__load_balancer__key"},
    {"INSERT INTO docroot (code, provider_id) VALUES ('d2', 'id1')", UNIQUE, "docroot__provider_id__unique"},
    {"UPDATE docroot_environment SET provider_id = 'id1'", UNIQUE,
     "docroot_environment__provider_id__unique"},
    /* References to what is absent. */
    {"UPDATE docroot SET hosting_provider = 'x'", FOREIGN, "docroot__hosting_provider__ref"},
    {"UPDATE docroot SET drupal_docroot_core = 'x'", FOREIGN, "docroot__drupal_docroot_core__ref"},
    {"INSERT INTO docroot_environment (docroot, environment) VALUES ('x', 'dev')", FOREIGN,
     "docroot_environment__docroot__ref"},
    {"UPDATE docroot_environment SET environment = 'x' WHERE environment = 'dev'", FOREIGN,
     "docroot_environment__environment__ref"},
    {"UPDATE docroot_environment SET cms = 'x'", FOREIGN, "docroot_environment__cms__ref"},
    {"INSERT INTO website_deployed (website, docroot, environment) VALUES ('x', 'd1', 'prod')", FOREIGN,
     "website_deployed__website__ref"},
    {"INSERT INTO website_deployed (website, docroot, environment) VALUES ('isover.fr', 'd1', 'x')", FOREIGN,
     "website_deployed__environment__ref"},
    {"UPDATE domain SET registrar = 'x'", FOREIGN, "domain__registrar__ref"},
    {"UPDATE domain SET certificate = 'x'", FOREIGN, "domain__certificate__ref"},
    {"UPDATE domain SET parent = 'fr' WHERE fqdn = 'isover.fr'", FOREIGN, "domain__parent__ref"},
    {"UPDATE domain SET environment = 'dev' WHERE fqdn = 'isover.fr'", FOREIGN, "domain__website__ref"},
    {"UPDATE load_balancer SET hosting_provider = 'x'", FOREIGN, "load_balancer__hosting_provider__ref"},
    {"INSERT INTO domain_load_balancer VALUES ('x.fr', 'lb1')", FOREIGN, "domain_load_balancer__domain__ref"},
    {"INSERT INTO domain_load_balancer VALUES ('isover.fr', 'x')", FOREIGN,
     "domain_load_balancer__load_balancer__ref"},
    {"INSERT INTO docroot_environment_server VALUES ('d1', 'prod', 'x')", FOREIGN,
     "docroot_environment_server__server__ref"},
    {"INSERT INTO docroot_environment_server VALUES ('d1', 'x', 'web1')", FOREIGN,
     "docroot_environment_server__environment__ref"},
    {"INSERT INTO docroot_environment_certificate VALUES ('d1', 'prod', 'x')", FOREIGN,
     "docroot_environment_certificate__certificate__ref"},
    {"INSERT INTO docroot_environment_certificate VALUES ('d1', 'x', 'c1')", FOREIGN,
     "docroot_environment_certificate__environment__ref"},
    {"INSERT INTO docroot_environment_load_balancer VALUES ('d1', 'prod', 'x')", FOREIGN,
     "docroot_environment_load_balancer__load_balancer__ref"},
    {"INSERT INTO docroot_environment_load_balancer VALUES ('d1', 'x', 'lb1')", FOREIGN,
     "docroot_environment_load_balancer__environment__ref"},
    /* Deletes of what others refer to. */
    {"DELETE FROM hosting_provider", FOREIGN, NULL},
    {"DELETE FROM drupal_docroot_core", FOREIGN, "docroot__drupal_docroot_core__ref"},
    {"DELETE FROM docroot", FOREIGN, "docroot_environment__docroot__ref"},
    {"DELETE FROM environment", FOREIGN, "docroot_environment__environment__ref"},
    {"DELETE FROM cms", FOREIGN, "docroot_environment__cms__ref"},
    {"DELETE FROM docroot_environment", FOREIGN, NULL},
    {"DELETE FROM website", FOREIGN, "website_deployed__website__ref"},
    {"DELETE FROM website_deployed", FOREIGN, "domain__website__ref"},
    {"DELETE FROM registrar", FOREIGN, "domain__registrar__ref"},
    {"DELETE FROM certificate", FOREIGN, NULL},
    {"DELETE FROM domain WHERE fqdn = 'isover.fr'", FOREIGN, NULL},
    {"DELETE FROM load_balancer", FOREIGN, NULL},
    {"DELETE FROM server", FOREIGN, "docroot_environment_server__server__ref"},
    {"DELETE FROM users.project", "23001", "project__code__ref"},
    /* Formats. */
    {"UPDATE cms SET code = 'a b'", CHECK, "cms__code__code"},
    {"UPDATE website SET code = ''", CHECK, "website__code__code"},
    {"UPDATE website SET code = repeat('a', 129)", CHECK, "website__code__code"},
    {"UPDATE website SET code = 'a/b'", CHECK, "website__code__code"},
    {"UPDATE website SET code = E'a\\n'", CHECK, "website__code__code"},
    {"UPDATE hosting_provider SET code = 'é'", CHECK, "hosting_provider__code__code"},
    {"UPDATE drupal_docroot_core SET code = 'a,b'", CHECK, "drupal_docroot_core__code__code"},
    {"UPDATE docroot SET code = 'a;b'", CHECK, "docroot__code__code"},
    {"UPDATE environment SET code = 'a''b' WHERE code = 'dev'", CHECK, "environment__code__code"},
    {"UPDATE registrar SET code = '*'", CHECK, "registrar__code__code"},
    {"UPDATE certificate SET code = ' '", CHECK, "certificate__code__code"},
    {"UPDATE load_balancer SET code = '\"'", CHECK, "load_balancer__code__code"},
    {"UPDATE server SET hostname = 'Web1'", CHECK, "server__hostname__host"},
    {"UPDATE server SET hostname = '-web1'", CHECK, "server__hostname__host"},
    {"UPDATE server SET hostname = 'web_1'", CHECK, "server__hostname__host"},
    {"UPDATE server SET hostname = '10.0.0.1'", CHECK, "server__hostname__host"},
    {"UPDATE server SET domain = 'x..y'", CHECK, "server__domain__host"},
    {"UPDATE server SET login = 'a b'", CHECK, "server__login__login"},
    {"UPDATE domain SET fqdn = 'fr' WHERE parent IS NULL", CHECK, "domain__fqdn__domain"},
    {"UPDATE domain SET fqdn = 'X.fr' WHERE parent IS NULL", CHECK, "domain__fqdn__domain"},
    {"UPDATE domain SET fqdn = 'x.fr.' WHERE parent IS NULL", CHECK, "domain__fqdn__domain"},
    {"UPDATE domain SET fqdn = repeat('x', 64) || '.fr' WHERE parent IS NULL", CHECK, "domain__fqdn__domain"},
    {"UPDATE domain SET fqdn = repeat('x.', 126) || 'fr' WHERE parent IS NULL", CHECK,
     "domain__fqdn__domain"},
    {"UPDATE load_balancer SET fqdn = 'lb'", CHECK, "load_balancer__fqdn__domain"},
    {"UPDATE load_balancer SET ip = '10.0.0.0/8'", CHECK, "load_balancer__ip__address"},
    {"UPDATE load_balancer SET ip2 = 'fe80::/64'", CHECK, "load_balancer__ip2__address"},
    {"UPDATE cms SET code_repository_url = 'github.com/x'", CHECK, "cms__code_repository_url__url"},
    {"UPDATE cms SET binary_repository_url = 'https://x y'", CHECK, "cms__binary_repository_url__url"},
    {"UPDATE website SET code_repository_url = 'x'", CHECK, "website__code_repository_url__url"},
    {"UPDATE website SET binary_repository_url = 'x'", CHECK, "website__binary_repository_url__url"},
    {"UPDATE drupal_docroot_core SET code_repository_url = 'x'", CHECK,
     "drupal_docroot_core__code_repository_url__url"},
    {"UPDATE drupal_docroot_core SET binary_repository_url = 'https://' || repeat('x', 2048)", CHECK,
     "drupal_docroot_core__binary_repository_url__url"},
    {"UPDATE website SET home_directory = 'a/../b'", CHECK, "website__home_directory__path"},
    {"UPDATE website SET home_directory = '/a'", CHECK, "website__home_directory__path"},
    {"UPDATE docroot_environment SET basic_auth_user = 'a:b'", CHECK,
     "docroot_environment__basic_auth_user__login"},
    /* Lengths and control characters. */
    {"UPDATE cms SET name = repeat('x', 257)", CHECK, "cms__name__text"},
    {"UPDATE website SET name = E'a\\tb'", CHECK, "website__name__text"},
    {"UPDATE website SET organization = E'a\\u0085b'", CHECK, "website__organization__text"},
    {"UPDATE hosting_provider SET name = E'\\x7f'", CHECK, "hosting_provider__name__text"},
    {"UPDATE drupal_docroot_core SET name = E'\\n'", CHECK, "drupal_docroot_core__name__text"},
    {"UPDATE docroot SET name = E'\\n'", CHECK, "docroot__name__text"},
    {"UPDATE docroot SET provider_id = E'\\n'", CHECK, "docroot__provider_id__text"},
    {"UPDATE environment SET name = E'\\n'", CHECK, "environment__name__text"},
    {"UPDATE docroot_environment SET cms_version = repeat('1', 129)", CHECK,
     "docroot_environment__cms_version__text"},
    {"UPDATE docroot_environment SET drupal_docroot_core_version = repeat('1', 129)", CHECK,
     "docroot_environment__drupal_docroot_core_version__text"},
    {"UPDATE docroot_environment SET provider_id = E'\\n' WHERE environment = 'dev'", CHECK,
     "docroot_environment__provider_id__text"},
    {"UPDATE docroot_environment SET basic_auth_realm = E'\\n'", CHECK,
     "docroot_environment__basic_auth_realm__text"},
    {"UPDATE website_deployed SET website_version = E'\\n'", CHECK,
     "website_deployed__website_version__text"},
    {"UPDATE registrar SET name = E'\\n'", CHECK, "registrar__name__text"},
    {"UPDATE certificate SET name = E'\\n'", CHECK, "certificate__name__text"},
    {"UPDATE domain SET waf_id = E'\\n'", CHECK, "domain__waf_id__text"},
    {"UPDATE load_balancer SET name = E'\\n'", CHECK, "load_balancer__name__text"},
    {"UPDATE certificate SET certificate = 'x'", CHECK, "certificate__certificate__pem"},
    {"UPDATE certificate SET intermediates = 'x'", CHECK, "certificate__intermediates__pem"},
    {"UPDATE certificate SET csr = '-----BEGIN X-----' || repeat('x', 262144)", CHECK,
     "certificate__csr__pem"},
    /* Ranges and what belongs together. */
    {"UPDATE environment SET rank = -1", CHECK, "environment__rank__range"},
    {"UPDATE domain SET expires_at = 'infinity'", CHECK, "domain__expires_at__range"},
    {"UPDATE certificate SET not_before = '-infinity'", CHECK, "certificate__not_before__range"},
    {"UPDATE certificate SET not_after = '10000-01-01Z'", CHECK, "certificate__not_after__range"},
    {"UPDATE domain SET environment = NULL WHERE fqdn = 'isover.fr'", CHECK, "domain__website__together"},
    {"UPDATE domain SET website = 'isover.fr' WHERE fqdn = 'www.isover.fr'", CHECK,
     "domain__website__together"},
    {"UPDATE domain SET parent = 'isover.fr' WHERE fqdn = 'isover.fr'", CHECK, "domain__parent__within"},
    {"INSERT INTO domain (fqdn, parent) VALUES ('notisover.fr', 'isover.fr')", CHECK,
     "domain__parent__within"},
};

static void test_violations(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(violations) / sizeof(violations[0]); i++)
        db_fails(conn, violations[i].sql, violations[i].sqlstate, violations[i].constraint);
}

/* What looks odd and is right. */
static void test_allowed(void **state)
{
    (void)state;
    static const char *const statements[] = {
        "UPDATE website SET code = 'A-z_0.9:x'",
        "UPDATE website SET code = repeat('a', 128)",
        "UPDATE website SET name = 'Île-de-France – été'",
        "UPDATE website SET code_repository_url = 'git@github.com:org/repo.git'",
        "UPDATE website SET home_directory = 'sites/..a/b..'",
        "UPDATE domain SET fqdn = 'le_nps.isover.fr' WHERE fqdn = 'www.isover.fr'",
        "UPDATE domain SET fqdn = 'xn--e1afmkfd.xn--p1ai' WHERE fqdn = 'www.isover.fr' AND false",
        "INSERT INTO domain (fqdn) VALUES ('xn--e1afmkfd.xn--p1ai')",
        "UPDATE server SET hostname = 'web1.prod.example'",
        "UPDATE load_balancer SET ip = '10.0.0.1', ip2 = 'fe80::1'",
        "UPDATE domain SET website = NULL, docroot = NULL, environment = NULL",
        "INSERT INTO docroot (code) VALUES ('d2'), ('d3')",
    };
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        db_run(conn, "BEGIN");
        db_run(conn, statements[i]);
        db_run(conn, "ROLLBACK");
    }
}

/* Every constraint has a name of the form, with a rule that the store knows. */
static void test_names(void **state)
{
    (void)state;
    assert_string_equal(
        db_rows(
            conn,
            "SELECT conname FROM pg_constraint WHERE connamespace IN "
            "('sitewire'::regnamespace, 'referential'::regnamespace, 'users'::regnamespace, "
            "'deployment'::regnamespace) "
            "AND conname !~ '^[a-z0-9_]+__[a-z0-9_]+__(key|unique|ref|code|host|domain|url|path|login|text|"
            "pem|email|public_key|address|range|together|within|choice)$' OR length(conname) > 62"),
        "");
    /* A foreign key that no index serves makes deletes slow. */
    assert_string_equal(db_rows(conn,
                                "SELECT conname FROM pg_constraint c WHERE contype = 'f' AND NOT EXISTS ("
                                "SELECT FROM pg_index i WHERE i.indrelid = c.conrelid "
                                "AND (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey)"),
                        "");
}

int main(void)
{
    conn = db_open_registry("rules");
    db_run(conn, rows);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_violations),
        cmocka_unit_test(test_allowed),
        cmocka_unit_test(test_names),
    };
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    PQfinish(conn);
    return failures;
}
