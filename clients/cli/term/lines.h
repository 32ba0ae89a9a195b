/* Output of commands as lines that are safe to show on a terminal: escape sequences are removed,
 * other control characters are shown as escapes, and of a line that was overwritten only its
 * last state is shown. Used by the live view and by logs. */
#ifndef SW_CLI_TERM_LINES_H
#define SW_CLI_TERM_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SW_LINE_MAX 4096 /* bytes; a longer line is split */

typedef void sw_line_fn(const char *line, void *context);

/* One stream of output. Set fn and context; everything else starts as zero. */
typedef struct sw_lines {
    sw_line_fn *fn; /* called with each line, without its newline */
    void *context;
    int state;     /* of the parser of escape sequences */
    bool returned; /* the last byte was a carriage return */
    size_t used;
    char text[SW_LINE_MAX + 8];
} sw_lines;

void sw_lines_feed(sw_lines *lines, const uint8_t *bytes, size_t size);
/* Passes on a last line that has no newline. */
void sw_lines_flush(sw_lines *lines);

/* Both streams of a command, each split into lines of its own. */
typedef struct sw_line_pair {
    sw_lines out, err;
} sw_line_pair;

void sw_line_pair_init(sw_line_pair *pair, sw_line_fn *fn, void *context);
/* `stream`: "stdout" or "stderr". */
void sw_line_pair_feed(sw_line_pair *pair, const char *stream, const uint8_t *bytes, size_t size);
void sw_line_pair_flush(sw_line_pair *pair);

#endif
