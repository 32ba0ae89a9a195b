/* Output of commands as lines that are harmless on a terminal: what would drive it is left out or shown as an escape, and where
 * a line was written over, its last state is shown. Used by the live view, and by logs on a terminal. */
#ifndef SW_CLI_LINES_H
#define SW_CLI_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SW_LINE_MAX 4096 /* bytes; a longer line is cut into several */

typedef void sw_line_fn(const char *line, void *context);

/* One stream of output. Start from zeros, with fn and context. */
typedef struct sw_lines {
    sw_line_fn *fn; /* called with each line, without its end */
    void *context;
    int state;     /* where it is in an escape sequence */
    bool returned; /* a carriage return was the last byte */
    size_t used;
    char text[SW_LINE_MAX + 8];
} sw_lines;

void sw_lines_feed(sw_lines *lines, const uint8_t *bytes, size_t size);
/* What has no end yet. */
void sw_lines_flush(sw_lines *lines);

/* Both streams of a command, each with lines of its own. */
typedef struct sw_line_pair {
    sw_lines out, err;
} sw_line_pair;

void sw_line_pair_init(sw_line_pair *pair, sw_line_fn *fn, void *context);
/* `stream`: stdout or stderr. */
void sw_line_pair_feed(sw_line_pair *pair, const char *stream, const uint8_t *bytes, size_t size);
void sw_line_pair_flush(sw_line_pair *pair);

#endif
