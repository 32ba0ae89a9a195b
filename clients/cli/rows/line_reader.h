/* Lines of an input file with their numbers, bounded in length. Used by the CSV reader, mapping files and
 * `sitewire import`. */
#ifndef SW_CLI_IMPORT_LINES_H
#define SW_CLI_IMPORT_LINES_H

#include <sitewire/status.h>
#include <stdint.h>
#include <stdio.h>

#define SW_LINE_READER_MAX ((size_t)4 << 20) /* what a call may carry; a longer line is no row */

typedef struct sw_line_reader {
    FILE *file;
    char *buffer;
    size_t capacity;
    uint32_t number; /* of the line read last, from 1 */
    char *text;      /* the line read last, its newline included, NUL-terminated; a BOM is left out */
    size_t size;
    bool
        too_long; /* the line was longer than SW_LINE_READER_MAX: text is its beginning, the rest is skipped */
} sw_line_reader;

/* Borrows `file`, which the caller closes after sw_line_reader_close. */
void sw_line_reader_open(sw_line_reader *lines, FILE *file);
void sw_line_reader_close(sw_line_reader *lines);

/* The next line: 1 with a line, 0 at the end, -1 when reading failed or memory is out (see errno). */
int sw_line_reader_next(sw_line_reader *lines);

#endif
