/* libcsv pushes cells to callbacks; this turns them into rows that the caller pulls. */
#include "cli/rows/csv.h"

#include <csv.h>
#include <stdlib.h>
#include <string.h>

struct sw_csv {
    struct csv_parser parser;
    sw_line_reader lines;
    char delimiter;
    /* The cells of the row being read, each with a NUL at its end, and where they begin. */
    char *text;
    size_t text_size, text_capacity;
    size_t *starts, count, starts_capacity;
    const char **cells;
    char *raw;
    size_t raw_size, raw_capacity;
    uint32_t line;
    bool open;  /* a row has begun */
    bool ended; /* the row is complete */
    bool end_of_file, no_memory;
    const char *fault;
};

/* RFC 4180, 2.4: spaces are part of a cell. */
static int no_space(unsigned char c)
{
    (void)c;
    return 0;
}

static bool reset(sw_csv *csv)
{
    csv_free(&csv->parser);
    if (csv_init(&csv->parser, CSV_STRICT | CSV_STRICT_FINI) != 0)
        return false;
    csv_set_delim(&csv->parser, (unsigned char)csv->delimiter);
    csv_set_space_func(&csv->parser, no_space);
    return true;
}

sw_csv *sw_csv_new(FILE *file, char delimiter)
{
    sw_csv *csv = calloc(1, sizeof *csv);
    if (csv == NULL)
        return NULL;
    csv->delimiter = delimiter;
    sw_line_reader_open(&csv->lines, file);
    if (!reset(csv))
        sw_csv_destroy(&csv);
    return csv;
}

void sw_csv_destroy(sw_csv **csv)
{
    if (*csv == NULL)
        return;
    csv_free(&(*csv)->parser);
    sw_line_reader_close(&(*csv)->lines);
    free((*csv)->text);
    free((*csv)->starts);
    free((*csv)->cells);
    free((*csv)->raw);
    free(*csv);
    *csv = NULL;
}

static bool append(char **text, size_t *size, size_t *capacity, const void *more, size_t more_size)
{
    if (more_size == 0)
        return true;
    if (*capacity - *size < more_size) {
        size_t wanted = *capacity ? *capacity : 1024;
        while (wanted - *size < more_size)
            wanted *= 2;
        char *grown = realloc(*text, wanted);
        if (grown == NULL)
            return false;
        *text = grown;
        *capacity = wanted;
    }
    memcpy(*text + *size, more, more_size);
    *size += more_size;
    return true;
}

static void on_cell(void *cell, size_t size, void *context)
{
    sw_csv *csv = context;
    if (csv->ended) /* a second row in the same line: a lone CR also ends a row */
        return;
    if (csv->count == SW_CSV_CELLS_MAX) {
        csv->fault = "more than 4096 cells";
        return;
    }
    if (size > 0 && memchr(cell, '\0', size) != NULL)
        csv->fault = "a cell contains a NUL byte";
    if (csv->count == csv->starts_capacity) {
        size_t wanted = csv->starts_capacity ? csv->starts_capacity * 2 : 64;
        size_t *starts = reallocarray(csv->starts, wanted, sizeof *starts);
        if (starts != NULL)
            csv->starts = starts;
        const char **cells = reallocarray(csv->cells, wanted, sizeof *cells);
        if (cells != NULL)
            csv->cells = cells;
        if (starts == NULL || cells == NULL) {
            csv->no_memory = true;
            return;
        }
        csv->starts_capacity = wanted;
    }
    csv->starts[csv->count] = csv->text_size;
    if (!append(&csv->text, &csv->text_size, &csv->text_capacity, cell, size) ||
        !append(&csv->text, &csv->text_size, &csv->text_capacity, "", 1)) {
        csv->no_memory = true;
        return;
    }
    csv->count++;
}

static void on_row(int terminator, void *context)
{
    sw_csv *csv = context;
    (void)terminator;
    if (csv->ended)
        csv->fault = "a carriage return inside a line; end rows with a newline";
    csv->ended = true;
}

static bool blank(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] != '\r' && text[i] != '\n')
            return false;
    return true;
}

/* Feeds one line. False when out of memory. */
static bool feed(sw_csv *csv)
{
    const sw_line_reader *lines = &csv->lines;
    if (!csv->open && blank(lines->text, lines->size))
        return true;
    if (!csv->open)
        csv->line = lines->number;
    csv->open = true;
    if (csv->raw_size + lines->size > SW_LINE_READER_MAX || lines->too_long)
        csv->fault = "longer than 4 MiB; is a closing quote missing?";
    else if (!append(&csv->raw, &csv->raw_size, &csv->raw_capacity, lines->text, lines->size))
        return false;
    if (csv->fault == NULL &&
        csv_parse(&csv->parser, lines->text, lines->size, on_cell, on_row, csv) != lines->size) {
        if (csv_error(&csv->parser) == CSV_ENOMEM)
            return false;
        csv->fault = "a quote in the wrong place: put the cell in quotes and double each quote in it";
    }
    if (csv->fault != NULL) {
        csv->ended = true;
        return reset(csv);
    }
    return !csv->no_memory;
}

static bool finish(sw_csv *csv)
{
    csv->end_of_file = true;
    if (!csv->open)
        return true;
    if (csv_fini(&csv->parser, on_cell, on_row, csv) != 0)
        csv->fault = "a quote that is opened here is never closed";
    csv->ended = true;
    return !csv->no_memory;
}

int sw_csv_next(sw_csv *csv, sw_csv_row *row)
{
    csv->text_size = csv->count = csv->raw_size = 0;
    csv->open = csv->ended = false;
    csv->fault = NULL;
    while (!csv->ended && !csv->end_of_file) {
        int got = sw_line_reader_next(&csv->lines);
        if (got < 0 || (got > 0 ? !feed(csv) : !finish(csv)))
            return -1;
    }
    if (!csv->open)
        return 0;
    for (size_t i = 0; i < csv->count; i++)
        csv->cells[i] = csv->text + csv->starts[i];
    while (csv->raw_size > 0 && blank(csv->raw + csv->raw_size - 1, 1))
        csv->raw_size--;
    *row = (sw_csv_row){.line = csv->line,
                        .count = csv->count,
                        .cells = csv->cells,
                        .raw = csv->raw,
                        .raw_size = csv->raw_size,
                        .fault = csv->fault};
    return 1;
}
