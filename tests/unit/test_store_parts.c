/* The store's parts that need no database: times, values, names, constraint rules, statement cache, filters. */
#include "sitewire/referential/v1/referential.pb-c.h"
#include "store/filter.h"
#include "store/sqlstate.h"
#include "store/statement.h"
#include "store/time.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static void times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } good[] = {
        {"2000-01-01T00:00:00Z", 0},
        {"2000-01-01", 0},
        {"2000-01-01 00:00:01+00:00", 1000000},
        {"2000-01-01T01:00:00.5+01:00", 500000},
        {"1999-12-31T23:59:59.9999999Z", -1},
        {"2000-03-01T00:00:00Z", 60 * 86400 * INT64_C(1000000)},
        {"1970-01-01T00:00:00Z", -SW_PG_EPOCH * INT64_C(1000000)},
    };
    static const char *const bad[] = {"",
                                      "now",
                                      "2000-02-30",
                                      "1900-02-29",
                                      "2000-13-01",
                                      "0000-01-01",
                                      "2000-01-01T00:00:00",
                                      "2000-01-01T24:00:00Z",
                                      "2000-01-01T00:00:00.Z",
                                      "2000-01-01T00:00:00Zx",
                                      "2000-01-01T00:00:00+1:00",
                                      "0001-01-01T00:00:00+01:00",
                                      "infinity"};
    int64_t us;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        assert_true(sw_time_parse(good[i].text, &us));
        assert_int_equal(us, good[i].us);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (sw_time_parse(bad[i], &us))
            fail_msg("%s", bad[i]);
}

static void rules(void **state)
{
    (void)state;
    char field[32];
    const sw_rule *rule;
    assert_true(sw_rule_parse("website__code_repository_url__url", field, sizeof(field), &rule));
    assert_string_equal(field, "code_repository_url");
    assert_int_equal(rule->code, SW_INVALID_ARGUMENT);
    assert_true(sw_rule_parse("docroot__provider_id__unique", field, sizeof(field), &rule));
    assert_int_equal(rule->code, SW_ALREADY_EXISTS);
    static const char *const bad[] = {"", "__", "____", "website_pkey", "a__b", "a__b__unknown"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(sw_rule_parse(bad[i], field, sizeof(field), &rule));
}

static void states(void **state)
{
    (void)state;
    static const struct {
        const char *state;
        sw_code code;
    } cases[] = {{NULL, SW_INTERNAL},          {"XX000", SW_INTERNAL},  {"22P02", SW_INVALID_ARGUMENT},
                 {"23505", SW_ALREADY_EXISTS}, {"40001", SW_ABORTED},   {"53300", SW_RESOURCE_EXHAUSTED},
                 {"57P01", SW_UNAVAILABLE},    {"57014", SW_CANCELLED}, {"08006", SW_UNAVAILABLE},
                 {"SW001", SW_ABORTED},        {"SW003", SW_NOT_FOUND}, {"42601", SW_INTERNAL}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_int_equal(sw_sqlstate_find(cases[i].state)->code, cases[i].code);
}

static void statements(void **state)
{
    (void)state;
    sw_statements *all = sw_statements_new();
    sw_statement *kept = sw_statements_get(all, "SELECT 0", 8, NULL, 0), *got = NULL;
    for (int round = 0; round < 3; round++)
        for (int i = 1; i <= 1000; i++) {
            char text[32];
            Oid types[] = {SW_OID_TEXT};
            int length = snprintf(text, sizeof(text), "SELECT %d", i);
            got = sw_statements_get(all, text, (size_t)length, types, 1);
            assert_non_null(got);
            assert_string_equal(got->text, text);
            sw_statement_release(got);
            assert_ptr_equal(sw_statements_get(all, text, (size_t)length, types, 1), got);
            sw_statement_release(got);
        }
    assert_string_equal(kept->text, "SELECT 0"); /* in use: never evicted */
    assert_ptr_equal(sw_statements_get(all, "SELECT 0", 8, NULL, 0), kept);
    sw_statement *held[SW_STATEMENTS_MAX];
    int count = 0;
    for (int i = 0; i < SW_STATEMENTS_MAX + 1; i++) {
        char text[32];
        int length = snprintf(text, sizeof(text), "HELD %d", i);
        if ((got = sw_statements_get(all, text, (size_t)length, NULL, 0)))
            held[count++] = got;
    }
    assert_int_equal(count, SW_STATEMENTS_MAX - 1);
    for (int i = 0; i < count; i++)
        sw_statement_release(held[i]);
    sw_statements_destroy(&all);
}

static void names_are_quoted(void **state)
{
    (void)state;
    sw_arena *arena = sw_arena_new(0);
    sw_sql sql;
    sw_sql_init(&sql, arena);
    sw_sql_name(&sql, "schema.ta\"ble");
    assert_string_equal(sql.text, "\"schema\".\"ta\"\"ble\"");
    for (int i = 0; i < 100; i++) {
        sw_value value = sw_value_text("x");
        assert_int_equal(sw_sql_bind(&sql, &value), i + 1);
    }
    assert_string_equal(sql.values[99], "x");
    assert_string_equal(sql.values[0], "x");
    sw_arena_destroy(&arena);
}

/* Values are parameters, never text. */
static void filters_become_sql(void **state)
{
    (void)state;
    static const sw_resource resource = {&sw__referential__descriptor,
                                         &sw__website__descriptor,
                                         "Websites",
                                         "referential.website",
                                         1,
                                         NULL,
                                         NULL,
                                         NULL};
    sw_table *table;
    sw_arena *arena = sw_arena_new(0);
    assert_int_equal(sw_table_new(&resource, &table, NULL), SW_OK);
    sw_table_assume(table);
    char *values[] = {"'; DROP TABLE x"};
    Sw__Filter filter = SW__FILTER__INIT, *filters[] = {&filter};
    filter.field = "name";
    filter.values = values;
    filter.n_values = 1;
    sw_selection selection = {.filters = filters, .filter_count = 1};
    sw_sql sql;
    sw_order order;
    sw_sql_init(&sql, arena);
    assert_int_equal(sw_filter_where(table, &selection, &sql, NULL), SW_OK);
    assert_int_equal(sw_order_resolve(table, &selection, &order, NULL), SW_OK);
    sw_value after = sw_value_text("a");
    sw_order_after(table, &order, &after, &sql);
    sw_order_by(table, &order, &sql);
    assert_string_equal(sql.text, " WHERE true AND \"name\" = $1 AND (\"code\") > ($2) ORDER BY \"code\"");
    assert_string_equal(sql.values[0], values[0]);
    sw_table_destroy(&table);
    sw_arena_destroy(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times),
        cmocka_unit_test(rules),
        cmocka_unit_test(states),
        cmocka_unit_test(statements),
        cmocka_unit_test(names_are_quoted),
        cmocka_unit_test(filters_become_sql),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
