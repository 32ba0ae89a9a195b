/* Tables that fit the terminal, and text made safe to print. Widths are display columns. Used by
 * every command that prints rows. */
#ifndef SW_CLI_TERM_GRID_H
#define SW_CLI_TERM_GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct sw_grid sw_grid;

typedef struct sw_grid_column {
    const char *title; /* lent */
    bool right;        /* align right: numbers */
    bool key;          /* always shown, and cut last */
} sw_grid_column;

/* At most 128 columns. NULL when out of memory. `columns` are copied, titles are lent. */
sw_grid *sw_grid_new(const sw_grid_column *columns, size_t count);
void sw_grid_destroy(sw_grid **table);
/* Sets the next cell of the last row. After the last cell of a row, the next row begins. The
 * text is copied. When out of memory, this row and all later ones are left out, and
 * sw_grid_print says so in a last line. */
void sw_grid_add(sw_grid *table, const char *text);
void sw_grid_addf(sw_grid *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
size_t sw_grid_rows(const sw_grid *table);
/* Removes columns that are empty in every row (except keys), and columns with text of several
 * lines. */
void sw_grid_drop_empty(sw_grid *table);

/* Prints the titles and the rows. `width` 0: nothing is cut. Otherwise long cells are cut with
 * an ellipsis; if that is not enough, the last columns that are not keys are left out, and
 * *hidden (may be NULL) is their number. */
void sw_grid_print(const sw_grid *table, FILE *out, size_t width, bool color, size_t *hidden);

/* The widths that sw_grid_print would use; 0 for a column that is left out. For tests. */
void sw_grid_layout(const size_t *natural, const size_t *titles, const sw_grid_column *columns, size_t count,
                    size_t width, size_t *widths);

/* Columns of the terminal on stdout ($COLUMNS if the terminal does not report a size); 0 if
 * `is_terminal` is false. */
size_t sw_terminal_width(bool is_terminal);

/* Display columns of a text. Each byte of invalid UTF-8 counts as one. */
size_t sw_text_width(const char *text);
/* Length in bytes of the longest prefix of `text` that fits in `columns`. */
size_t sw_text_cut(const char *text, size_t columns);
/* Makes text harmless for people who decide by what they see: control characters become escapes
 * (\n, \t, \x1b), everything else that is invisible or reorders text becomes \u{202E}, and invalid
 * UTF-8 becomes U+FFFD. Escaped text stays as it is if it is escaped again. `keep_lines`: newlines
 * stay. malloc'ed; NULL when out of memory. */
char *sw_text_safe(const char *text, bool keep_lines);
/* Prints the text made safe, on one line. */
void sw_text_print(FILE *out, const char *text);

#endif
