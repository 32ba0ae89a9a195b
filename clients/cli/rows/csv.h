/* Reads rows of a CSV file (RFC 4180), each with the number of its first line. libcsv runs in
 * strict mode and is fed line by line, so that after a bad row the next one can be read. Used by
 * import; export uses the writer. */
#ifndef SW_CLI_ROWS_CSV_H
#define SW_CLI_ROWS_CSV_H

#include "cli/rows/line_reader.h"

#define SW_CSV_CELLS_MAX 4096

typedef struct sw_csv sw_csv;

typedef struct sw_csv_row {
    uint32_t line;      /* number of its first line */
    size_t count;       /* number of cells */
    const char **cells; /* NUL-terminated */
    const char *raw;    /* its text in the file, without the last newline */
    size_t raw_size;
    const char *fault; /* what is wrong with the row, or NULL; if set, the cells are not valid */
} sw_csv_row;

/* Borrows `file`. NULL when out of memory. */
sw_csv *sw_csv_new(FILE *file, char delimiter);
void sw_csv_destroy(sw_csv **csv);

/* The next row, valid until the next call. Returns 1 with a row (check its fault), 0 at the end,
 * -1 if reading failed or memory is exhausted (see errno). Empty lines are skipped. */
int sw_csv_next(sw_csv *csv, sw_csv_row *row);

#endif
