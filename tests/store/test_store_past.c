/* Reads as of a time: the same answers as then, through the same filters, orders and pages, to who
 * may read them today. */
#include "db.h"
#include "store_fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static test_store test;

enum { EMPTY, FIRST, SECOND, THIRD, TIMES };
static Google__Protobuf__Timestamp times[TIMES];

static void now(Google__Protobuf__Timestamp *time)
{
    google__protobuf__timestamp__init(time);
    long long us =
        atoll(db_rows(test.conn, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"));
    time->seconds = us / 1000000;
    time->nanos = (int32_t)(us % 1000000) * 1000;
}

static const char *get(const char *code, const Google__Protobuf__Timestamp *time)
{
    Sw__GetWebsiteRequest request = SW__GET_WEBSITE_REQUEST__INIT;
    request.code = (char *)code;
    request.read_time = (Google__Protobuf__Timestamp *)time;
    const Sw__Website *website = test_store_call(&test, "GetWebsite", &request.base, NULL);
    if (!website) {
        if (test_store_last()->error.code != SW_NOT_FOUND)
            fail_msg("%s", test_store_last()->error.message);
        return "";
    }
    assert_string_equal(website->code, code);
    return website->name;
}

/* Codes of all pages, joined with spaces. */
static const char *list(Sw__ListWebsitesRequest *request, int64_t *total)
{
    static char text[256];
    char token[2048] = "";
    *text = '\0';
    do {
        request->page_token = token;
        const Sw__ListWebsitesResponse *page = test_store_call(&test, "ListWebsites", &request->base, NULL);
        if (!page)
            return NULL;
        if (total)
            *total = page->total_size;
        for (size_t i = 0; i < page->n_items; i++)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", *text ? " " : "",
                     page->items[i]->code);
        snprintf(token, sizeof(token), "%s", page->next_page_token ? page->next_page_token : "");
    } while (*token);
    request->page_token = NULL;
    return text;
}

static const char *list_at(int time)
{
    Sw__ListWebsitesRequest request = SW__LIST_WEBSITES_REQUEST__INIT;
    request.read_time = time < TIMES ? &times[time] : NULL;
    return list(&request, NULL);
}

static void rows_as_of_then(void **state)
{
    (void)state;
    static const struct {
        const char *code, *names[TIMES];
    } cases[] = {
        {"a", {"", "A", "A2", ""}},    /* created, updated, deleted */
        {"b", {"", "B", "", "B new"}}, /* renamed to c; another one has the name later */
        {"c", {"", "", "B", "B"}},     /* what b was */
        {"x", {"", "", "", ""}},       /* created and deleted at once */
        {"never", {"", "", "", ""}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        for (int time = 0; time < TIMES; time++)
            assert_string_equal(get(cases[i].code, &times[time]), cases[i].names[time]);
    assert_string_equal(list_at(EMPTY), "");
    assert_string_equal(list_at(FIRST), "a b");
    assert_string_equal(list_at(SECOND), "a c");
    assert_string_equal(list_at(THIRD), "b c");
    assert_string_equal(list_at(TIMES), "b c later");
}

/* A row's updated_at is the first moment at which it was like that. */
static void from_its_time_on(void **state)
{
    (void)state;
    Sw__GetWebsiteRequest request = SW__GET_WEBSITE_REQUEST__INIT;
    request.code = (char *)"c";
    const Sw__Website *website = test_store_call(&test, "GetWebsite", &request.base, NULL);
    Google__Protobuf__Timestamp time = *website->updated_at;
    time.base.unknown_fields = NULL;
    assert_string_equal(get("c", &time), "B");
    assert_string_equal(get("b", &time), "");
    time.nanos -= 1000; /* a microsecond; the transaction began at no full second */
    assert_string_equal(get("c", &time), "");
    assert_string_equal(get("b", &time), "B");
}

/* Cascades belong to their transaction. */
static void references(void **state)
{
    (void)state;
    static const char *const website[] = {NULL, "b", "c", "b"};
    for (int time = 0; time < TIMES; time++) {
        Sw__GetDomainRequest request = SW__GET_DOMAIN_REQUEST__INIT;
        request.fqdn = (char *)"d.org";
        request.read_time = &times[time];
        const Sw__Domain *domain = test_store_call(&test, "GetDomain", &request.base, NULL);
        assert_int_equal(domain != NULL, website[time] != NULL);
        if (domain)
            assert_string_equal(domain->website, website[time]);
    }
}

static void selections(void **state)
{
    (void)state;
    Sw__Filter filter = SW__FILTER__INIT, *filters[] = {&filter};
    Sw__OrderBy order = SW__ORDER_BY__INIT, *orders[] = {&order};
    char *values[] = {(char *)"A2"};
    int64_t total;
    Sw__ListWebsitesRequest request = SW__LIST_WEBSITES_REQUEST__INIT;
    request.read_time = &times[SECOND];
    filter.field = (char *)"name";
    filter.values = values;
    filter.n_values = 1;
    request.filters = filters;
    request.n_filters = 1;
    assert_string_equal(list(&request, NULL), "a");
    values[0] = (char *)"A";
    assert_string_equal(list(&request, NULL), "");
    request.n_filters = 0;
    request.search = (char *)"b";
    assert_string_equal(list(&request, NULL), "c");
    request.search = NULL;
    order.field = (char *)"code";
    order.has_descending = order.descending = true;
    request.order_by = orders;
    request.n_order_by = 1;
    request.has_page_size = request.page_size = 1;
    request.has_show_total_size = request.show_total_size = true;
    assert_string_equal(list(&request, &total), "c a");
    assert_int_equal(total, 2);
    /* A page belongs to its time. */
    const Sw__ListWebsitesResponse *page = test_store_call(&test, "ListWebsites", &request.base, NULL);
    char token[2048];
    snprintf(token, sizeof(token), "%s", page->next_page_token);
    request.page_token = token;
    for (int time = FIRST; time <= TIMES; time++) {
        request.read_time = time < TIMES ? &times[time] : NULL;
        page = test_store_call(&test, "ListWebsites", &request.base, NULL);
        assert_int_equal(page != NULL, time == SECOND);
        if (!page)
            test_store_failed(SW_INVALID_ARGUMENT, "page_token", "not those of the page before");
    }
}

/* Every resource of every type of column, read out of history as it is now, is what it is. */
static void the_present(void **state)
{
    (void)state;
    Google__Protobuf__Timestamp time;
    now(&time);
    int rows = 0;
    for (const sw_resource *resource = test_resources; resource->service; resource++) {
        Sw__ListWebsitesRequest request =
            SW__LIST_WEBSITES_REQUEST__INIT; /* all List requests look like this */
        char method[64];
        uint8_t *bytes[2];
        size_t sizes[2];
        snprintf(method, sizeof(method), "List%s", resource->plural);
        for (int past = 0; past < 2; past++) {
            request.read_time = past ? &time : NULL;
            const ProtobufCMessage *page = test_store_call(&test, method, &request.base, NULL);
            if (!page)
                fail_msg("%s: %s", method, test_store_last()->error.message);
            sizes[past] = protobuf_c_message_get_packed_size(page);
            bytes[past] = malloc(sizes[past] + 1);
            protobuf_c_message_pack(page, bytes[past]);
        }
        assert_int_equal(sizes[0], sizes[1]);
        assert_memory_equal(bytes[0], bytes[1], sizes[0]);
        rows += sizes[0] > 0;
        free(bytes[0]);
        free(bytes[1]);
    }
    assert_int_equal(rows, 9);
}

/* Keys of several parts, one the beginning of another: a page goes on where the one before
 * ended. */
static void pages_of_several_keys(void **state)
{
    (void)state;
    Google__Protobuf__Timestamp time;
    char texts[2][512];
    db_run(test.conn,
           "INSERT INTO referential.docroot (code) VALUES ('d-'), ('d.x'), ('d2'), ('d:');"
           "INSERT INTO referential.environment (code) VALUES ('e-2'), ('e2');"
           "INSERT INTO referential.docroot_environment (docroot, environment) SELECT d.code, e.code FROM "
           "referential.docroot d, referential.environment e ON CONFLICT DO NOTHING");
    now(&time);
    for (int past = 0; past < 2; past++) {
        char token[2048] = "";
        Sw__ListDocrootEnvironmentsRequest request = SW__LIST_DOCROOT_ENVIRONMENTS_REQUEST__INIT;
        request.read_time = past ? &time : NULL;
        request.has_page_size = request.page_size = 1;
        *texts[past] = '\0';
        do {
            request.page_token = token;
            const Sw__ListDocrootEnvironmentsResponse *page =
                test_store_call(&test, "ListDocrootEnvironments", &request.base, NULL);
            assert_non_null(page);
            size_t used = strlen(texts[past]);
            snprintf(texts[past] + used, sizeof(texts[past]) - used, "%s/%s ", page->items[0]->docroot,
                     page->items[0]->environment);
            snprintf(token, sizeof(token), "%s", page->next_page_token ? page->next_page_token : "");
        } while (*token);
    }
    assert_string_equal(texts[1], texts[0]);
    assert_non_null(strstr(texts[1], "d:/e2 "));
}

static void refused(void **state)
{
    (void)state;
    Google__Protobuf__Timestamp time;
    Sw__GetWebsiteRequest one = SW__GET_WEBSITE_REQUEST__INIT;
    Sw__ListWebsitesRequest all = SW__LIST_WEBSITES_REQUEST__INIT;
    one.code = (char *)"a";
    one.read_time = all.read_time = &time;
    const struct {
        int64_t seconds;
        int32_t nanos;
        sw_code code;
        const char *text;
    } cases[] = {
        {times[THIRD].seconds + 3600, 0, SW_INVALID_ARGUMENT, "future"},
        {INT64_MAX, 0, SW_INVALID_ARGUMENT, NULL},
        {INT64_MIN, 0, SW_INVALID_ARGUMENT, NULL},
        {times[THIRD].seconds - 60, -1, SW_INVALID_ARGUMENT, NULL},
        {times[THIRD].seconds - 60, 1000000000, SW_INVALID_ARGUMENT, NULL},
        {0, 0, SW_FAILED_PRECONDITION, "the history of Website begins at 2"},
        {-62135596800, 0, SW_FAILED_PRECONDITION, "the history of Website begins at 2"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        google__protobuf__timestamp__init(&time);
        time.seconds = cases[i].seconds;
        time.nanos = cases[i].nanos;
        assert_null(test_store_call(&test, "GetWebsite", &one.base, NULL));
        test_store_failed(cases[i].code, "read_time", cases[i].text);
        assert_null(test_store_call(&test, "ListWebsites", &all.base, NULL));
        test_store_failed(cases[i].code, "read_time", cases[i].text);
    }
}

/* Who may read what: by the rights of today, on what things are called today. */
static void rights(void **state)
{
    (void)state;
    static const struct {
        const char *user, *lists[TIMES], *domain; /* the times at which d.org shows */
    } cases[] = {
        {"ann@x.org", {"", "b", "c", "c"}, "12"}, /* has c */
        {"bob@x.org", {"", "", "", "b"}, "3"},    /* has the new b, which is not what b was */
        {"cyd@x.org", {"", "", "", ""}, ""},      /* has later */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char seen[8] = "";
        test.caller = cases[i].user;
        for (int time = 0; time < TIMES; time++) {
            Sw__GetDomainRequest request = SW__GET_DOMAIN_REQUEST__INIT;
            request.fqdn = (char *)"d.org";
            request.read_time = &times[time];
            assert_string_equal(list_at(time), cases[i].lists[time]);
            /* The last change says whose it was; the one before must not show through. */
            if (test_store_call(&test, "GetDomain", &request.base, NULL))
                snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%d", time);
        }
        assert_string_equal(seen, cases[i].domain);
    }
    test.caller = "ann@x.org";
    assert_string_equal(get("a", &times[FIRST]), "");
    assert_string_equal(get("b", &times[FIRST]), "B");
    test.caller = "nobody@x.org";
    assert_null(list_at(FIRST));
    test_store_failed(SW_UNAUTHENTICATED, NULL, NULL);
    test.caller = NULL;
}

/* What commits late counts from the beginning of its transaction, and what was done to a row last
 * is what counts. */
static void late_commits(void **state)
{
    (void)state;
    Google__Protobuf__Timestamp before, between, after;
    PGconn *late = db_open(test.conninfo);
    now(&before);
    db_run(late, "BEGIN");
    now(&between);
    db_run(test.conn, "INSERT INTO referential.website (code, name) VALUES ('late', 'one')");
    db_run(late, "UPDATE referential.website SET name = 'two' WHERE code = 'late'");
    now(&after);
    assert_string_equal(get("late", &after), "one");
    db_run(late, "COMMIT");
    assert_string_equal(get("late", &before), "");
    assert_string_equal(get("late", &between), "two");
    assert_string_equal(get("late", &after), "two");
    db_run(test.conn, "DELETE FROM referential.website WHERE code = 'late'");
    PQfinish(late);
}

/* Nothing is there of what was before history, but that it is not known. */
static void rows_older_than_history(void **state)
{
    (void)state;
    assert_string_equal(
        db_rows(test.conn,
                "BEGIN; CREATE TABLE referential.old (code text PRIMARY KEY, updated_at timestamptz);"
                "INSERT INTO referential.old VALUES ('x', '2020-01-01');"
                "SELECT sitewire.keep_history('referential.old');"
                "SELECT sitewire.as_of('Old', now(), NULL, NULL)->>'code'"),
        "x");
    db_fails(test.conn, "SELECT sitewire.as_of('Old', now() - interval '1 day', NULL, NULL)", "SW006", NULL);
    db_fails(test.conn, "SELECT sitewire.as_of('Nothing', now(), NULL, NULL)", "SW006", NULL);
    db_run(test.conn, "ROLLBACK");
}

static int open_store(void **state)
{
    (void)state;
    test_store_open(&test, "past", NULL);
    now(&times[EMPTY]);
    db_run(test.conn, "INSERT INTO referential.website (code, name) VALUES ('a', 'A'), ('b', 'B')");
    db_run(test.conn,
           "INSERT INTO referential.docroot (code) VALUES ('d'); INSERT INTO referential.environment (code) "
           "VALUES ('e');"
           "INSERT INTO referential.docroot_environment (docroot, environment) VALUES ('d', 'e');"
           "INSERT INTO referential.domain (fqdn, website, docroot, environment, expires_at) "
           "VALUES ('d.org', NULL, NULL, NULL, '2027-01-31 12:00:00.123456+00');"
           "INSERT INTO referential.website_deployed (website, docroot, environment) VALUES ('b', 'd', 'e');"
           "UPDATE referential.domain SET website = 'b', docroot = 'd', environment = 'e'");
    now(&times[FIRST]);
    db_run(test.conn, "UPDATE referential.website SET name = 'A2' WHERE code = 'a'");
    db_run(test.conn, "UPDATE referential.website SET code = 'c' WHERE code = 'b'");
    now(&times[SECOND]);
    db_run(test.conn, "DELETE FROM referential.website WHERE code = 'a';"
                      "INSERT INTO referential.website (code) VALUES ('x'); DELETE FROM referential.website "
                      "WHERE code = 'x'");
    db_run(test.conn,
           "INSERT INTO referential.website (code, name) VALUES ('b', 'B new');"
           "INSERT INTO referential.website_deployed (website, docroot, environment) VALUES ('b', 'd', 'e');"
           "UPDATE referential.domain SET website = 'b'");
    now(&times[THIRD]);
    db_run(test.conn,
           "INSERT INTO referential.website (code) VALUES ('later');"
           "INSERT INTO users.\"user\" (email) VALUES ('ann@x.org'), ('bob@x.org'), ('cyd@x.org');"
           "INSERT INTO users.access_right VALUES ('website:c', 'ann@x.org', 'External'), "
           "('website:b', 'bob@x.org', 'External'), ('website:later', 'cyd@x.org', 'External');"
           "INSERT INTO referential.cms (code) VALUES ('cms'); INSERT INTO referential.hosting_provider "
           "(code) VALUES ('h');"
           "INSERT INTO referential.load_balancer (code, ip, ip2) VALUES ('l1', '10.0.0.1', NULL), ('l2', "
           "'::1', '::2');"
           "INSERT INTO referential.certificate (code, alternative_names, not_after) VALUES "
           "('c1', '{a.example,\"b, c\"}', '0001-01-01 00:00:00.5+00'), ('c2', '{}', NULL)");
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
        cmocka_unit_test(rows_as_of_then), cmocka_unit_test(from_its_time_on),
        cmocka_unit_test(references),      cmocka_unit_test(selections),
        cmocka_unit_test(the_present),     cmocka_unit_test(pages_of_several_keys),
        cmocka_unit_test(refused),         cmocka_unit_test(rights),
        cmocka_unit_test(late_commits),    cmocka_unit_test(rows_older_than_history),
    };
    return cmocka_run_group_tests(tests, open_store, close_store);
}
