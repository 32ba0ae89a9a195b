/* Tables: see grid.h. */
#include "cli/term/grid.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 128
#define GAP         2
#define CELL_LEAST  12 /* columns other than keys are not cut below this width but left out */
#define KEY_LEAST   8

struct sw_grid {
    size_t columns, cells, room;
    bool failed; /* out of memory: what is added from then on is left out */
    sw_grid_column *column;
    bool *dropped;
    char **cell;
};

sw_grid *sw_grid_new(const sw_grid_column *columns, size_t count)
{
    sw_grid *table = count <= COLUMNS_MAX ? calloc(1, sizeof(*table)) : NULL;
    if (table == NULL)
        return NULL;
    table->columns = count;
    table->column = calloc(count + 1, sizeof(*table->column));
    table->dropped = calloc(count + 1, sizeof(*table->dropped));
    if (table->column == NULL || table->dropped == NULL) {
        sw_grid_destroy(&table);
        return NULL;
    }
    memcpy(table->column, columns, count * sizeof(*columns));
    return table;
}

void sw_grid_destroy(sw_grid **table)
{
    sw_grid *t = *table;
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->cells; i++)
        free(t->cell[i]);
    free(t->cell);
    free(t->column);
    free(t->dropped);
    free(t);
    *table = NULL;
}

static bool grow(sw_grid *table)
{
    size_t room = table->room > 0 ? table->room * 2 : 64;
    char **grown = realloc(table->cell, room * sizeof(*grown));
    if (grown == NULL)
        return false;
    table->cell = grown;
    table->room = room;
    return true;
}

void sw_grid_add(sw_grid *table, const char *text)
{
    table->failed = table->failed || (table->cells == table->room && !grow(table));
    char *safe = table->failed ? NULL : sw_text_safe(text, false);
    if (safe == NULL)
        table->failed = true;
    else
        table->cell[table->cells++] = safe;
}

void sw_grid_addf(sw_grid *table, const char *format, ...)
{
    char text[512];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    sw_grid_add(table, text);
}

size_t sw_grid_rows(const sw_grid *table)
{
    return table->columns > 0 ? table->cells / table->columns : 0;
}

static const char *cell(const sw_grid *table, size_t row, size_t column)
{
    return table->cell[row * table->columns + column];
}

void sw_grid_drop_empty(sw_grid *table)
{
    size_t rows = sw_grid_rows(table);
    for (size_t c = 0; c < table->columns; c++) {
        bool empty = true, lines = false;
        for (size_t r = 0; r < rows; r++) {
            const char *text = cell(table, r, c);
            empty = empty && *text == '\0';
            lines = lines || strstr(text, "\\n") != NULL;
        }
        table->dropped[c] = !table->column[c].key && ((empty && rows > 0) || lines);
    }
}

static size_t least(const sw_grid_column *column, size_t natural, size_t title)
{
    size_t floor = column->key ? KEY_LEAST : CELL_LEAST;
    floor = floor < title ? title : floor;
    return natural < floor ? natural : floor;
}

/* Cuts the widest columns of one kind to a common width to save `excess` columns. Returns what
 * could not be saved. */
static size_t shrink(const size_t *titles, const sw_grid_column *columns, size_t count, bool keys,
                     size_t excess, size_t *widths)
{
    while (excess > 0) {
        size_t widest = count;
        for (size_t i = 0; i < count; i++)
            if (widths[i] > 0 && columns[i].key == keys &&
                widths[i] > least(&columns[i], widths[i], titles[i]) &&
                (widest == count || widths[i] > widths[widest]))
                widest = i;
        if (widest == count)
            break;
        widths[widest]--;
        excess--;
    }
    return excess;
}

static size_t total(const size_t *widths, size_t count)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += widths[i] > 0 ? widths[i] + GAP : 0;
    return sum > GAP ? sum - GAP : 0;
}

void sw_grid_layout(const size_t *natural, const size_t *titles, const sw_grid_column *columns, size_t count,
                    size_t width, size_t *widths)
{
    for (size_t i = 0; i < count; i++)
        widths[i] = natural[i];
    size_t kept = count;
    while (width > 0 && total(widths, count) > width) {
        size_t excess = total(widths, count) - width;
        if (shrink(titles, columns, count, false, excess, widths) == 0)
            return;
        while (kept > 0 && (columns[kept - 1].key || widths[kept - 1] == 0))
            kept--;
        if (kept == 0) {
            shrink(titles, columns, count, true, total(widths, count) - width, widths);
            return;
        }
        widths[--kept] = 0;
        /* Columns that were cut to make room for one that is now left out may be wide again. */
        for (size_t i = 0; i < kept; i++)
            widths[i] = natural[i];
    }
}

static void print_cell(FILE *out, const char *text, size_t width, bool right, bool last)
{
    size_t wide = sw_text_width(text), bytes = strlen(text);
    bool cut = wide > width;
    if (cut) {
        bytes = sw_text_cut(text, width > 0 ? width - 1 : 0);
        char start[bytes + 1];
        memcpy(start, text, bytes);
        start[bytes] = '\0';
        wide = sw_text_width(start) + 1;
    }
    size_t pad = width > wide ? width - wide : 0;
    fprintf(out, "%*s%.*s%s%*s", right ? (int)pad : 0, "", (int)bytes, text, cut ? "…" : "",
            right || last ? 0 : (int)pad, "");
}

void sw_grid_print(const sw_grid *table, FILE *out, size_t width, bool color, size_t *hidden)
{
    size_t count = table->columns, rows = sw_grid_rows(table), left_out = 0, last = 0;
    size_t natural[COLUMNS_MAX] = {0}, titles[COLUMNS_MAX] = {0}, widths[COLUMNS_MAX] = {0};
    for (size_t c = 0; c < count; c++) {
        titles[c] = sw_text_width(table->column[c].title);
        natural[c] = titles[c];
        for (size_t r = 0; r < rows; r++) {
            size_t wide = sw_text_width(cell(table, r, c));
            natural[c] = wide > natural[c] ? wide : natural[c];
        }
        if (table->dropped[c])
            natural[c] = 0;
    }
    sw_grid_layout(natural, titles, table->column, count, width, widths);
    for (size_t c = 0; c < count; c++) {
        left_out += natural[c] > 0 && widths[c] == 0;
        last = widths[c] > 0 ? c : last;
    }
    if (hidden != NULL)
        *hidden = left_out;
    for (size_t r = 0; r <= rows; r++) {
        bool first = true;
        if (r == 0 && color)
            fputs("\033[1m", out);
        for (size_t c = 0; c < count; c++) {
            if (widths[c] == 0)
                continue;
            fprintf(out, "%*s", first ? 0 : GAP, "");
            print_cell(out, r == 0 ? table->column[c].title : cell(table, r - 1, c), widths[c],
                       table->column[c].right, c == last);
            first = false;
        }
        fputs(r == 0 && color ? "\033[0m\n" : "\n", out);
    }
    if (table->failed)
        fputs("(out of memory: rows are missing here)\n", out);
}
