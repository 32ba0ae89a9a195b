/* Templates and mapping files: every filter, every error with its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/rows/map.h"
#include <stdio.h>
#include <string.h>

static const char *const header[] = {"site", "a list", "empty", "odd|name"};
static const char *const cells[] = {" WWW.Example.org ", "one, two,,three ", "", "odd"};
#define COLUMNS 4

static char last_reason[256]; /* the arena's text does not outlive a row */

static void on_unplaced(void *context, size_t column, const char *reason)
{
    (void)context, (void)column;
    snprintf(last_reason, sizeof last_reason, "%s", reason);
}

/* The values of a template joined with `|`, or the error. */
static void expect(const char *text, const char *expected)
{
    sw_arena *arena = sw_arena_new(0);
    sw_template template;
    sw_error error = {0};
    sw_values values = {0};
    bool used[COLUMNS] = {0}, mentioned[COLUMNS];
    char joined[1024] = "";
    sw_template_row row = {.cells = cells, .used = used, .arena = arena, .unplaced = on_unplaced};
    last_reason[0] = '\0';
    sw_code code = sw_template_parse(text, arena, &template, &error);
    if (code == SW_OK)
        code = sw_template_bind(&template, header, COLUMNS, mentioned, &error);
    if (code == SW_OK)
        code = sw_template_values(&template, &row, &values, &error);
    for (size_t i = 0; i < values.count && code == SW_OK; i++)
        snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "%s%s", i ? "|" : "",
                 values.items[i]);
    if (code == SW_OK) {
        assert_string_equal(joined, expected);
    } else if (strstr(error.message, expected) == NULL) {
        fail_msg("%s: %s", text, error.message);
    }
    sw_arena_destroy(&arena);
}

static void test_filters(void **state)
{
    (void)state;
    expect("", "");
    expect("constant", "constant");
    expect("{{x}}", "{x}");
    expect("{site}", " WWW.Example.org ");
    expect("{site | trim}", "WWW.Example.org");
    expect("{ site|trim|lower }", "www.example.org");
    expect("{site|trim|upper}", "WWW.EXAMPLE.ORG");
    expect("{site|slug}", "www-example-org");
    expect("{empty|slug}", "");
    expect("{empty|default(none)}", "none");
    expect("{empty | default(\"a, (b) | } \"\"c\"\"\")}", "a, (b) | } \"c\"");
    expect("{site|trim|replace(., -)}", "WWW-Example-org");
    expect("{site|trim|replace(Example, \"\")}", "WWW..org");
    expect("x{empty|prefix(/)}{site|trim|suffix(!)}{empty|suffix(!)}", "xWWW.Example.org!");
    expect("{\"odd|name\"}", "odd");
}

static void test_lists(void **state)
{
    (void)state;
    expect("{a list | split(\",\")}", "one|two|three");
    expect("<{a list | split(\",\") | upper}>{site|trim}",
           "<ONE>WWW.Example.org|<TWO>WWW.Example.org|<THREE>WWW.Example.org");
    expect("{a list | split(\",\")}-{a list | split(\",\")}", "one-one|two-two|three-three");
    expect("{a list | split(\",\")}{site|split(.)}", "oneWWW|twoExample|threeorg");
    expect("{empty | split(\",\")}", "");
    expect("{empty | split(\",\") | default(none)}", "none");
    expect("{site | only(\",\")}", "WWW.Example.org");
    assert_string_equal(last_reason, "");
    expect("{a list | only(\",\")}", "");
    assert_string_equal(last_reason, "has 3 values, but there is room for one");
}

static void test_template_errors(void **state)
{
    (void)state;
    expect("{", "expected the name of a column");
    expect("{}", "expected the name of a column");
    expect("{site", "expected `|` or `}`");
    expect("site}", "a `}` without a `{`");
    expect("{site|}", "no filter ``");
    expect("{site|lowr}", "no filter `lowr`; did you mean lower");
    expect("{site|lower(x)}", "takes 0 arguments, not 1");
    expect("{site|default}", "takes 1 argument, not 0");
    expect("{site|replace(a)}", "takes 2 arguments, not 1");
    expect("{site|replace(a,b,c)}", "too many arguments");
    expect("{site|split(\"\")}", "must not be empty");
    expect("{site|default(x}", "expected `)`");
    expect("{site|default(\"x)}", "a quote that is never closed");
    expect("{sit}", "no column `sit`; did you mean site");
    expect("{a list|split(\",\")}{site|split(.)|split(m)}", "the cells of one row split");
}

static sw_map *parse(const char *text, sw_error *error)
{
    sw_map *map = NULL;
    *error = (sw_error){0};
    sw_map_parse("test.map", text, strlen(text), &map, error);
    return map;
}

static void test_conditions(void **state)
{
    (void)state;
    static const struct {
        const char *condition;
        bool applies;
    } cases[] = {{"{site}", true},      {"{site} !=", true},    {"{site} != ", true},
                 {"{site} =", false},   {"{site} = ", false},   {"{empty}", false},
                 {"{empty} !=", false}, {"{empty} =", true},    {"{site} = {site}", true},
                 {"{site} != x", true}, {"{site}{empty}", true}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char text[200];
        sw_error error;
        bool used[COLUMNS] = {0}, applies = !cases[i].applies;
        snprintf(text, sizeof(text), "[Website]\nwhen %s\ncode = x\n", cases[i].condition);
        sw_map *map = parse(text, &error);
        if (map == NULL)
            fail_msg("%s: %s", text, error.message);
        assert_int_equal(sw_map_bind(map, header, COLUMNS, &error), SW_OK);
        sw_template_row row = {.cells = cells, .used = used, .arena = map->arena, .unplaced = on_unplaced};
        assert_int_equal(sw_map_applies(map->targets, &row, &applies, &error), SW_OK);
        if (applies != cases[i].applies)
            fail_msg("%s", text);
        sw_map_destroy(&map);
    }
}

static void test_map(void **state)
{
    (void)state;
    sw_error error;
    sw_map *map = parse("\xEF\xBB\xBF# a comment\r\n[input]\r\ndelimiter = ;\r\n\r\n[Website]\r\n"
                        "when {site} != {empty}\nwhen {empty} = \n when {site}\ncode = "
                        "{site|trim|lower|map(names)}\nlive=true\n"
                        "[map names]\nwww.example.org = example\n\"a = b\" = c\n* = other\n"
                        "[ignore]\na list = of no use\n[Website]\ncode = x\nname = a = b\n",
                        &error);
    if (map == NULL)
        fail_msg("%s", error.message);
    assert_int_equal(map->delimiter, ';');
    assert_int_equal(sw_map_bind(map, header, COLUMNS, &error), SW_OK);
    assert_true(map->mentioned[0] && !map->mentioned[1] && map->mentioned[2] && !map->mentioned[3]);
    assert_true(map->left_out[1] && !map->left_out[0]);
    bool used[COLUMNS] = {0}, applies = false;
    sw_template_row row = {.cells = cells, .used = used, .arena = map->arena, .unplaced = on_unplaced};
    assert_int_equal(sw_map_applies(map->targets, &row, &applies, &error), SW_OK);
    assert_true(applies && used[0] && used[2] && !used[1]);
    sw_values values;
    assert_int_equal(sw_template_values(&map->targets->fields->template, &row, &values, &error), SW_OK);
    assert_string_equal(values.items[0], "example");
    assert_int_equal(map->targets->next->index, 1);
    assert_string_equal(map->targets->next->fields->next->name, "name");
    assert_int_equal(map->targets->next->fields->next->line, 19);
    assert_string_equal(map->ignored->reason, "of no use");
    sw_map_destroy(&map);
    assert_null(map);
}

static void test_map_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "test.map: no section names a resource"},
        {"code = x\n", "test.map:1: this line is before the first [section]"},
        {"[Website]\n", "test.map:1: [Website] sets no field"},
        {"[Web site]\ncode = x\n", "test.map:1: [Web site] is not a section"},
        {"[Website]\ncode\n", "test.map:2: expected `name = value`"},
        {"[Website]\ncode = x\ncode = y\n", "test.map:3: field `code` is already in line 2"},
        {"[Website]\n\ncode = {x|lwer}\n", "test.map:3: there is no filter `lwer`; did you mean lower"},
        {"[Website]\ncode = {x|map(y)}\n", "test.map:2: there is no table `[map y]`"},
        {"[Website]\nwhen {x\ncode = x\n", "test.map:2: "},
        {"[Website]\nwhen {x} ~ y\ncode = x\n", "test.map:2: expected `when {column}`"},
        {"[Website]\ncode = x\n[map y]\na = 1\na = 2\n", "test.map:5: `a` is already in this table"},
        {"[Website]\ncode = x\n[map y]\n* = 1\n* = 2\n", "test.map:5: the table already has a line"},
        {"[Website]\ncode = x\n[map y]\n[map y]\n", "test.map:4: the table `y` is already in line 3"},
        {"[Website]\ncode = x\n[ignore]\na = \n", "test.map:4: say why column `a` is ignored"},
        {"[Website]\ncode = x\n[ignore]\na = b\na = b\n",
         "test.map:5: column `a` is already ignored in line 4"},
        {"[input]\ndelimiter = ab\n", "test.map:2: delimiter must be one character"},
        {"[input]\nquote = '\n", "test.map:2: [input] has no setting `quote`"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sw_error error;
        sw_map *map = parse(cases[i].text, &error);
        assert_null(map);
        assert_int_equal(error.code, SW_INVALID_ARGUMENT);
        if (strncmp(error.message, cases[i].message, strlen(cases[i].message)) != 0)
            fail_msg("%s: %s", cases[i].text, error.message);
    }
    sw_error error;
    sw_map *map = NULL;
    assert_int_equal(sw_map_parse("x", "[A]\0b = c\n", 10, &map, &error), SW_INVALID_ARGUMENT);
    map = parse("[Website]\ncode = x\nname = {nme}\n", &error);
    assert_int_equal(sw_map_bind(map, header, COLUMNS, &error), SW_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "test.map:3: the file has no column `nme`"));
    sw_map_destroy(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters),         cmocka_unit_test(test_lists),
        cmocka_unit_test(test_template_errors), cmocka_unit_test(test_map),
        cmocka_unit_test(test_conditions),      cmocka_unit_test(test_map_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
