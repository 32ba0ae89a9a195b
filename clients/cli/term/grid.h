/* Tables for people: columns that fit the terminal, by display width; and text made safe to print. Used by
 * list, get, status and whatever prints rows. */
#ifndef SW_CLI_GRID_H
#define SW_CLI_GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct sw_grid sw_grid;

typedef struct sw_grid_column {
    const char *title; /* lent */
    bool right;        /* numbers */
    bool key;          /* shown whatever the width; shrunk last */
} sw_grid_column;

/* At most 128 columns. NULL when out of memory. `columns` are copied, titles are lent. */
sw_grid *sw_grid_new(const sw_grid_column *columns, size_t count);
void sw_grid_destroy(sw_grid **table);
/* Sets the next cell of the last row; after the last cell of a row the next one begins. Copied. */
void sw_grid_add(sw_grid *table, const char *text);
void sw_grid_addf(sw_grid *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
size_t sw_grid_rows(const sw_grid *table);
/* Leaves out columns without any text (keys excepted), and those with text of several lines. */
void sw_grid_drop_empty(sw_grid *table);

/* Prints title and rows. `width` 0: as wide as it is. Otherwise long cells are cut with an ellipsis and, if
 * that is not enough, the last columns that are no keys are left out: *hidden (or NULL) is their number. */
void sw_grid_print(const sw_grid *table, FILE *out, size_t width, bool color, size_t *hidden);

/* The widths that sw_grid_print would use, 0 for a column left out. For tests. */
void sw_grid_layout(const size_t *natural, const size_t *titles, const sw_grid_column *columns, size_t count,
                    size_t width, size_t *widths);

/* Columns of the terminal on stdout; 0 if it is none ($COLUMNS overrides). */
size_t sw_terminal_width(bool is_terminal);

/* Columns that a text takes; invalid UTF-8 counts a column a byte. */
size_t sw_text_width(const char *text);
/* Bytes of the longest beginning of `text` that takes at most `columns`. */
size_t sw_text_cut(const char *text, size_t columns);
/* `text` with control characters as escapes (\n, \t, \x1b) and invalid UTF-8 as U+FFFD: nothing that it holds
 * can drive the terminal. malloc'ed; NULL when out of memory. `keep_lines`: newlines stay. */
char *sw_text_safe(const char *text, bool keep_lines);

#endif
