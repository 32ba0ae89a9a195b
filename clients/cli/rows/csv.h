/* Rows of a CSV file (RFC 4180) with the line that each begins on: libcsv in strict mode, fed line by line,
 * so that a broken row is reported and the next one read. Used by `sitewire import`. */
#ifndef SW_CLI_IMPORT_CSV_H
#define SW_CLI_IMPORT_CSV_H

#include "cli/rows/line_reader.h"

#define SW_CSV_CELLS_MAX 4096

typedef struct sw_csv sw_csv;

typedef struct sw_csv_row {
    uint32_t line;      /* it begins on */
    size_t count;       /* of cells */
    const char **cells; /* NUL-terminated */
    const char *raw;    /* its text as it stands in the file, without the last newline */
    size_t raw_size;
    const char *fault; /* why it is no row, or NULL; its cells are then not to be used */
} sw_csv_row;

/* Borrows `file`. NULL when out of memory. */
sw_csv *sw_csv_new(FILE *file, char delimiter);
void sw_csv_destroy(sw_csv **csv);

/* The next row, valid until the next call: 1 with a row (look at its fault), 0 at the end, -1 when reading
 * failed or memory is out (see errno). Empty lines are no rows. */
int sw_csv_next(sw_csv *csv, sw_csv_row *row);

/* Writes one cell, in quotes only if it needs them. */
void sw_csv_write(FILE *file, const char *text, size_t size, char delimiter);

#endif
