/* Tables of the command line: width of text, cutting, harmless text, layout; and numbers for
 * people. */
#include "cli/term/grid.h"
#include "cli/term/number.h"
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_width(void **state)
{
    (void)state;
    assert_int_equal(sw_text_width("plain"), 5);
    assert_int_equal(sw_text_width("électricité"), 11);
    assert_int_equal(sw_text_width("日本"), 4);
    assert_int_equal(sw_text_width("e\u0301"), 1);
    assert_int_equal(sw_text_width("\xff\xfe"), 2);
    assert_int_equal(sw_text_width("\xe6\x97"), 2);
    assert_int_equal(sw_text_cut("日本", 3), 3);
    assert_int_equal(sw_text_cut("abc", 2), 2);
    assert_int_equal(sw_text_cut("abc", 9), 3);
    assert_int_equal(sw_text_cut("abc", 0), 0);
}

static void check_safe(const char *text, bool keep_lines, const char *expected)
{
    char *safe = sw_text_safe(text, keep_lines);
    assert_string_equal(safe, expected);
    free(safe);
}

static void test_safe(void **state)
{
    (void)state;
    check_safe("a\x1b[31mb\a", false, "a\\x1b[31mb\\x07");
    check_safe("one\ntwo\tx\r", false, "one\\ntwo\\tx\\r");
    check_safe("one\ntwo", true, "one\ntwo");
    check_safe("\xff", false, "\xEF\xBF\xBD");
    check_safe("\xc2\x9b", false, "\\u{9B}");
    check_safe("a\u202Eb", false, "a\\u{202E}b");
    check_safe("\xed\xa0\x80", false, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    check_safe("", false, "");
}

static void check_layout(size_t width, const size_t *natural, const size_t *expected)
{
    static const sw_grid_column columns[] = {{"key", false, true}, {"a", false, false}, {"b", false, false}};
    static const size_t titles[] = {3, 1, 1};
    size_t widths[3];
    sw_grid_layout(natural, titles, columns, 3, width, widths);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(widths[i], expected[i]);
}

/* What an approver cannot see, or sees in another order, is shown by its number. */
static void test_unseen_is_shown(void **state)
{
    static const struct {
        const char *text, *shown;
    } rows[] = {{"\u200B", "\\u{200B}"},      {"\u200E", "\\u{200E}"},       {"\u200F", "\\u{200F}"},
                {"\u061C", "\\u{61C}"},       {"\u2028", "\\u{2028}"},       {"\u2029", "\\u{2029}"},
                {"\u2060", "\\u{2060}"},      {"\u2066", "\\u{2066}"},       {"\uFEFF", "\\u{FEFF}"},
                {"\u00A0", "\\u{A0}"},        {"\u00AD", "\\u{AD}"},         {"\u3164", "\\u{3164}"},
                {"\u2800", "\\u{2800}"},      {"\u3000", "\\u{3000}"},       {"\uFE0F", "\\u{FE0F}"},
                {"\U000E0041", "\\u{E0041}"}, {"\U0010FFFF", "\\u{10FFFF}"}, {"\x7f", "\\x7f"},
                {"\u00A1", "\u00A1"},         {"\u2010", "\u2010"},          {"\u2030", "\u2030"},
                {"\uFB01", "\uFB01"},         {"\U0001F680", "\U0001F680"},  {" ", " "},
                {"\u00E9", "\u00E9"},         {"\u65E5", "\u65E5"},          {"\uFFFD", "\uFFFD"},
                {"\\u{202E}", "\\u{202E}"}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        check_safe(rows[i].text, false, rows[i].shown);
        check_safe(rows[i].text, true, rows[i].shown);
    }
}

static void test_layout(void **state)
{
    (void)state;
    /* wide enough, or no terminal */
    check_layout(80, (size_t[]){10, 20, 20}, (size_t[]){10, 20, 20});
    check_layout(0, (size_t[]){10, 200, 200}, (size_t[]){10, 200, 200});
    /* the widest are cut first, to the same width */
    check_layout(80, (size_t[]){10, 20, 100}, (size_t[]){10, 20, 46});
    check_layout(80, (size_t[]){10, 100, 100}, (size_t[]){10, 33, 33});
    /* then the last one that is no key goes, and the room is given back */
    check_layout(30, (size_t[]){10, 18, 100}, (size_t[]){10, 18, 0});
    check_layout(20, (size_t[]){10, 18, 100}, (size_t[]){10, 0, 0});
    /* then keys are cut, but not to nothing */
    check_layout(20, (size_t[]){30, 18, 100}, (size_t[]){20, 0, 0});
    check_layout(4, (size_t[]){30, 18, 100}, (size_t[]){8, 0, 0});
    /* a column that was left out already stays out */
    check_layout(30, (size_t[]){10, 0, 100}, (size_t[]){10, 0, 18});
}

static void check_print(sw_grid *table, size_t width, bool color, const char *expected)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    sw_grid_print(table, out, width, color, NULL);
    fclose(out);
    assert_string_equal(text, expected);
    free(text);
}

static void test_print(void **state)
{
    (void)state;
    static const sw_grid_column columns[] = {
        {"code", false, true}, {"n", true, false}, {"name", false, false}};
    sw_grid *table = sw_grid_new(columns, 3);
    sw_grid_add(table, "a");
    sw_grid_add(table, "5");
    sw_grid_add(table, "électricité de France");
    sw_grid_add(table, "bbbbb");
    sw_grid_addf(table, "%d", 123);
    sw_grid_add(table, "x");
    assert_int_equal(sw_grid_rows(table), 2);
    check_print(table, 0, false, "code     n  name\na        5  électricité de France\nbbbbb  123  x\n");
    check_print(table, 26, false, "code     n  name\na        5  électricité d…\nbbbbb  123  x\n");
    check_print(table, 0, true,
                "\033[1mcode     n  name\033[0m\na        5  électricité de France\nbbbbb  123  x\n");
    sw_grid_destroy(&table);
    assert_null(table);
    sw_grid_destroy(&table);
}

static void test_drop_empty(void **state)
{
    (void)state;
    static const sw_grid_column columns[] = {
        {"code", false, true}, {"empty", false, false}, {"pem", false, false}, {"x", false, false}};
    sw_grid *table = sw_grid_new(columns, 4);
    sw_grid_add(table, "");
    sw_grid_add(table, "");
    sw_grid_add(table, "one\ntwo");
    sw_grid_add(table, "y");
    sw_grid_drop_empty(table);
    check_print(table, 0, false, "code  x\n      y\n");
    sw_grid_destroy(&table);
    table = sw_grid_new(columns, 4);
    sw_grid_drop_empty(table);
    check_print(table, 0, false, "code  empty  pem  x\n");
    sw_grid_destroy(&table);
}

static void test_percentile(void **state)
{
    (void)state;
    uint64_t buckets[12] = {0};
    assert_true(sw_percentile_us(buckets, 12, 0.5) == 0);
    buckets[10] = 100; /* 512 to 1024 us */
    assert_true(sw_percentile_us(buckets, 12, 0.5) == 768);
    assert_true(sw_percentile_us(buckets, 12, 1) == 1024);
    buckets[3] = 300; /* 4 to 8 us */
    assert_true(sw_percentile_us(buckets, 12, 0.5) < 8);
    assert_true(sw_percentile_us(buckets, 12, 0.99) > 512);
}

static void test_formats(void **state)
{
    (void)state;
    char text[32];
    assert_string_equal(sw_format_us(0, text, 32), "");
    assert_string_equal(sw_format_us(850, text, 32), "850 us");
    assert_string_equal(sw_format_us(1230, text, 32), "1.2 ms");
    assert_string_equal(sw_format_us(3400000, text, 32), "3.4 s");
    assert_string_equal(sw_format_bytes(512, text, 32), "512 B");
    assert_string_equal(sw_format_bytes(12 << 20, text, 32), "12.0 MiB");
    assert_string_equal(sw_format_age(59, text, 32), "59s");
    assert_string_equal(sw_format_age(12000, text, 32), "3h 20m");
    assert_string_equal(sw_format_age(-4, text, 32), "0s");
    assert_string_equal(sw_format_rate(0.25, text, 32), "0.25");
    assert_string_equal(sw_format_rate(4512.4, text, 32), "4512");
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_width),           cmocka_unit_test(test_safe),
        cmocka_unit_test(test_unseen_is_shown), cmocka_unit_test(test_layout),
        cmocka_unit_test(test_print),           cmocka_unit_test(test_drop_empty),
        cmocka_unit_test(test_percentile),      cmocka_unit_test(test_formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
