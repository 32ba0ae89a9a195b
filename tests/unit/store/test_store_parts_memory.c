/* The store's parts that need no database when memory runs out: each allocation in turn fails. What
 * is incomplete is never taken for a statement, a NULL or another page. */
#include "heap.h"
#include "sitewire/referential/v1/referential.pb-c.h"
#include "store/bind/page.h"
#include "store/pg/statement.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const sw_resource websites = {&sw__referential__descriptor,
                                     &sw__website__descriptor,
                                     "Websites",
                                     "referential.website",
                                     1,
                                     NULL,
                                     NULL,
                                     NULL};
static sw_table *table;
static PGresult *result; /* one row with the table's columns: its texts are `x` */

static void make_result(void)
{
    PGresAttDesc attributes[SW_FIELDS_MAX] = {0};
    for (int i = 0; i < table->count; i++)
        attributes[i].name = (char *)(uintptr_t)table->columns[i].field->name;
    assert_non_null(result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK));
    assert_true(PQsetResultAttrs(result, table->count, attributes));
    for (int i = 0; i < table->count; i++)
        assert_true(PQsetvalue(result, 0, i, (char[]){"x"}, 1));
}

static int open_table(void **state)
{
    (void)state;
    assert_int_equal(sw_table_new(&websites, &table, NULL), SW_OK);
    sw_table_assume(table);
    make_result();
    return 0;
}

static int close_table(void **state)
{
    (void)state;
    sw_table_destroy(&table);
    PQclear(result);
    return 0;
}

/* --- tables --- */

static void make_table(void *context)
{
    (void)context;
    sw_table *made;
    sw_error error = {0};
    sw_code code = sw_table_new(&websites, &made, &error);
    assert_int_equal(code == SW_OK, made != NULL);
    if (code == SW_OK)
        sw_table_assume(made);
    else
        assert_int_equal(error.code, SW_RESOURCE_EXHAUSTED);
    if (code == SW_OK && made->select != NULL)
        assert_string_equal(made->select, table->select);
    sw_table_destroy(&made);
}

static void name_fields(void *context)
{
    (void)context;
    sw_arena *arena = sw_arena_new_with(16, 0);
    if (arena != NULL)
        assert_non_null(sw_table_names(table, ~(sw_fields)0, arena));
    sw_arena_destroy(&arena);
}

static void test_tables(void **state)
{
    (void)state;
    assert_true(sw_heap_each(make_table, NULL) > 7);
    assert_true(sw_heap_each(name_fields, NULL) > 7);
}

/* --- statements --- */

/* What could not be kept is not half kept: the next try gets it. */
static void keep_statements(void *context)
{
    (void)context;
    sw_statements *all = sw_statements_new();
    const Oid types[] = {SW_OID_TEXT};
    if (all == NULL)
        return;
    for (int i = 0; i < 3; i++) {
        char text[16];
        size_t size = (size_t)snprintf(text, sizeof(text), "SELECT %d", i);
        sw_statement *got = sw_statements_get(all, text, size, types, 1);
        if (got == NULL)
            got = sw_statements_get(all, text, size, types, 1);
        assert_non_null(got);
        assert_string_equal(got->text, text);
        sw_statement_release(got);
        assert_ptr_equal(sw_statements_get(all, text, size, types, 1), got);
    }
    sw_statements_destroy(&all);
}

static void test_statements(void **state)
{
    (void)state;
    assert_true(sw_heap_each(keep_statements, NULL) > 6);
}

/* --- lists --- */

#define TEXT_SIZE 4096

static char *names[] = {(char *)"a", (char *)"b"}, *times[] = {(char *)"2026-01-31T12:00:00Z"},
            *numbers[] = {(char *)"7"};
static Sw__Filter by_name = SW__FILTER__INIT, by_time = SW__FILTER__INIT, by_number = SW__FILTER__INIT;
static Sw__Filter *const filters[] = {&by_name, &by_time, &by_number};
static const sw_selection selection = {.filters = filters, .filter_count = 3, .search = "50%"};

static void fill_filters(void)
{
    by_name.field = (char *)"name";
    by_name.op = (char *)"in";
    by_name.values = names;
    by_name.n_values = 2;
    by_time.field = (char *)"created_at";
    by_time.op = (char *)">=";
    by_time.values = times;
    by_time.n_values = 1;
    by_number.field = (char *)"revision";
    by_number.values = numbers;
    by_number.n_values = 1;
}

/* A statement that is whole is the one that plenty of memory makes, with all its values. */
static void make_list(void *context)
{
    char *whole_text = context;
    sw_arena *arena = sw_arena_new_with(16, 0);
    sw_error error = {0};
    sw_order order;
    if (arena == NULL)
        return;
    sw_sql sql;
    sw_sql_init(&sql, arena);
    sw_code code = sw_filter_where(table, &selection, &sql, &error);
    assert_int_equal(sw_order_resolve(table, &selection, &order, NULL), SW_OK);
    sw_value after = sw_value_text("a");
    sw_order_after(table, &order, &after, &sql);
    sw_order_by(table, &order, &sql);
    if (code != SW_OK) {
        assert_int_equal(code, SW_RESOURCE_EXHAUSTED);
        assert_int_equal(error.code, SW_RESOURCE_EXHAUSTED);
    } else if (sw_sql_is_whole(&sql)) {
        if (*whole_text == '\0')
            snprintf(whole_text, TEXT_SIZE, "%s", sql.text);
        assert_string_equal(sql.text, whole_text);
        assert_int_equal(sql.count, 5);
        for (int i = 0; i < sql.count; i++)
            assert_non_null(sql.values[i]);
    }
    sw_arena_destroy(&arena);
}

/* A number that could not be made is not a NULL. */
static void bind_numbers(void *context)
{
    (void)context;
    sw_arena *arena = sw_arena_new_with(16, 0);
    if (arena == NULL)
        return;
    sw_sql sql;
    sw_sql_init(&sql, arena);
    for (int i = 0; i < 200; i++) {
        sw_value number = sw_value_int8(arena, i);
        sw_sql_param(&sql, &number);
    }
    for (int i = 0; sw_sql_is_whole(&sql) && i < 200; i++)
        assert_int_equal(sw_get_be(sql.values[i], 8), i);
    sw_arena_destroy(&arena);
}

/* A token is whole and brings back the same values, or there is none. */
static void turn_the_page(void *context)
{
    static const uint8_t key[SW_PAGE_KEY] = {1}, shape[SW_PAGE_SHAPE] = {2};
    (void)context;
    sw_arena *arena = sw_arena_new_with(16, 0);
    sw_order order;
    sw_value values[SW_ORDER_MAX + SW_KEYS_MAX];
    sw_error error = {0};
    assert_int_equal(sw_order_resolve(table, &selection, &order, NULL), SW_OK);
    char *token = arena == NULL ? NULL : sw_page_encode(key, shape, &order, result, 0, arena);
    if (token != NULL) {
        sw_code code = sw_page_decode(key, shape, table, &order, token, arena, values, &error);
        if (code == SW_OK)
            assert_string_equal(values[0].data, "x");
        else
            assert_int_equal(error.code, SW_RESOURCE_EXHAUSTED);
    }
    sw_arena_destroy(&arena);
}

static void test_lists(void **state)
{
    (void)state;
    static char text[TEXT_SIZE];
    fill_filters();
    make_list(text); /* with plenty of memory */
    assert_non_null(strstr(text, "\"name\" = ANY($1)"));
    assert_true(sw_heap_each(make_list, text) > 3);
    assert_true(sw_heap_each(bind_numbers, NULL) > 6);
    assert_true(sw_heap_each(turn_the_page, NULL) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_statements),
        cmocka_unit_test(test_lists),
    };
    return cmocka_run_group_tests(tests, open_table, close_table);
}
