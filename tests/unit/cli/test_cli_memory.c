/* The command line's parts when memory runs out: each allocation in turn fails. Nothing is cut in
 * silence: a failure is reported, and what was read or planned is whole. */
#include "base/error.h"
#include "cli/import/plan.h"
#include "cli/rows/csv.h"
#include "cli/rows/map.h"
#include "cli/run/args.h"
#include "cli/term/grid.h"
#include "heap.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* True for success; a failure is RESOURCE_EXHAUSTED, with a message. */
static bool is_good(sw_code code, const sw_error *error)
{
    if (code == SW_OK)
        return true;
    if (code != SW_RESOURCE_EXHAUSTED)
        fail_msg("code %d: %s", code, error->message);
    assert_int_equal(error->code, code);
    assert_true(error->message[0] != '\0');
    return false;
}

/* --- the line of a command --- */

static void parse_line(void *context)
{
    (void)context;
    static const sw_flag flags[] = {{"limit", 'n', "N", "how many"}, {0}};
    char *const line[] = {(char *)"list", (char *)"--limit", (char *)"7", (char *)"-"};
    sw_args args;
    sw_error error = {0};
    int64_t limit = 0;
    if (is_good(sw_args_parse(4, line, flags, NULL, &args, &error), &error)) {
        assert_int_equal(args.word_count, 2);
        assert_int_equal(sw_args_number(&args, "limit", 1, 9, 5, &limit, &error), SW_OK);
        assert_int_equal(limit, 7);
    }
    sw_args_free(&args);
}

static void test_args(void **state)
{
    (void)state;
    assert_int_equal(sw_heap_each(parse_line, NULL), 3);
}

/* --- tables --- */

#define ROWS 70 /* more cells than a table first has room for */

/* Each row that is printed is whole; if rows are missing, the last line says so. */
static void check_table(const char *text, size_t rows)
{
    char expected[32];
    assert_int_equal(strncmp(text, "NAME  NUMBER\n", 13), 0);
    text += 13;
    for (size_t i = 0; i < rows; i++) {
        int size = snprintf(expected, sizeof(expected), "r%-3zu  %zu\n", i, i);
        assert_int_equal(strncmp(text, expected, (size_t)size), 0);
        text += size;
    }
    assert_string_equal(text, rows == ROWS ? "" : "(out of memory: rows are missing here)\n");
}

static void print_table(void *context)
{
    (void)context;
    static const sw_grid_column columns[] = {{"NAME", false, true}, {"NUMBER", false, false}};
    static char text[4096];
    sw_grid *table = sw_grid_new(columns, 2);
    if (table == NULL)
        return;
    for (int i = 0; i < ROWS; i++) {
        sw_grid_addf(table, "r%d", i);
        sw_grid_addf(table, "%d", i);
    }
    FILE *out = fmemopen(text, sizeof(text), "w");
    sw_grid_print(table, out, 0, false, NULL);
    fclose(out);
    check_table(text, sw_grid_rows(table));
    sw_grid_destroy(&table);
}

static void test_tables(void **state)
{
    (void)state;
    assert_true(sw_heap_each(print_table, NULL) > 2 * ROWS);
}

/* --- CSV --- */

static char csv_text[2000];

/* Rows come whole and in order until memory runs out. */
static void read_csv(void *context)
{
    (void)context;
    FILE *in = fmemopen(csv_text, strlen(csv_text), "r");
    sw_csv *csv = sw_csv_new(in, ',');
    sw_csv_row row;
    int got = -1;
    uint32_t rows = 0;
    while (csv != NULL && (got = sw_csv_next(csv, &row)) > 0) {
        assert_null(row.fault);
        assert_int_equal(row.line, ++rows);
        assert_int_equal(row.count, rows == 2 ? 200 : 2);
        assert_string_equal(row.cells[row.count - 1], "z");
    }
    assert_true(got < 0 || rows == 3);
    sw_csv_destroy(&csv);
    fclose(in);
}

static void test_csv(void **state)
{
    (void)state;
    strcpy(csv_text, "a,z\n");
    for (int i = 0; i < 199; i++)
        strcat(csv_text, "cell,");
    strcat(csv_text, "z\nb,z\n");
    assert_true(sw_heap_each(read_csv, NULL) > 8);
}

/* --- mappings --- */

static const char mapping[] =
    "[map kinds]\none = first\ntwo = second\n"
    "[ignore]\nempty = nothing is in it\n"
    "[Website]\ncode = {site | trim | lower | replace(\".\", \"-\") | slug}\n"
    "title = {list | split(\",\") | map(kinds) | prefix(\"the \") | suffix(\" one\")}\n"
    "owner = {empty | default(nobody) | upper}\nwhen {site} != none\n";

static void on_unplaced(void *context, size_t column, const char *reason)
{
    (void)context;
    fail_msg("column %zu: %s", column, reason);
}

static bool expect_values(const sw_map_field *field, const sw_template_row *row, size_t count,
                          const char *last)
{
    sw_values values;
    sw_error error = {0};
    if (!is_good(sw_template_values(&field->template, row, &values, &error), &error))
        return false;
    assert_int_equal(values.count, count);
    assert_string_equal(values.items[count - 1], last);
    return true;
}

static void map_row(const sw_map *map, sw_arena *arena)
{
    static const char *const cells[] = {" WWW.Example.org ", "one, two", ""};
    bool used[3] = {0}, applies;
    sw_error error = {0};
    const sw_template_row row = {.cells = cells, .used = used, .arena = arena, .unplaced = on_unplaced};
    const sw_map_field *field = map->targets->fields;
    if (is_good(sw_map_applies(map->targets, &row, &applies, &error), &error))
        assert_true(applies);
    int good = 0;
    for (int try = 0; try < 2; try++) { /* one failure at a time: one of two tries succeeds */
        good += expect_values(field, &row, 1, "www-example-org") &&
                expect_values(field->next, &row, 2, "the second one") &&
                expect_values(field->next->next, &row, 1, "NOBODY");
        sw_arena_reset(arena);
    }
    assert_true(good > 0);
}

static void read_mapping(void *context)
{
    (void)context;
    static const char *const header[] = {"site", "list", "empty"};
    sw_map *map;
    sw_error error = {0};
    sw_code code = sw_map_parse("m", mapping, sizeof(mapping) - 1, &map, &error);
    assert_int_equal(code == SW_OK, map != NULL);
    sw_arena *arena = sw_arena_new_with(32, 0);
    if (is_good(code, &error) && arena != NULL && is_good(sw_map_bind(map, header, 3, &error), &error))
        map_row(map, arena);
    sw_arena_destroy(&arena);
    sw_map_destroy(&map);
}

static void test_mapping(void **state)
{
    (void)state;
    assert_true(sw_heap_each(read_mapping, NULL) > 8);
}

/* --- the plan of an import --- */

extern const unsigned char compiled_schema[] __asm__("sw_schema");
extern const size_t compiled_schema_size __asm__("sw_schema_size");

static sw_schema *schema;
static sw_model *model;

static int open_model(void **state)
{
    (void)state;
    sw_code code = sw_schema_new(compiled_schema, compiled_schema_size, &schema, NULL);
    return code == SW_OK ? (int)sw_model_new(schema, &model, NULL) : (int)code;
}

static int close_model(void **state)
{
    (void)state;
    sw_model_destroy(&model);
    sw_schema_destroy(&schema);
    return 0;
}

static sw_code try_add(sw_import_plan *plan, const char *resource, const char *json, sw_error *error)
{
    sw_heap_pause();
    json_t *fields = json_loads(json, 0, NULL);
    sw_heap_resume();
    uint32_t origin = sw_import_plan_origin(plan, 0, 1, json, strlen(json));
    sw_code code = origin == SW_NO_ROW
                       ? sw_fail(error, SW_RESOURCE_EXHAUSTED, "no origin")
                       : sw_import_plan_add(plan, sw_model_find(model, resource, strlen(resource)), fields,
                                            origin, error);
    json_decref(fields);
    return code;
}

/* A row that could not be added leaves the plan as it was: the second try succeeds. */
static void add(sw_import_plan *plan, const char *resource, const char *json, sw_code expected)
{
    sw_error error = {0};
    sw_code code = try_add(plan, resource, json, &error);
    if (code == SW_RESOURCE_EXHAUSTED)
        code = try_add(plan, resource, json, &error);
    if (code != expected)
        fail_msg("%s: code %d: %s", json, code, error.message);
}

static void take_all(sw_import_plan *plan, size_t count)
{
    for (uint32_t row; (row = sw_import_plan_take(plan)) != SW_NO_ROW; count--) {
        assert_true(count > 0);
        sw_import_plan_finish(plan, row, true);
    }
    assert_int_equal(count, 0);
}

static void plan_import(void *context)
{
    (void)context;
    sw_import_plan *plan;
    sw_error error = {0};
    if (!is_good(sw_import_plan_new(model, false, true, &plan, &error), &error)) {
        assert_null(plan);
        return;
    }
    add(plan, "Domain", "{\"fqdn\":\"b.a.org\",\"parent\":\"a.org\",\"registrar\":\"r\"}", SW_OK);
    add(plan, "Domain", "{\"fqdn\":\"a.org\",\"registrar\":\"r\"}", SW_OK);
    add(plan, "Domain", "{\"fqdn\":\"a.org\",\"registrar\":\"r\"}", SW_OK); /* repeated */
    add(plan, "Domain", "{\"fqdn\":\"a.org\",\"registrar\":\"s\"}", SW_INVALID_ARGUMENT);
    add(plan, "Domain", "{\"fqdn\":\"a.org\",\"registrar\":null}", SW_INVALID_ARGUMENT);
    assert_int_equal(sw_import_plan_rows(plan), 2);
    sw_import_plan_reject(plan, 0, "fqdn", "the registry says so");
    assert_non_null(sw_import_plan_origin_at(plan, 0)->reason);
    if (is_good(sw_import_plan_link(plan, &error), &error))
        take_all(plan, 2);
    sw_import_plan_destroy(&plan);
}

static void test_plan(void **state)
{
    (void)state;
    assert_true(sw_heap_each(plan_import, NULL) > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_args),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_mapping),
        cmocka_unit_test_setup_teardown(test_plan, open_model, close_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
