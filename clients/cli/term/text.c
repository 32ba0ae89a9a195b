/* Text on a terminal: display width, cutting, and making it safe. See grid.h. */
#include "cli/term/grid.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

/* Decodes one UTF-8 character at `text`, which is not empty. Returns its length in bytes, 0 if
 * it is invalid. */
static size_t decode(const char *text, uint32_t *point)
{
    const unsigned char *p = (const unsigned char *)text;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
    if (length < 2) {
        *point = p[0];
        return length;
    }
    *point = p[0] & (0x7FU >> length);
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        *point = *point << 6 | (p[i] & 0x3F);
    }
    bool valid = *point >= least[length] && *point <= 0x10FFFF && (*point < 0xD800 || *point > 0xDFFF);
    return valid ? length : 0;
}

static size_t point_width(uint32_t point)
{
    int width = wcwidth((wchar_t)point);
    return width >= 0 ? (size_t)width : 1;
}

size_t sw_text_cut(const char *text, size_t columns)
{
    size_t used = 0, width = 0;
    while (text[used] != '\0') {
        uint32_t point;
        size_t length = decode(text + used, &point);
        size_t wide = length > 0 ? point_width(point) : 1;
        if (width + wide > columns)
            break;
        width += wide;
        used += length > 0 ? length : 1;
    }
    return used;
}

size_t sw_text_width(const char *text)
{
    size_t width = 0;
    while (*text != '\0') {
        uint32_t point;
        size_t length = decode(text, &point);
        width += length > 0 ? point_width(point) : 1;
        text += length > 0 ? length : 1;
    }
    return width;
}

/* ASCII and Latin-1 control characters, and the marks that reorder text (bidi overrides). */
static bool is_control(uint32_t point)
{
    return point < 0x20 || (point >= 0x7F && point < 0xA0) || (point >= 0x202A && point <= 0x202E) ||
           (point >= 0x2066 && point <= 0x2069);
}

char *sw_text_safe(const char *text, bool keep_lines)
{
    char *safe = malloc(strlen(text) * 6 + 1), *out = safe;
    if (safe == NULL)
        return NULL;
    while (*text != '\0') {
        uint32_t point;
        size_t length = decode(text, &point);
        if (length == 0) {
            out = stpcpy(out, "\xEF\xBF\xBD");
        } else if (point == '\n' && keep_lines) {
            *out++ = '\n';
        } else if (point == '\n' || point == '\t' || point == '\r') {
            out = stpcpy(out, point == '\n' ? "\\n" : point == '\t' ? "\\t" : "\\r");
        } else if (is_control(point)) {
            out += sprintf(out, point > 0xFF ? "\\u%04x" : "\\x%02x", (unsigned)point);
        } else {
            out = mempcpy(out, text, length);
        }
        text += length > 0 ? length : 1;
    }
    *out = '\0';
    return safe;
}

size_t sw_terminal_width(bool is_terminal)
{
    const char *columns = getenv("COLUMNS");
    struct winsize size;
    if (!is_terminal)
        return 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    long number = columns != NULL ? strtol(columns, NULL, 10) : 0;
    return number > 0 && number < 10000 ? (size_t)number : 80;
}
