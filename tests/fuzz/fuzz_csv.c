/* CSV of any bytes: every row is within the bounds, and what is written from a good one reads back
 * the same. */
#include "cli/rows/csv.h"
#include "cli/schema/csv_cell.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const sw_csv_row *row, char delimiter)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    for (size_t i = 0; i < row->count; i++) {
        if (i > 0)
            fputc(delimiter, out);
        sw_csv_write(out, row->cells[i], strlen(row->cells[i]), delimiter);
    }
    fclose(out);
    FILE *in = fmemopen(text, size, "r");
    sw_csv *csv = in != NULL ? sw_csv_new(in, delimiter) : NULL;
    sw_csv_row again;
    if (csv != NULL && sw_csv_next(csv, &again) == 1) {
        if (again.fault != NULL || again.count != row->count)
            abort();
        for (size_t i = 0; i < row->count; i++)
            if (strcmp(again.cells[i], row->cells[i]) != 0)
                abort();
    }
    sw_csv_destroy(&csv);
    if (in != NULL)
        fclose(in);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    char delimiter = ",;\t"[data[0] % 3];
    FILE *in = fmemopen((void *)(uintptr_t)(data + 1), size - 1, "r");
    sw_csv *csv = in != NULL ? sw_csv_new(in, delimiter) : NULL;
    sw_csv_row row;
    uint32_t line = 0;
    while (csv != NULL && sw_csv_next(csv, &row) == 1) {
        if (row.line <= line || row.count > SW_CSV_CELLS_MAX || row.raw_size > SW_LINE_READER_MAX)
            abort();
        line = row.line;
        bool mark = row.count > 0 && memcmp(row.cells[0], "\xEF\xBB\xBF", strnlen(row.cells[0], 3)) == 0;
        if (row.fault == NULL && !mark) /* a mark at the start of a text is no part of it */
            check_round_trip(&row, delimiter);
    }
    sw_csv_destroy(&csv);
    if (in != NULL)
        fclose(in);
    return 0;
}
