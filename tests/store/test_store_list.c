/* List: filters, search, order and pages, against the same asked of PostgreSQL directly. */
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
static char found[65536];

/* Lists all pages of websites: their codes, joined with spaces. NULL after a failure. */
static const char *list(Sw__ListWebsitesRequest *request)
{
    char token[4096] = "";
    size_t used = 0;
    found[0] = '\0';
    do {
        request->page_token = token;
        const Sw__ListWebsitesResponse *page = test_store_call(&test, "ListWebsites", &request->base, NULL);
        if (!page)
            return NULL;
        for (size_t i = 0; i < page->n_items; i++)
            used += (size_t)snprintf(found + used, sizeof(found) - used, "%s%s", used ? " " : "",
                                     page->items[i]->code);
        snprintf(token, sizeof(token), "%s", page->next_page_token ? page->next_page_token : "");
    } while (*token);
    return found;
}

static const char *list_filter(const char *field, const char *op, const char *value)
{
    Sw__ListWebsitesRequest request = SW__LIST_WEBSITES_REQUEST__INIT;
    Sw__Filter filter = SW__FILTER__INIT, *filters[] = {&filter};
    char *values[] = {(char *)value};
    filter.field = (char *)field;
    filter.op = (char *)op;
    filter.values = values;
    filter.n_values = value ? 1 : 0;
    request.filters = filters;
    request.n_filters = 1;
    return list(&request);
}

static void filters(void **state)
{
    (void)state;
    static const struct {
        const char *field, *op, *value, *expected;
    } cases[] = {
        {"code", NULL, "w03", "w03"},
        {"code", "=", "w03", "w03"},
        {"code", "<", "w03", "w00 w01 w02"},
        {"code", ">=", "w17", "w17 w18 w19"},
        {"code", "prefix", "w1", "w10 w11 w12 w13 w14 w15 w16 w17 w18 w19"},
        {"name", "contains", "_7%", "w07"},
        {"name", "contains", "Name",
         "w00 w01 w02 w03 w04 w05 w06 w07 w08 w09 w10 w11 w12 w13 w14 w15 w16 w17 w18 w19"},
        {"name", "contains", "'; DROP TABLE referential.website; --", ""},
        {"enabled", "=", "false", "w00 w10"},
        {"enabled", "!=", "true", "w00 w10"},
        {"revision", ">", "1", ""},
        {"created_at", "<", "2001-01-01T00:00:00Z", ""},
        {"created_at", ">", "2001-01-01",
         "w00 w01 w02 w03 w04 w05 w06 w07 w08 w09 w10 w11 w12 w13 w14 w15 w16 w17 w18 w19"},
        {"organization", "is_null", NULL, "w00 w01 w02 w03 w04 w05 w06 w07 w08 w09"},
        {"organization", "is_null", "false", "w10 w11 w12 w13 w14 w15 w16 w17 w18 w19"},
        {"code", "in", "w05", "w05"},
        {"enabled", "in", "false", "w00 w10"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *got = list_filter(cases[i].field, cases[i].op, cases[i].value);
        if (!got || strcmp(got, cases[i].expected) != 0)
            fail_msg("%s %s %s: %s", cases[i].field, cases[i].op, cases[i].value,
                     got ? got : test_store_last()->error.message);
    }
}

static void filters_refused(void **state)
{
    (void)state;
    static const struct {
        const char *field, *op, *value, *path, *text;
    } cases[] = {
        {"nope", "=", "1", "filters[0].field", "no field `nope`"},
        {"co\"de", "=", "1", "filters[0].field", "no field"},
        {NULL, "=", "1", "filters[0].field", "no field"},
        {"code", "~", "1", "filters[0].op", "prefix contains"},
        {"code", "=", NULL, "filters[0].values", "exactly one"},
        {"code", "in", NULL, "filters[0].values", "1 to 1000"},
        {"enabled", "=", "yes", "filters[0].values[0]", "true nor false"},
        {"revision", "<", "x", "filters[0].values[0]", "whole number"},
        {"revision", "<", "99999999999999999999", "filters[0].values[0]", "whole number"},
        {"created_at", "<", "yesterday", "filters[0].values[0]", "RFC 3339"},
        {"created_at", "<", "2026-02-30T00:00:00Z", "filters[0].values[0]", "RFC 3339"},
        {"enabled", "contains", "t", "filters[0].op", "no text"},
        {"name", "is_null", "maybe", "filters[0].values", "true"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_null(list_filter(cases[i].field, cases[i].op, cases[i].value));
        test_store_failed(SW_INVALID_ARGUMENT, cases[i].path, cases[i].text);
    }
}

/* References are NULL where they are empty, addresses go through text, lists have elements. */
static void other_types(void **state)
{
    (void)state;
    db_run(test.conn,
           "INSERT INTO referential.hosting_provider (code) VALUES ('hp');"
           "INSERT INTO referential.docroot (code, hosting_provider) VALUES ('d1', 'hp'), ('d2', NULL);"
           "INSERT INTO referential.load_balancer (code, ip) VALUES ('l1', '10.0.0.1'), ('l2', '10.0.0.20');"
           "INSERT INTO referential.certificate (code, alternative_names) "
           "VALUES ('c1', '{a.example,b.example}'), ('c2', '{}')");
    static const struct {
        const char *method, *field, *op, *value, *expected;
    } cases[] = {
        {"ListDocroots", "hosting_provider", "=", "", "d2"},
        {"ListDocroots", "hosting_provider", "!=", "", "d1"},
        {"ListDocroots", "hosting_provider", "!=", "hp", "d2"},
        {"ListDocroots", "hosting_provider", "is_null", NULL, "d2"},
        {"ListLoadBalancers", "ip", "=", "10.0.0.1", "l1"},
        {"ListLoadBalancers", "ip", ">", "10.0.0.3", "l2"},
        {"ListLoadBalancers", "ip", "in", "10.0.0.20", "l2"},
        {"ListLoadBalancers", "ip", "contains", "0.20", "l2"},
        {"ListLoadBalancers", "ip2", "is_null", NULL, "l1l2"},
        {"ListCertificates", "alternative_names", "contains", "b.example", "c1"},
        {"ListCertificates", "alternative_names", "is_null", NULL, "c2"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        Sw__ListWebsitesRequest request =
            SW__LIST_WEBSITES_REQUEST__INIT; /* all List requests look like this */
        Sw__Filter filter = SW__FILTER__INIT, *filters[] = {&filter};
        char *values[] = {(char *)cases[i].value}, codes[64] = "";
        filter.field = (char *)cases[i].field;
        filter.op = (char *)cases[i].op;
        filter.values = values;
        filter.n_values = cases[i].value ? 1 : 0;
        request.filters = filters;
        request.n_filters = 1;
        const Sw__ListWebsitesResponse *page = test_store_call(&test, cases[i].method, &request.base, NULL);
        if (!page)
            fail_msg("%s %s: %s", cases[i].field, cases[i].op, test_store_last()->error.message);
        for (size_t n = 0; n < page->n_items; n++) /* the key is the first field of each */
            strcat(codes, page->items[n]->code);
        assert_string_equal(codes, cases[i].expected);
    }
}

static void search(void **state)
{
    (void)state;
    Sw__ListWebsitesRequest request = SW__LIST_WEBSITES_REQUEST__INIT;
    request.search = "NAME_7";
    assert_string_equal(list(&request), "w07");
    request.search = "ORG 1";
    assert_string_equal(list(&request), "w10 w11 w12 w13 w14 w15 w16 w17 w18 w19");
    request.search = "\\";
    assert_string_equal(list(&request), "");
    char longer[400];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    request.search = longer;
    assert_null(list(&request));
    test_store_failed(SW_INVALID_ARGUMENT, "search", NULL);
}

/* Every order, page by page, is what PostgreSQL says of the whole. */
static void orders(void **state)
{
    (void)state;
    static const char *const fields[] = {"organization", "enabled", "name", "created_at", "revision"};
    for (int first = 0; first < 5; first++)
        for (int second = 0; second < 5; second++)
            for (int flags = 0; flags < 4; flags++) {
                if (first == second)
                    continue;
                Sw__ListWebsitesRequest request = SW__LIST_WEBSITES_REQUEST__INIT;
                Sw__OrderBy a = SW__ORDER_BY__INIT, b = SW__ORDER_BY__INIT, *by[] = {&a, &b};
                char sql[256];
                a.field = (char *)fields[first];
                b.field = (char *)fields[second];
                a.has_descending = b.has_descending = 1;
                a.descending = flags & 1;
                b.descending = (flags & 2) != 0;
                request.order_by = by;
                request.n_order_by = 2;
                request.has_page_size = 1;
                request.page_size = 3;
                snprintf(sql, sizeof(sql),
                         "SELECT string_agg(code, ' ' ORDER BY %s %s, %s %s, code) FROM referential.website",
                         fields[first], a.descending ? "DESC" : "", fields[second],
                         b.descending ? "DESC" : "");
                const char *got = list(&request);
                assert_non_null(got);
                assert_string_equal(got, db_rows(test.conn, sql));
            }
}

/* NULLs page as well, in both directions. */
static void orders_null(void **state)
{
    (void)state;
    db_run(test.conn, "INSERT INTO referential.docroot (code, hosting_provider) "
                      "SELECT 'n' || i, CASE WHEN i % 2 = 0 THEN 'hp' END FROM generate_series(1, 7) i");
    for (int descending = 0; descending < 2; descending++) {
        char got[256] = "", token[2048] = "";
        Sw__ListDocrootsRequest request = SW__LIST_DOCROOTS_REQUEST__INIT;
        Sw__OrderBy by = SW__ORDER_BY__INIT, *order[] = {&by};
        by.field = "hosting_provider";
        by.has_descending = 1;
        by.descending = descending;
        request.order_by = order;
        request.n_order_by = 1;
        request.has_page_size = 1;
        request.page_size = 2;
        do {
            request.page_token = token;
            const Sw__ListDocrootsResponse *page =
                test_store_call(&test, "ListDocroots", &request.base, NULL);
            assert_non_null(page);
            for (size_t i = 0; i < page->n_items; i++) {
                strcat(got, *got ? " " : "");
                strcat(got, page->items[i]->code);
            }
            snprintf(token, sizeof(token), "%s", page->next_page_token ? page->next_page_token : "");
        } while (*token);
        char sql[200];
        snprintf(sql, sizeof(sql),
                 "SELECT string_agg(code, ' ' ORDER BY hosting_provider %s, code) "
                 "FROM referential.docroot",
                 descending ? "DESC" : "");
        assert_string_equal(got, db_rows(test.conn, sql));
    }
}

/* Rows that are there all the time come exactly once, whatever comes and goes between the pages. */
static void pages_while_writing(void **state)
{
    (void)state;
    char got[4096] = "", token[2048] = "";
    Sw__ListWebsitesRequest request = SW__LIST_WEBSITES_REQUEST__INIT;
    request.has_page_size = 1;
    request.page_size = 4;
    for (int turn = 0;; turn++) {
        char sql[200];
        request.page_token = token;
        const Sw__ListWebsitesResponse *page = test_store_call(&test, "ListWebsites", &request.base, NULL);
        assert_non_null(page);
        for (size_t i = 0; i < page->n_items; i++)
            if (page->items[i]->code[0] == 'w') {
                strcat(got, *got ? " " : "");
                strcat(got, page->items[i]->code);
            }
        if (!page->next_page_token || !*page->next_page_token)
            break;
        snprintf(token, sizeof(token), "%s", page->next_page_token);
        snprintf(sql, sizeof(sql),
                 "INSERT INTO referential.website (code) VALUES ('a%d'), ('x%d');"
                 "DELETE FROM referential.website WHERE code = 'a%d'",
                 turn, turn, turn - 1);
        db_run(test.conn, sql);
        assert_true(turn < 100);
    }
    assert_string_equal(got,
                        "w00 w01 w02 w03 w04 w05 w06 w07 w08 w09 w10 w11 w12 w13 w14 w15 w16 w17 w18 w19");
    db_run(test.conn, "DELETE FROM referential.website WHERE code !~ '^w'");
}

static void sizes_and_tokens(void **state)
{
    (void)state;
    Sw__ListWebsitesRequest request = SW__LIST_WEBSITES_REQUEST__INIT;
    request.has_page_size = 1;
    request.page_size = 5;
    const Sw__ListWebsitesResponse *page = test_store_call(&test, "ListWebsites", &request.base, NULL);
    assert_int_equal(page->n_items, 5);
    assert_false(page->has_total_size);
    char token[2048];
    snprintf(token, sizeof(token), "%s", page->next_page_token);
    request.page_token = token;
    request.search = "name";
    assert_null(test_store_call(&test, "ListWebsites", &request.base, NULL));
    test_store_failed(SW_INVALID_ARGUMENT, "page_token", "not those of the page before");
    request.search = NULL;
    assert_null(test_store_call(&test, "ListCms", &request.base, NULL));
    test_store_failed(SW_INVALID_ARGUMENT, "page_token", NULL);
    for (size_t i = 0; i + 1 < strlen(token); i += 7) { /* any change is found */
        char was = token[i];
        token[i] = (char)(was == 'A' ? 'B' : 'A');
        assert_null(test_store_call(&test, "ListWebsites", &request.base, NULL));
        test_store_failed(SW_INVALID_ARGUMENT, "page_token", "not a page token");
        token[i] = was;
    }
    assert_non_null(test_store_call(&test, "ListWebsites", &request.base, NULL));
    request.page_token = "x";
    assert_null(test_store_call(&test, "ListWebsites", &request.base, NULL));
    test_store_failed(SW_INVALID_ARGUMENT, "page_token", "next_page_token");
    request.page_token = NULL;
    request.page_size = -1;
    assert_null(test_store_call(&test, "ListWebsites", &request.base, NULL));
    test_store_failed(SW_INVALID_ARGUMENT, "page_size", "negative");
    request.page_size = 2000000000;
    request.has_show_total_size = request.show_total_size = 1;
    page = test_store_call(&test, "ListWebsites", &request.base, NULL);
    assert_int_equal(page->n_items, 20);
    assert_int_equal(page->total_size, 20);
    request.search = "nothing has this";
    page = test_store_call(&test, "ListWebsites", &request.base, NULL);
    assert_int_equal(page->n_items, 0);
    assert_int_equal(page->total_size, 0);
}

static void bounds(void **state)
{
    (void)state;
    Sw__ListWebsitesRequest request = SW__LIST_WEBSITES_REQUEST__INIT;
    Sw__Filter filter = SW__FILTER__INIT, *many[40];
    Sw__OrderBy order = SW__ORDER_BY__INIT, *orders_too[20];
    static char *values[1001];
    for (int i = 0; i < 1001; i++)
        values[i] = "w01";
    filter.field = "code";
    filter.op = "in";
    filter.values = values;
    filter.n_values = 1000;
    order.field = "name";
    for (int i = 0; i < 40; i++)
        many[i] = &filter;
    for (int i = 0; i < 20; i++)
        orders_too[i] = &order;
    request.filters = many;
    request.n_filters = 1;
    assert_string_equal(list(&request), "w01");
    filter.n_values = 1001;
    assert_null(list(&request));
    test_store_failed(SW_INVALID_ARGUMENT, "filters[0].values", "1000");
    filter.n_values = 1;
    request.n_filters = 33;
    assert_null(list(&request));
    test_store_failed(SW_INVALID_ARGUMENT, "filters", "32");
    request.n_filters = 0;
    request.order_by = orders_too;
    request.n_order_by = 17;
    assert_null(list(&request));
    test_store_failed(SW_INVALID_ARGUMENT, "order_by", "16");
    request.n_order_by = 2;
    assert_null(list(&request));
    test_store_failed(SW_INVALID_ARGUMENT, "order_by[1].field", "already");
    order.field = "nope";
    assert_null(list(&request));
    test_store_failed(SW_INVALID_ARGUMENT, "order_by[0].field", "no field");
}

/* More shapes of statements than the cache holds. */
static void many_shapes(void **state)
{
    (void)state;
    static const char *const fields[] = {"code", "name", "home_directory", "organization",
                                         "code_repository_url"};
    for (int shape = 0; shape < 3 * 125; shape++) {
        Sw__ListWebsitesRequest request = SW__LIST_WEBSITES_REQUEST__INIT;
        Sw__Filter filter[3] = {SW__FILTER__INIT, SW__FILTER__INIT, SW__FILTER__INIT};
        Sw__Filter *list_of[] = {&filter[0], &filter[1], &filter[2]};
        char *values[] = {"w01"};
        for (int i = 0, rest = shape % 125; i < 3; i++, rest /= 5) {
            filter[i].field = (char *)fields[rest % 5];
            filter[i].values = values;
            filter[i].n_values = 1;
        }
        request.filters = list_of;
        request.n_filters = 3;
        Sw__OrderBy by = SW__ORDER_BY__INIT, *order[] = {&by};
        by.field = (char *)fields[shape / 125];
        request.order_by = order;
        request.n_order_by = 1;
        assert_string_equal(list(&request), shape % 125 == 0 ? "w01" : "");
    }
}

static int open_store(void **state)
{
    (void)state;
    test_store_open(&test, "list", NULL);
    db_run(test.conn, "INSERT INTO referential.website (code, name, enabled, organization) SELECT "
                      "'w' || to_char(i, 'FM00'), 'Name_' || i || '%', i % 10 <> 0, "
                      "CASE WHEN i >= 10 THEN 'Org 1' ELSE '' END FROM generate_series(0, 19) i");
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
        cmocka_unit_test(filters),          cmocka_unit_test(filters_refused),
        cmocka_unit_test(other_types),      cmocka_unit_test(search),
        cmocka_unit_test(orders),           cmocka_unit_test(orders_null),
        cmocka_unit_test(sizes_and_tokens), cmocka_unit_test(pages_while_writing),
        cmocka_unit_test(bounds),           cmocka_unit_test(many_shapes),
    };
    return cmocka_run_group_tests(tests, open_store, close_store);
}
