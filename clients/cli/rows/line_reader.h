/* Reads numbered lines of bounded length from a file. Used by the CSV reader, mapping files and
 * import. */
#ifndef SW_CLI_ROWS_LINE_READER_H
#define SW_CLI_ROWS_LINE_READER_H

#include <sitewire/status.h>
#include <stdint.h>
#include <stdio.h>

#define SW_LINE_READER_MAX ((size_t)4 << 20) /* more than one call may carry */

typedef struct sw_line_reader {
    FILE *file;
    char *buffer;
    size_t capacity;
    uint32_t number; /* of the last line, from 1 */
    char *text;      /* the last line with its newline and a NUL; a BOM is removed */
    size_t size;
    bool too_long; /* text is the beginning of the line; the rest was skipped */
} sw_line_reader;

/* Borrows `file`; the caller closes it after sw_line_reader_close. */
void sw_line_reader_open(sw_line_reader *lines, FILE *file);
void sw_line_reader_close(sw_line_reader *lines);

/* Reads the next line. Returns 1 with a line, 0 at the end, -1 if reading failed or memory is
 * exhausted (see errno). */
int sw_line_reader_next(sw_line_reader *lines);

#endif
