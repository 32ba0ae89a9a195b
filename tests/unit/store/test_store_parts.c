/* The store's parts that need no database: times, values, names, constraint rules, statement cache,
 * filters, packed rows. */
#include "sitewire/deployment/v1/deployment.pb-c.h"
#include "sitewire/referential/v1/referential.pb-c.h"
#include "store/bind/filter.h"
#include "store/bind/pack.h"
#include "store/bind/time.h"
#include "store/pg/sqlstate.h"
#include "store/pg/statement.h"
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

/* A value in binary format for the field, another one for each row; false: NULL. */
static bool make_value(const sw_column *column, int row, char *text, int *size)
{
    static const int64_t numbers[] = {0, 1, -1, 127, 128, 32767, -32768, 2147483647, -2147483648, 300};
    static const int64_t times[] = {
        0, -1, 1, 1000000, -SW_PG_EPOCH * INT64_C(1000000), INT64_MAX, INT64_MIN, 777777777777777};
    char *const texts[] = {"", "one", "two"};
    int64_t number = numbers[row % 10];
    sw_arena *arena;
    sw_value value;
    switch (column->bind) {
    case SW_BIND_BOOL:
        *size = 1;
        text[0] = (char)(row % 2);
        return row % 3 > 0;
    case SW_BIND_INT:
        *size = column->type == SW_OID_INT2 ? 2 : column->type == SW_OID_INT4 ? 4 : 8;
        sw_put_be(text, (uint64_t)number, (size_t)*size);
        return row % 5 > 0;
    case SW_BIND_TIME:
        *size = 8;
        sw_put_be(text, (uint64_t)times[row % 8], 8);
        return true;
    case SW_BIND_TEXTS:
        arena = sw_arena_new(0);
        value = sw_value_texts(arena, texts, (size_t)row % 4);
        memcpy(text, value.data, (size_t)value.size);
        *size = value.size;
        sw_arena_destroy(&arena);
        return true;
    default: /* empty, and of lengths that take one, two and three bytes to write */
        *size = row % 7 == 0 ? 20000 : row % 4 == 0 ? 0 : row * 13;
        memset(text, 'x', (size_t)*size);
        return row % 6 > 0;
    }
}

/* What is packed from a result is what protobuf-c packs of the message that is read from it. */
static void check_packed(const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *items,
                         Oid int_type)
{
    static char text[20001];
    enum { ROWS = 40 };
    int count = 0;
    sw_column columns[32] = {0};
    PGresAttDesc attributes[32] = {0};
    for (unsigned i = 0; i < type->n_fields; i++) {
        sw_column *column = &columns[count];
        column->field = &type->fields[i];
        column->type = sw_bind_default_type(column->field);
        column->bind = sw_bind_find(column->field, column->type);
        if (column->bind == SW_BIND_NONE)
            continue;
        if (column->bind == SW_BIND_INT)
            column->type = int_type;
        attributes[count].name = (char *)column->field->name;
        attributes[count++].format = 1;
    }
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_true(PQsetResultAttrs(result, count, attributes));
    sw_arena *arena = sw_arena_new(0);
    sw_pack list;
    sw_error error;
    assert_int_equal(sw_pack_init(&list, arena, 1, &error), SW_OK);
    ProtobufCMessage *elements[ROWS];
    for (int row = 0; row < ROWS; row++) {
        int size = 0;
        for (int i = 0; i < count; i++) {
            bool is = make_value(&columns[i], row + i, text, &size);
            assert_true(PQsetvalue(result, row, i, is ? text : NULL, is ? size : -1));
        }
        ProtobufCMessage *read = sw_arena_alloc(arena, type->sizeof_message),
                         *sent = sw_arena_alloc(arena, type->sizeof_message);
        type->message_init(read);
        type->message_init(sent);
        assert_int_equal(sw_bind_row(result, row, columns, count, read, arena, &error), SW_OK);
        sw_pack pack;
        assert_int_equal(sw_pack_init(&pack, arena, 1, &error), SW_OK);
        assert_int_equal(sw_pack_row(&pack, result, row, columns, count, type, &error), SW_OK);
        assert_int_equal(sw_pack_attach(&pack, sent, &error), SW_OK);
        size_t expected = protobuf_c_message_get_packed_size(read);
        assert_int_equal(protobuf_c_message_get_packed_size(sent), expected);
        uint8_t *a = sw_arena_alloc(arena, expected + 1), *b = sw_arena_alloc(arena, expected + 1);
        protobuf_c_message_pack(read, a);
        protobuf_c_message_pack(sent, b);
        assert_memory_equal(a, b, expected);
        elements[row] = read;
        if (items)
            assert_int_equal(sw_pack_item(&list, items, result, row, columns, count, &error), SW_OK);
    }
    if (items) {
        Sw__ListWebsitesResponse read = SW__LIST_WEBSITES_RESPONSE__INIT, sent = read;
        read.items = (Sw__Website **)elements;
        read.n_items = ROWS;
        assert_int_equal(sw_pack_attach(&list, &sent.base, &error), SW_OK);
        size_t expected = protobuf_c_message_get_packed_size(&read.base);
        assert_int_equal(protobuf_c_message_get_packed_size(&sent.base), expected);
        uint8_t *a = sw_arena_alloc(arena, expected), *b = sw_arena_alloc(arena, expected);
        protobuf_c_message_pack(&read.base, a);
        protobuf_c_message_pack(&sent.base, b);
        assert_memory_equal(a, b, expected);
    }
    sw_arena_destroy(&arena);
    PQclear(result);
}

static void packed_rows(void **state)
{
    (void)state;
    const ProtobufCFieldDescriptor *items =
        protobuf_c_message_descriptor_get_field_by_name(&sw__list_websites_response__descriptor, "items");
    check_packed(&sw__website__descriptor, items, SW_OID_INT8);
    check_packed(&sw__deployment_command__descriptor, NULL, SW_OID_INT4);
    check_packed(&sw__deployment_log__descriptor, NULL, SW_OID_INT2);
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
        cmocka_unit_test(packed_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
