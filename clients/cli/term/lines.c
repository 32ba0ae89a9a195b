/* Output as harmless lines: see lines.h. */
#include "cli/term/lines.h"
#include "cli/term/grid.h"
#include <stdlib.h>
#include <string.h>

#define ESCAPE 0x1B
#define TAB    8

/* The state of the parser of ECMA-48 escape sequences: in plain text, after ESC, in a control
 * sequence, in a string that BEL or ESC \ ends, after the ESC in such a string. */
enum { IN_TEXT, AFTER_ESCAPE, IN_CONTROL, IN_STRING, IN_STRING_ESCAPE };

static void end_line(sw_lines *lines)
{
    lines->text[lines->used] = '\0';
    char *safe = sw_text_safe(lines->text, false);
    if (safe != NULL)
        lines->fn(safe, lines->context);
    free(safe);
    lines->used = 0;
    lines->returned = false;
}

void sw_lines_flush(sw_lines *lines)
{
    if (lines->used > 0)
        end_line(lines);
    lines->returned = false;
    lines->state = IN_TEXT;
}

/* Splits a line that is too long, but never within a character. */
static void cut_line(sw_lines *lines)
{
    char rest[4];
    size_t length = 0, used = lines->used;
    while (length < sizeof(rest) && used > 0 && ((unsigned char)lines->text[used - 1] & 0xC0) == 0x80 &&
           length + 1 < sizeof(rest)) {
        used--;
        length++;
    }
    if (used > 0 && ((unsigned char)lines->text[used - 1] & 0xC0) == 0xC0) {
        used--;
        length++;
    } else { /* the last character is complete, or there is none */
        used += length;
        length = 0;
    }
    memcpy(rest, lines->text + used, length);
    lines->used = used;
    end_line(lines);
    memcpy(lines->text, rest, length);
    lines->used = length;
}

static void add(sw_lines *lines, char byte)
{
    if (lines->returned) { /* text after a carriage return overwrites the line */
        lines->used = 0;
        lines->returned = false;
    }
    if (lines->used >= SW_LINE_MAX)
        cut_line(lines);
    lines->text[lines->used++] = byte;
}

static void text_byte(sw_lines *lines, uint8_t byte)
{
    if (byte == '\n') {
        end_line(lines);
    } else if (byte == '\r') {
        lines->returned = true;
    } else if (byte == '\t') {
        do
            add(lines, ' ');
        while (lines->used % TAB != 0);
    } else if (byte == ESCAPE) {
        lines->state = AFTER_ESCAPE;
    } else if (byte == '\0') {
        for (const char *p = "\\x00"; *p != '\0'; p++)
            add(lines, *p);
    } else {
        add(lines, (char)byte);
    }
}

static void escape_byte(sw_lines *lines, uint8_t byte)
{
    if (byte == ESCAPE && lines->state != IN_STRING) {
        lines->state = AFTER_ESCAPE;
        return;
    }
    switch (lines->state) {
    case AFTER_ESCAPE:
        if (byte == '[')
            lines->state = IN_CONTROL;
        else if (strchr("]PX^_", byte) != NULL && byte != '\0')
            lines->state = IN_STRING;
        else if (byte < 0x20 || byte > 0x2F) /* not an intermediate byte: it ends the sequence */
            lines->state = IN_TEXT;
        break;
    case IN_CONTROL:
        if (byte < 0x20 || byte > 0x3F)
            lines->state = IN_TEXT;
        break;
    case IN_STRING:
        if (byte == '\a' || byte == '\n')
            lines->state = IN_TEXT;
        else if (byte == ESCAPE)
            lines->state = IN_STRING_ESCAPE;
        break;
    default:
        lines->state = IN_TEXT;
    }
    if (lines->state == IN_TEXT &&
        byte == '\n') /* an incomplete sequence does not swallow the end of the line */
        end_line(lines);
}

void sw_lines_feed(sw_lines *lines, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (lines->state == IN_TEXT)
            text_byte(lines, bytes[i]);
        else
            escape_byte(lines, bytes[i]);
    }
}

void sw_line_pair_init(sw_line_pair *pair, sw_line_fn *fn, void *context)
{
    *pair = (sw_line_pair){.out = {.fn = fn, .context = context}, .err = {.fn = fn, .context = context}};
}

void sw_line_pair_feed(sw_line_pair *pair, const char *stream, const uint8_t *bytes, size_t size)
{
    bool is_err = stream != NULL && strcmp(stream, "stderr") == 0;
    sw_lines_feed(is_err ? &pair->err : &pair->out, bytes, size);
}

void sw_line_pair_flush(sw_line_pair *pair)
{
    sw_lines_flush(&pair->out);
    sw_lines_flush(&pair->err);
}
