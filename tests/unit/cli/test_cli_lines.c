/* Output of commands as harmless lines: escape sequences, carriage returns, long lines, chunks that
 * cut anything anywhere. */
#include "cli/term/lines.h"
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char shown[3 * SW_LINE_MAX];

static void show(const char *line, void *context)
{
    (void)context;
    strcat(shown, line);
    strcat(shown, "|");
}

/* Whole, and a byte at a time. */
static void check(const char *bytes, size_t size, const char *expected)
{
    for (size_t step = size > 0 ? size : 1; step > 0; step = step > 1 ? 1 : 0) {
        sw_lines lines = {.fn = show};
        *shown = '\0';
        for (size_t at = 0; at < size; at += step)
            sw_lines_feed(&lines, (const uint8_t *)bytes + at, step);
        sw_lines_flush(&lines);
        assert_string_equal(shown, expected);
    }
}

#define CHECK(bytes, expected) check(bytes, sizeof(bytes) - 1, expected)

static void test_text(void **state)
{
    (void)state;
    CHECK("", "");
    CHECK("\n", "|");
    CHECK("one\ntwo", "one|two|");
    CHECK("é日\n", "é日|");
    CHECK("a\tb\n\tc\n", "a       b|        c|");
    CHECK("a\0b\n", "a\\x00b|");
    CHECK("\xff\xc3\n", "\xEF\xBF\xBD\xEF\xBF\xBD|");
    CHECK("\xc2\x9b"
          "2J\b\a\n",
          "\\u{9B}2J\\x08\\x07|"); /* C1 controls, backspace, bell */
    CHECK("a\u202Eb\n", "a\\u{202E}b|");
}

static void test_returns(void **state)
{
    (void)state;
    CHECK("one\r\ntwo\r\n", "one|two|");
    CHECK("10%\r20%\r100%\n", "100%|");
    CHECK("10%\r20%\r", "20%|");
    CHECK("\r\r\n", "|");
}

static void test_escapes(void **state)
{
    (void)state;
    CHECK("\x1b[1;31mred\x1b[0m\n", "red|");
    CHECK("\x1b[2J\x1b[H\x1b[?25lx\n", "x|");
    CHECK("\x1b]0;title\ax\x1b]8;;http://x\x1b\\y\n", "xy|");
    CHECK("\x1bP1$r0m\x1b\\x\x1b_apc\x1b\\y\n", "xy|");
    CHECK("\x1b(Bx\x1b=y\x1b"
          "7z\n",
          "xyz|");
    CHECK("\x1b\x1b[mx\n", "x|");
    CHECK("\x1b]no end\nx\n", "|x|"); /* a string that does not end takes its line only */
    CHECK("x\x1b", "x|");
    CHECK("a\x1b[12\nb\n", "a|b|");
}

static void test_long(void **state)
{
    (void)state;
    char *bytes = malloc(2 * SW_LINE_MAX), *expected = calloc(1, 2 * SW_LINE_MAX + 8);
    memset(bytes, 'x', 2 * SW_LINE_MAX);
    memcpy(expected, bytes, SW_LINE_MAX);
    strcat(expected, "|");
    memset(expected + SW_LINE_MAX + 1, 'x', 100);
    strcat(expected, "|");
    check(bytes, SW_LINE_MAX + 100, expected);
    /* A character on the seam goes on in the next line. */
    memcpy(bytes + SW_LINE_MAX - 1, "日", 3);
    memset(expected, '\0', 2 * SW_LINE_MAX + 8);
    memset(expected, 'x', SW_LINE_MAX - 1);
    strcat(expected, "|日x|");
    check(bytes, SW_LINE_MAX + 3, expected);
    free(bytes);
    free(expected);
}

static void test_pair(void **state)
{
    (void)state;
    sw_line_pair pair;
    *shown = '\0';
    sw_line_pair_init(&pair, show, NULL);
    sw_line_pair_feed(&pair, "stdout", (const uint8_t *)"out", 3);
    sw_line_pair_feed(&pair, "stderr", (const uint8_t *)"err\n", 4);
    sw_line_pair_feed(&pair, NULL, (const uint8_t *)"put\n", 4);
    sw_line_pair_feed(&pair, "stderr", (const uint8_t *)"more", 4);
    sw_line_pair_flush(&pair);
    assert_string_equal(shown, "err|output|more|");
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text), cmocka_unit_test(test_returns), cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_long), cmocka_unit_test(test_pair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
