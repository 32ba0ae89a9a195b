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

/* Characters that nobody sees, or that change how others are shown: controls, marks that reorder
 * text, zero-width and filler characters, separators of lines, blanks other than the space,
 * variation selectors, tags and noncharacters (Unicode 15: categories Cc, Cf, Zs, Zl and Zp, and
 * Default_Ignorable_Code_Point). Ordered by `first`. */
static const struct {
    uint32_t first, last;
} unseen[] = {
    {0x00, 0x1F},       {0x7F, 0xA0},       {0xAD, 0xAD},        {0x34F, 0x34F},     {0x600, 0x605},
    {0x61C, 0x61C},     {0x6DD, 0x6DD},     {0x70F, 0x70F},      {0x890, 0x891},     {0x8E2, 0x8E2},
    {0x115F, 0x1160},   {0x1680, 0x1680},   {0x17B4, 0x17B5},    {0x180B, 0x180F},   {0x2000, 0x200F},
    {0x2028, 0x202F},   {0x205F, 0x206F},   {0x2800, 0x2800},    {0x3000, 0x3000},   {0x3164, 0x3164},
    {0xFDD0, 0xFDEF},   {0xFE00, 0xFE0F},   {0xFEFF, 0xFEFF},    {0xFFA0, 0xFFA0},   {0xFFF0, 0xFFFB},
    {0xFFFE, 0xFFFF},   {0x110BD, 0x110BD}, {0x110CD, 0x110CD},  {0x13430, 0x1343F}, {0x1BCA0, 0x1BCA3},
    {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF}, {0xF0000, 0x10FFFF},
};

static bool is_unseen(uint32_t point)
{
    const size_t count = sizeof(unseen) / sizeof(*unseen);
    size_t low = 0, high = count; /* the first range that does not end before the point */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (unseen[middle].last < point)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && unseen[low].first <= point;
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
        } else if (is_unseen(point)) {
            out += sprintf(out, point < 0x80 ? "\\x%02x" : "\\u{%02X}", (unsigned)point);
        } else {
            out = mempcpy(out, text, length);
        }
        text += length > 0 ? length : 1;
    }
    *out = '\0';
    return safe;
}

void sw_text_print(FILE *out, const char *text)
{
    char *safe = sw_text_safe(text, false);
    fputs(safe == NULL ? "?" : safe, out);
    free(safe);
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
