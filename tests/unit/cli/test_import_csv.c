/* CSV as RFC 4180 has it, and as the world has it: line numbers, broken rows, bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/rows/csv.h"
#include "cli/schema/csv_cell.h"
#include <stdlib.h>
#include <string.h>

/* Rows as text: `LINE:cell|cell` or `LINE!fault`, joined with newlines. */
static char *rows_of(const char *text, size_t size, char delimiter)
{
    FILE *in = fmemopen((void *)(uintptr_t)text, size, "r");
    char *out_text = NULL;
    size_t out_size;
    FILE *out = open_memstream(&out_text, &out_size);
    sw_csv *csv = sw_csv_new(in, delimiter);
    sw_csv_row row;
    while (sw_csv_next(csv, &row) > 0) {
        fprintf(out, "%u%s", row.line, row.fault ? "!" : ":");
        for (size_t i = 0; i < row.count && row.fault == NULL; i++)
            fprintf(out, "%s%s", i ? "|" : "", row.cells[i]);
        if (row.fault != NULL)
            fputs(strstr(row.fault, "quote") ? "quote" : strstr(row.fault, "NUL") ? "NUL" : row.fault, out);
        fputc('\n', out);
    }
    sw_csv_destroy(&csv);
    fclose(in);
    fclose(out);
    return out_text;
}

static void expect_text(const char *text, size_t size, const char *expected)
{
    char *rows = rows_of(text, size, ',');
    assert_string_equal(rows, expected);
    free(rows);
}

#define EXPECT(text, expected) expect_text(text, sizeof(text) - 1, expected)

static void test_plain(void **state)
{
    (void)state;
    EXPECT("a,b\n1,2\n", "1:a|b\n2:1|2\n");
    EXPECT("a,b\r\n1,2\r\n", "1:a|b\n2:1|2\n");
    EXPECT("a,b\n1,2", "1:a|b\n2:1|2\n");
    EXPECT("a\n\n\r\nb\n", "1:a\n4:b\n");
    EXPECT("a,,\n", "1:a||\n");
    EXPECT(",", "1:|\n");
    EXPECT(" a , b\n", "1: a | b\n");
    EXPECT("\xEF\xBB\xBF"
           "a,b\n",
           "1:a|b\n");
    EXPECT("\n", "");
}

static void test_quotes(void **state)
{
    (void)state;
    EXPECT("\"a,b\",c\n", "1:a,b|c\n");
    EXPECT("\"say \"\"hi\"\"\",c\n", "1:say \"hi\"|c\n");
    EXPECT("\"two\nlines\",x\ny,z\n", "1:two\nlines|x\n3:y|z\n");
    EXPECT("\"two\r\n\r\nlines\",x\r\ny,z\r\n", "1:two\r\n\r\nlines|x\n4:y|z\n");
    EXPECT("\"[\"\"\\\"\"password\\\"\"\"\"]\",TRUE\n", "1:[\"\\\"password\\\"\"]|TRUE\n");
}

static void test_broken_rows_do_not_stop(void **state)
{
    (void)state;
    EXPECT("a,b\nx\"y,1\nc,d\n", "1:a|b\n2!quote\n3:c|d\n");
    EXPECT("a,b\n\"x\"y,1\nc,d\n", "1:a|b\n2!quote\n3:c|d\n");
    EXPECT("a,b\n1,\"never closed\nc,d\n", "1:a|b\n2!quote\n");
    expect_text("a\0b,c\nd,e\n", 10, "1!NUL\n2:d|e\n");
    EXPECT("a,b\rc,d\n", "1!a carriage return inside a line; end rows with a newline\n");
}

static void test_bounds(void **state)
{
    (void)state;
    size_t size = SW_LINE_READER_MAX + 100;
    char *text = malloc(size + 5);
    memset(text, 'x', size);
    memcpy(text + size, "\na,b\n", 5);
    char *rows = rows_of(text, size + 5, ',');
    assert_non_null(strstr(rows, "1!quote"));
    assert_non_null(strstr(rows, "2:a|b"));
    free(rows);
    memset(text, ',', SW_CSV_CELLS_MAX + 10);
    text[SW_CSV_CELLS_MAX + 10] = '\n';
    rows = rows_of(text, SW_CSV_CELLS_MAX + 11, ',');
    assert_non_null(strstr(rows, "more than 4096 cells"));
    free(rows);
    free(text);
}

static void test_delimiter(void **state)
{
    (void)state;
    char *rows = rows_of("a;b,c\td\n", 8, ';');
    assert_string_equal(rows, "1:a|b,c\td\n");
    free(rows);
    rows = rows_of("a\tb\n", 4, '\t');
    assert_string_equal(rows, "1:a|b\n");
    free(rows);
}

static void test_written_cells_read_back(void **state)
{
    (void)state;
    static const char *const cells[] = {"plain", "", "a,b", "say \"hi\"", "two\nlines", " space ", "\r", ";"};
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        if (i > 0)
            fputc(',', out);
        sw_csv_write(out, cells[i], strlen(cells[i]), ',');
    }
    fclose(out);
    FILE *in = fmemopen(text, size, "r");
    sw_csv *csv = sw_csv_new(in, ',');
    sw_csv_row row;
    assert_int_equal(sw_csv_next(csv, &row), 1);
    assert_null(row.fault);
    assert_int_equal(row.count, sizeof cells / sizeof *cells);
    for (size_t i = 0; i < row.count; i++)
        assert_string_equal(row.cells[i], cells[i]);
    sw_csv_destroy(&csv);
    fclose(in);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_broken_rows_do_not_stop),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_delimiter),
        cmocka_unit_test(test_written_cells_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
