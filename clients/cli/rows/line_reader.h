/* Lines of an input file with their numbers, bounded in length. Used by the CSV reader, mapping files and
 * `sitewire import`. */
#ifndef SW_CLI_IMPORT_LINES_H
#define SW_CLI_IMPORT_LINES_H

#include <sitewire/status.h>
#include <stdint.h>
#include <stdio.h>

#define SW_LINE_MAX ((size_t)4 << 20) /* what a call may carry; a longer line is no row */

typedef struct sw_lines {
    FILE *file;
    char *buffer;
    size_t capacity;
    uint32_t number; /* of the line read last, from 1 */
    char *text;      /* the line read last, its newline included, NUL-terminated; a BOM is left out */
    size_t size;
    bool too_long; /* the line was longer than SW_LINE_MAX: text is its beginning, the rest is skipped */
} sw_lines;

/* Borrows `file`, which the caller closes after sw_lines_close. */
void sw_lines_open(sw_lines *lines, FILE *file);
void sw_lines_close(sw_lines *lines);

/* The next line: 1 with a line, 0 at the end, -1 when reading failed or memory is out (see errno). */
int sw_lines_next(sw_lines *lines);

#endif
