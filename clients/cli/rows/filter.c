/* What each filter does. Only ASCII letters change their case; other text is passed through. */
#include "cli/rows/filter.h"

#include <string.h>

#define VALUES_MAX 10000 /* of one cell */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static char to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static char to_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
}

static const char *trim(const sw_template_filter *filter, const sw_template_row *row, size_t column,
                        const char *value)
{
    (void)filter, (void)column;
    while (is_space(*value))
        value++;
    size_t size = strlen(value);
    while (size > 0 && is_space(value[size - 1]))
        size--;
    return sw_arena_strndup(row->arena, value, size);
}

static const char *lower(const sw_template_filter *filter, const sw_template_row *row, size_t column,
                         const char *value)
{
    (void)filter, (void)column;
    char *text = sw_arena_strndup(row->arena, value, strlen(value));
    for (char *p = text; p != NULL && *p != '\0'; p++)
        *p = to_lower(*p);
    return text;
}

static const char *upper(const sw_template_filter *filter, const sw_template_row *row, size_t column,
                         const char *value)
{
    (void)filter, (void)column;
    char *text = sw_arena_strndup(row->arena, value, strlen(value));
    for (char *p = text; p != NULL && *p != '\0'; p++)
        *p = to_upper(*p);
    return text;
}

/* A code: a-z and 0-9, with single dashes between. */
static const char *slug(const sw_template_filter *filter, const sw_template_row *row, size_t column,
                        const char *value)
{
    (void)filter, (void)column;
    char *slug_text = sw_arena_alloc(row->arena, strlen(value) + 1), *end = slug_text;
    if (slug_text == NULL)
        return NULL;
    for (; *value != '\0'; value++) {
        if (is_alnum(*value))
            *end++ = to_lower(*value);
        else if (end > slug_text && end[-1] != '-')
            *end++ = '-';
    }
    if (end > slug_text && end[-1] == '-')
        end--;
    *end = '\0';
    return slug_text;
}

static const char *fallback(const sw_template_filter *filter, const sw_template_row *row, size_t column,
                            const char *value)
{
    (void)row, (void)column;
    return *value == '\0' ? filter->arguments[0] : value;
}

static const char *look_up(const sw_template_filter *filter, const sw_template_row *row, size_t column,
                           const char *value)
{
    const sw_lookup *lookup = filter->lookup;
    if (*value == '\0')
        return value;
    for (size_t i = 0; i < lookup->count; i++)
        if (strcmp(lookup->from[i], value) == 0)
            return lookup->to[i];
    if (lookup->fallback != NULL)
        return lookup->fallback;
    const char *reason = sw_arena_printf(row->arena, "not in the table `%s` of the mapping", lookup->name);
    if (reason == NULL)
        return NULL;
    row->unplaced(row->context, column, reason);
    return "";
}

static const char *replace(const sw_template_filter *filter, const sw_template_row *row, size_t column,
                           const char *value)
{
    (void)column;
    const char *from = filter->arguments[0], *to = filter->arguments[1];
    size_t from_size = strlen(from), to_size = strlen(to), found = 0;
    if (from_size == 0)
        return value;
    for (const char *p = strstr(value, from); p != NULL; p = strstr(p + from_size, from))
        found++;
    char *text = sw_arena_alloc(row->arena, strlen(value) + found * to_size + 1);
    if (text == NULL)
        return NULL;
    char *end = text;
    for (const char *p = strstr(value, from); p != NULL; p = strstr(value, from)) {
        end = mempcpy(end, value, (size_t)(p - value));
        end = mempcpy(end, to, to_size);
        value = p + from_size;
    }
    strcpy(end, value);
    return text;
}

static const char *prefix(const sw_template_filter *filter, const sw_template_row *row, size_t column,
                          const char *value)
{
    (void)column;
    return *value == '\0' ? value : sw_arena_printf(row->arena, "%s%s", filter->arguments[0], value);
}

static const char *suffix(const sw_template_filter *filter, const sw_template_row *row, size_t column,
                          const char *value)
{
    (void)column;
    return *value == '\0' ? value : sw_arena_printf(row->arena, "%s%s", value, filter->arguments[0]);
}

/* Trims each piece and drops empty ones: people write lists in cells with and without spaces. */
static bool split(const sw_template_filter *filter, const sw_template_row *row, size_t column,
                  sw_values *values)
{
    const char *separator = filter->arguments[0];
    size_t separator_size = strlen(separator), capacity = 0;
    for (size_t i = 0; i < values->count; i++) {
        capacity++;
        for (const char *p = values->items[i]; (p = strstr(p, separator)) != NULL; p += separator_size)
            capacity++;
    }
    if (capacity > VALUES_MAX) {
        row->unplaced(row->context, column, "more than 10000 values in one cell");
        capacity = VALUES_MAX;
    }
    sw_values pieces = {.items = sw_arena_alloc(row->arena, capacity * sizeof(char *))};
    if (pieces.items == NULL)
        return false;
    for (size_t i = 0; i < values->count; i++) {
        const char *rest = values->items[i];
        while (rest != NULL && pieces.count < capacity) {
            const char *next = strstr(rest, separator);
            const char *piece =
                sw_arena_strndup(row->arena, rest, next ? (size_t)(next - rest) : strlen(rest));
            if (piece == NULL || (piece = trim(NULL, row, column, piece)) == NULL)
                return false;
            if (*piece != '\0')
                pieces.items[pieces.count++] = piece;
            rest = next ? next + separator_size : NULL;
        }
    }
    *values = pieces;
    return true;
}

/* For a field with room for one value: several values are reported and dropped, rather than one
 * of them chosen by chance. */
static bool only(const sw_template_filter *filter, const sw_template_row *row, size_t column,
                 sw_values *values)
{
    if (!split(filter, row, column, values))
        return false;
    if (values->count <= 1)
        return true;
    const char *reason =
        sw_arena_printf(row->arena, "has %zu values, but there is room for one", values->count);
    if (reason == NULL)
        return false;
    row->unplaced(row->context, column, reason);
    values->count = 0;
    return true;
}

const sw_template_filter_type sw_template_filter_types[] = {
    {"trim", 0, false, trim, NULL},        {"lower", 0, false, lower, NULL},
    {"upper", 0, false, upper, NULL},      {"slug", 0, false, slug, NULL},
    {"default", 1, false, fallback, NULL}, {"map", 1, true, look_up, NULL},
    {"replace", 2, false, replace, NULL},  {"prefix", 1, false, prefix, NULL},
    {"suffix", 1, false, suffix, NULL},    {"split", 1, false, NULL, split},
    {"only", 1, false, NULL, only},        {0},
};
