/* The standard methods on the registry's schema: what they do, answer and refuse. */
#include "db.h"
#include "google/protobuf/field_mask.pb-c.h"
#include "store_fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static test_store test;

static const Sw__Website *get(const char *code)
{
    Sw__GetWebsiteRequest request = SW__GET_WEBSITE_REQUEST__INIT;
    request.code = (char *)code;
    return test_store_call(&test, "GetWebsite", &request.base, NULL);
}

static const Sw__Website *create(const char *code, const char *name, const char *request_id)
{
    Sw__Website website = SW__WEBSITE__INIT;
    Sw__CreateWebsiteRequest request = SW__CREATE_WEBSITE_REQUEST__INIT;
    website.code = (char *)code;
    website.name = (char *)name;
    request.website = &website;
    return test_store_call(&test, "CreateWebsite", &request.base, request_id);
}

static const Sw__Website *update(Sw__Website *website, Sw__UpdateWebsiteRequest *request, const char *path)
{
    Google__Protobuf__FieldMask mask = GOOGLE__PROTOBUF__FIELD_MASK__INIT;
    char *paths[] = {(char *)path};
    mask.paths = paths;
    mask.n_paths = 1;
    request->website = website;
    request->update_mask = path ? &mask : NULL;
    return test_store_call(&test, "UpdateWebsite", &request->base, NULL);
}

static void create_and_get(void **state)
{
    (void)state;
    const Sw__Website *made = create("a.example", "A \"quoted\" 'name' \xc3\xa9", NULL);
    assert_non_null(made);
    assert_string_equal(test_store_last()->outcome, "created");
    assert_int_equal(made->revision, 1);
    assert_true(made->has_enabled && made->enabled && made->has_live && !made->live);
    assert_true(test_store_last()->sql_us > 0);
    const Sw__Website *read = get("a.example");
    assert_non_null(read);
    assert_string_equal(read->name, "A \"quoted\" 'name' \xc3\xa9");
    assert_non_null(read->created_at);
    assert_true(read->created_at->seconds > 1700000000);
    assert_null(get("nowhere"));
    test_store_failed(SW_NOT_FOUND, NULL, "no such Website \"nowhere\"");
    assert_string_equal(test_store_last()->error.resource, "Website/nowhere");
    assert_null(get(NULL));
    test_store_failed(SW_INVALID_ARGUMENT, "code", "required");
    assert_null(get("'; DROP TABLE referential.website; --"));
    test_store_failed(SW_NOT_FOUND, NULL, NULL);
}

static void create_refused(void **state)
{
    (void)state;
    assert_non_null(create("taken", NULL, NULL));
    assert_null(create("taken", NULL, NULL));
    test_store_failed(SW_ALREADY_EXISTS, "website.code", "taken");
    assert_string_equal(test_store_last()->error.resource, "Website/taken");
    assert_null(create("no good!", NULL, NULL));
    test_store_failed(SW_INVALID_ARGUMENT, "website.code", "A-Z");
    assert_null(create("", NULL, NULL));
    test_store_failed(SW_INVALID_ARGUMENT, "website.code", "required");
    Sw__CreateWebsiteRequest empty = SW__CREATE_WEBSITE_REQUEST__INIT;
    assert_null(test_store_call(&test, "CreateWebsite", &empty.base, NULL));
    test_store_failed(SW_INVALID_ARGUMENT, "website", "required");
    Sw__Docroot docroot = SW__DOCROOT__INIT;
    Sw__CreateDocrootRequest request = SW__CREATE_DOCROOT_REQUEST__INIT;
    docroot.code = "d";
    docroot.hosting_provider = "nobody";
    request.docroot = &docroot;
    assert_null(test_store_call(&test, "CreateDocroot", &request.base, NULL));
    test_store_failed(SW_FAILED_PRECONDITION, "docroot.hosting_provider",
                      "no such HostingProvider \"nobody\"");
    docroot.hosting_provider = ""; /* stored as NULL */
    const Sw__Docroot *made = test_store_call(&test, "CreateDocroot", &request.base, NULL);
    assert_non_null(made);
    assert_null(made->hosting_provider);
}

static void updates(void **state)
{
    (void)state;
    assert_non_null(create("u", "before", NULL));
    Sw__Website website = SW__WEBSITE__INIT;
    Sw__UpdateWebsiteRequest request = SW__UPDATE_WEBSITE_REQUEST__INIT;
    website.code = "u";
    website.name = "after";
    const Sw__Website *changed = update(&website, &request, NULL);
    assert_non_null(changed);
    assert_string_equal(changed->name, "after");
    assert_int_equal(changed->revision, 2);
    assert_string_equal(test_store_last()->outcome, "updated");
    changed = update(&website, &request, NULL);
    assert_int_equal(changed->revision, 2);
    assert_string_equal(test_store_last()->outcome, "unchanged");
    website.has_revision = 1;
    website.revision = 1;
    assert_null(update(&website, &request, NULL));
    test_store_failed(SW_ABORTED, "website.revision", "is 2, not 1");
    website.revision = 2;
    website.has_enabled = 1;
    website.enabled = 0;
    website.name = NULL;
    changed = update(&website, &request, "name"); /* clears it, and leaves `enabled` */
    assert_string_equal(changed->name, "");
    assert_true(changed->enabled);
    website.has_revision = 0;
    changed = update(&website, &request, "enabled");
    assert_false(changed->enabled);
    website.has_enabled = 0;
    changed = update(&website, &request, "*"); /* everything to its default */
    assert_true(changed->enabled);
    static const struct {
        const char *path, *text;
    } bad[] = {{"nope", "no field"}, {"code", "part of the key"}, {"revision", "set by the registry"}};
    for (size_t i = 0; i < 3; i++) {
        assert_null(update(&website, &request, bad[i].path));
        test_store_failed(SW_INVALID_ARGUMENT, "update_mask.paths[0]", bad[i].text);
    }
    website.code = "absent";
    assert_null(update(&website, &request, NULL));
    test_store_failed(SW_NOT_FOUND, NULL, "absent");
    request.has_allow_missing = request.allow_missing = 1;
    website.name = "new";
    changed = update(&website, &request, NULL);
    assert_non_null(changed);
    assert_string_equal(test_store_last()->outcome, "created");
    assert_non_null(update(&website, &request, NULL));
    assert_string_equal(test_store_last()->outcome, "unchanged");
    website.name = "newer";
    assert_string_equal(update(&website, &request, NULL)->name, "newer");
    assert_string_equal(test_store_last()->outcome, "updated");
}

/* Fields that go together may come one by one, once the row is there. */
static void updates_in_part_with_allow_missing(void **state)
{
    (void)state;
    db_run(test.conn, "INSERT INTO referential.website (code) VALUES ('part');"
                      "INSERT INTO referential.environment (code) VALUES ('part1'), ('part2');"
                      "INSERT INTO referential.docroot (code) VALUES ('part');"
                      "INSERT INTO referential.docroot_environment (docroot, environment) "
                      "VALUES ('part', 'part1'), ('part', 'part2');"
                      "INSERT INTO referential.website_deployed (website, docroot, environment) "
                      "VALUES ('part', 'part', 'part1'), ('part', 'part', 'part2');"
                      "INSERT INTO referential.domain (fqdn, website, docroot, environment) "
                      "VALUES ('part.example', 'part', 'part', 'part1')");
    Sw__Domain domain = SW__DOMAIN__INIT;
    Sw__UpdateDomainRequest request = SW__UPDATE_DOMAIN_REQUEST__INIT;
    request.domain = &domain;
    request.has_allow_missing = request.allow_missing = 1;
    domain.environment = "part2";
    for (int with_id = 0; with_id < 2; with_id++) {
        domain.fqdn = "part.example";
        const Sw__Domain *changed =
            test_store_call(&test, "UpdateDomain", &request.base, with_id ? "part-1" : NULL);
        if (!changed)
            fail_msg("%s", test_store_last()->error.message);
        assert_string_equal(changed->website, "part");
        assert_string_equal(changed->environment, "part2");
        assert_string_equal(test_store_last()->outcome, with_id ? "unchanged" : "updated");
        domain.fqdn = "absent.example";
        assert_null(test_store_call(&test, "UpdateDomain", &request.base, with_id ? "part-2" : NULL));
        test_store_failed(SW_INVALID_ARGUMENT, "domain.website", "go together");
    }
}

static void deletes(void **state)
{
    (void)state;
    db_run(test.conn, "INSERT INTO referential.hosting_provider (code) VALUES ('p1'), ('p2');"
                      "INSERT INTO referential.docroot (code, hosting_provider) SELECT 'r' || i, 'p1' "
                      "FROM generate_series(1, 5) i");
    Sw__DeleteHostingProviderRequest request = SW__DELETE_HOSTING_PROVIDER_REQUEST__INIT;
    request.code = "p1";
    for (int with_id = 0; with_id < 2; with_id++) {
        assert_null(test_store_call(&test, "DeleteHostingProvider", &request.base, with_id ? "del-1" : NULL));
        test_store_failed(SW_FAILED_PRECONDITION, NULL, "docroot.hosting_provider (r1, r2, r3, ...)");
    }
    request.code = "p2";
    request.has_revision = 1;
    request.revision = 7;
    assert_null(test_store_call(&test, "DeleteHostingProvider", &request.base, NULL));
    test_store_failed(SW_ABORTED, "revision", NULL);
    request.revision = 1;
    request.has_validate_only = request.validate_only = 1;
    assert_non_null(test_store_call(&test, "DeleteHostingProvider", &request.base, NULL));
    request.validate_only = 0;
    assert_non_null(test_store_call(&test, "DeleteHostingProvider", &request.base, NULL));
    assert_null(test_store_call(&test, "DeleteHostingProvider", &request.base, NULL));
    test_store_failed(SW_NOT_FOUND, NULL, NULL);
}

static void renames(void **state)
{
    (void)state;
    db_run(test.conn, "INSERT INTO referential.hosting_provider (code) VALUES ('old'), ('other');"
                      "INSERT INTO referential.docroot (code, hosting_provider) VALUES ('of-old', 'old')");
    Sw__RenameHostingProviderRequest request = SW__RENAME_HOSTING_PROVIDER_REQUEST__INIT;
    request.code = "old";
    request.new_code = "other";
    assert_null(test_store_call(&test, "RenameHostingProvider", &request.base, NULL));
    test_store_failed(SW_ALREADY_EXISTS, "new_code", NULL);
    request.new_code = NULL;
    assert_null(test_store_call(&test, "RenameHostingProvider", &request.base, NULL));
    test_store_failed(SW_INVALID_ARGUMENT, "new_code", "required");
    request.new_code = "new";
    const Sw__HostingProvider *renamed = test_store_call(&test, "RenameHostingProvider", &request.base, NULL);
    assert_non_null(renamed);
    assert_string_equal(renamed->code, "new");
    assert_string_equal(
        db_rows(test.conn, "SELECT hosting_provider FROM referential.docroot WHERE code = 'of-old'"), "new");
}

static void validate_only(void **state)
{
    (void)state;
    Sw__Website website = SW__WEBSITE__INIT;
    Sw__CreateWebsiteRequest request = SW__CREATE_WEBSITE_REQUEST__INIT;
    website.code = "only";
    request.website = &website;
    request.has_validate_only = request.validate_only = 1;
    for (int i = 0; i < 3; i++)
        assert_non_null(test_store_call(&test, "CreateWebsite", &request.base, "only-1"));
    assert_null(get("only"));
    website.code = "no good!";
    assert_null(test_store_call(&test, "CreateWebsite", &request.base, NULL));
    test_store_failed(SW_INVALID_ARGUMENT, "website.code", NULL);
    website.code = "only"; /* the connections are fine after the failure */
    for (int i = 0; i < 20; i++)
        assert_non_null(test_store_call(&test, "CreateWebsite", &request.base, NULL));
    assert_string_equal(
        db_rows(test.conn, "SELECT count(*) FROM sitewire.request WHERE request_id = 'only-1'"), "0");
}

/* inet through text, times, lists, composite keys. */
static void types(void **state)
{
    (void)state;
    Sw__LoadBalancer balancer = SW__LOAD_BALANCER__INIT;
    Sw__CreateLoadBalancerRequest request = SW__CREATE_LOAD_BALANCER_REQUEST__INIT;
    balancer.code = "lb";
    balancer.ip = "192.0.2.1";
    balancer.ip2 = "";
    request.load_balancer = &balancer;
    const Sw__LoadBalancer *made = test_store_call(&test, "CreateLoadBalancer", &request.base, NULL);
    assert_non_null(made);
    assert_non_null(strstr(made->ip, "192.0.2.1"));
    assert_null(made->ip2);
    balancer.code = "lb2";
    balancer.ip = "not an address";
    assert_null(test_store_call(&test, "CreateLoadBalancer", &request.base, NULL));
    test_store_failed(SW_INVALID_ARGUMENT, NULL, "not an address");
    Sw__Domain domain = SW__DOMAIN__INIT;
    Sw__CreateDomainRequest domain_request = SW__CREATE_DOMAIN_REQUEST__INIT;
    Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    time.seconds = -5;
    time.nanos = 250000000;
    domain.fqdn = "t.example.org";
    domain.expires_at = &time;
    domain_request.domain = &domain;
    const Sw__Domain *dated = test_store_call(&test, "CreateDomain", &domain_request.base, NULL);
    assert_non_null(dated);
    assert_int_equal(dated->expires_at->seconds, -5);
    assert_int_equal(dated->expires_at->nanos, 250000000);
    domain.fqdn = "t2.example.org";
    time.nanos = -1;
    assert_null(test_store_call(&test, "CreateDomain", &domain_request.base, NULL));
    test_store_failed(SW_INVALID_ARGUMENT, "domain.expires_at", "nanos");
    Sw__Certificate certificate = SW__CERTIFICATE__INIT;
    Sw__CreateCertificateRequest certificate_request = SW__CREATE_CERTIFICATE_REQUEST__INIT;
    char *names[] = {"typed"};
    certificate.code = "c";
    certificate.alternative_names = names; /* computed: what a caller sets is not kept */
    certificate.n_alternative_names = 1;
    certificate_request.certificate = &certificate;
    const Sw__Certificate *kept =
        test_store_call(&test, "CreateCertificate", &certificate_request.base, NULL);
    assert_non_null(kept);
    assert_int_equal(kept->n_alternative_names, 0);
    db_run(test.conn, "UPDATE referential.certificate SET alternative_names = '{a.example,b.example}'");
    Sw__GetCertificateRequest read = SW__GET_CERTIFICATE_REQUEST__INIT;
    read.code = "c";
    kept = test_store_call(&test, "GetCertificate", &read.base, NULL);
    assert_int_equal(kept->n_alternative_names, 2);
    assert_string_equal(kept->alternative_names[1], "b.example");
}

static int open_store(void **state)
{
    (void)state;
    test_store_open(&test, "standard", NULL);
    return 0;
}

static int close_store(void **state)
{
    (void)state;
    test_store_close(&test);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(create_and_get), cmocka_unit_test(create_refused),
        cmocka_unit_test(updates),        cmocka_unit_test(updates_in_part_with_allow_missing),
        cmocka_unit_test(deletes),        cmocka_unit_test(renames),
        cmocka_unit_test(validate_only),  cmocka_unit_test(types),
    };
    return cmocka_run_group_tests(tests, open_store, close_store);
}
