/* Reads lines with getc_unlocked, in one pass; memory is bounded by the longest allowed line. */
#include "cli/rows/line_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void sw_line_reader_open(sw_line_reader *lines, FILE *file)
{
    *lines = (sw_line_reader){.file = file};
}

void sw_line_reader_close(sw_line_reader *lines)
{
    free(lines->buffer);
    *lines = (sw_line_reader){0};
}

static bool grow(sw_line_reader *lines)
{
    size_t capacity = lines->capacity ? lines->capacity * 2 : 4096;
    char *buffer = realloc(lines->buffer, capacity);
    if (buffer == NULL)
        return false;
    lines->buffer = buffer;
    lines->capacity = capacity;
    return true;
}

int sw_line_reader_next(sw_line_reader *lines)
{
    size_t size = 0;
    int c = EOF;
    lines->too_long = false;
    while ((c = getc_unlocked(lines->file)) != EOF) {
        if (size + 1 >= lines->capacity && !grow(lines))
            return -1;
        if (size < SW_LINE_READER_MAX)
            lines->buffer[size++] = (char)c;
        else
            lines->too_long = c != '\n' || lines->too_long;
        if (c == '\n')
            break;
    }
    if (c == EOF && ferror(lines->file))
        return -1;
    if (size == 0)
        return 0;
    lines->buffer[size] = '\0';
    lines->number++;
    lines->text = lines->buffer;
    lines->size = size;
    if (lines->number == 1 && size >= 3 && memcmp(lines->buffer, "\xEF\xBB\xBF", 3) == 0) {
        lines->text += 3;
        lines->size -= 3;
    }
    return 1;
}
