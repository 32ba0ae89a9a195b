/* Parsing and evaluating templates. A filter is a row of the table below. */
#include "import_template.h"

#include "base/error.h"
#include "nearest.h"
#include <string.h>

#define ARGUMENTS_MAX 2
#define VALUES_MAX    10000 /* of one cell */

typedef struct sw_filter_type {
    const char *name;
    int arguments; /* exactly so many */
    /* One value to another, or NULL when memory is out. */
    const char *(*one)(const sw_filter *filter, const sw_template_row *row, size_t column, const char *value);
    /* Or all values of a cell at once. False when memory is out. */
    bool (*all)(const sw_filter *filter, const sw_template_row *row, size_t column, sw_values *values);
} sw_filter_type;

struct sw_filter {
    const sw_filter_type *type;
    const char *arguments[ARGUMENTS_MAX];
    const sw_lookup *lookup;
    sw_filter *next;
};

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

/* --- Filters --- */

static const char *trim(const sw_filter *filter, const sw_template_row *row, size_t column, const char *value)
{
    (void)filter, (void)column;
    while (is_space(*value))
        value++;
    size_t size = strlen(value);
    while (size > 0 && is_space(value[size - 1]))
        size--;
    return sw_arena_strndup(row->arena, value, size);
}

static const char *lower(const sw_filter *filter, const sw_template_row *row, size_t column,
                         const char *value)
{
    (void)filter, (void)column;
    char *text = sw_arena_strndup(row->arena, value, strlen(value));
    for (char *p = text; p != NULL && *p != '\0'; p++)
        *p = to_lower(*p);
    return text;
}

static const char *upper(const sw_filter *filter, const sw_template_row *row, size_t column,
                         const char *value)
{
    (void)filter, (void)column;
    char *text = sw_arena_strndup(row->arena, value, strlen(value));
    for (char *p = text; p != NULL && *p != '\0'; p++)
        *p = to_upper(*p);
    return text;
}

char *sw_slug(const char *text, sw_arena *arena)
{
    char *slug = sw_arena_alloc(arena, strlen(text) + 1);
    if (slug == NULL)
        return NULL;
    char *end = slug;
    for (; *text != '\0'; text++) {
        if (is_alnum(*text))
            *end++ = to_lower(*text);
        else if (end > slug && end[-1] != '-')
            *end++ = '-';
    }
    if (end > slug && end[-1] == '-')
        end--;
    *end = '\0';
    return slug;
}

static const char *slug(const sw_filter *filter, const sw_template_row *row, size_t column, const char *value)
{
    (void)filter, (void)column;
    return sw_slug(value, row->arena);
}

static const char *fallback(const sw_filter *filter, const sw_template_row *row, size_t column,
                            const char *value)
{
    (void)row, (void)column;
    return *value == '\0' ? filter->arguments[0] : value;
}

static const char *look_up(const sw_filter *filter, const sw_template_row *row, size_t column,
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

static const char *replace(const sw_filter *filter, const sw_template_row *row, size_t column,
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

static const char *prefix(const sw_filter *filter, const sw_template_row *row, size_t column,
                          const char *value)
{
    (void)column;
    return *value == '\0' ? value : sw_arena_printf(row->arena, "%s%s", filter->arguments[0], value);
}

static const char *suffix(const sw_filter *filter, const sw_template_row *row, size_t column,
                          const char *value)
{
    (void)column;
    return *value == '\0' ? value : sw_arena_printf(row->arena, "%s%s", value, filter->arguments[0]);
}

/* Pieces are trimmed and empty ones left out: lists in cells are written with and without spaces. */
static bool split(const sw_filter *filter, const sw_template_row *row, size_t column, sw_values *values)
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

/* Where the registry has room for one: several are placed nowhere rather than one of them by chance. */
static bool only(const sw_filter *filter, const sw_template_row *row, size_t column, sw_values *values)
{
    if (!split(filter, row, column, values))
        return false;
    if (values->count <= 1)
        return true;
    const char *reason = sw_arena_printf(row->arena, "names %zu, there is room for one", values->count);
    if (reason == NULL)
        return false;
    row->unplaced(row->context, column, reason);
    values->count = 0;
    return true;
}

static const sw_filter_type filter_types[] = {
    {"trim", 0, trim, NULL},       {"lower", 0, lower, NULL},      {"upper", 0, upper, NULL},
    {"slug", 0, slug, NULL},       {"default", 1, fallback, NULL}, {"map", 1, look_up, NULL},
    {"replace", 2, replace, NULL}, {"prefix", 1, prefix, NULL},    {"suffix", 1, suffix, NULL},
    {"split", 1, NULL, split},     {"only", 1, NULL, only},
};
#define FILTER_COUNT (sizeof filter_types / sizeof *filter_types)

/* --- Parsing --- */

typedef struct {
    const char *text, *at;
    sw_arena *arena;
    sw_error *error;
} parser;

static sw_code wrong(const parser *p, const char *what)
{
    return sw_fail(p->error, SW_INVALID_ARGUMENT, "%s, at character %zu of `%.200s`", what,
                   (size_t)(p->at - p->text) + 1, p->text);
}

static sw_code no_memory(sw_error *error)
{
    return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
}

static void skip_space(parser *p)
{
    while (is_space(*p->at))
        p->at++;
}

/* `"text"`, a quote doubled inside; or what stands before one of `stops`, trimmed. */
static sw_code parse_text(parser *p, const char *stops, const char **text)
{
    skip_space(p);
    if (*p->at != '"') {
        size_t size = strcspn(p->at, stops);
        const char *start = p->at;
        p->at += size;
        while (size > 0 && is_space(start[size - 1]))
            size--;
        *text = sw_arena_strndup(p->arena, start, size);
        return *text ? SW_OK : no_memory(p->error);
    }
    char *out = sw_arena_alloc(p->arena, strlen(p->at) + 1);
    if (out == NULL)
        return no_memory(p->error);
    *text = out;
    const parser opened = *p;
    for (p->at++;; p->at++) {
        if (*p->at == '\0')
            return wrong(&opened, "a quote that is never closed");
        if (*p->at == '"' && *++p->at != '"')
            break;
        *out++ = *p->at;
    }
    *out = '\0';
    skip_space(p);
    return SW_OK;
}

static sw_code parse_arguments(parser *p, sw_filter *filter)
{
    int count = 0;
    if (*p->at == '(') {
        do {
            p->at++;
            if (count == ARGUMENTS_MAX)
                return wrong(p, "too many arguments");
            sw_code code = parse_text(p, ",)|}", &filter->arguments[count]);
            if (code != SW_OK)
                return code;
            count++;
        } while (*p->at == ',');
        if (*p->at != ')')
            return wrong(p, "`)` expected (put text with , ) | } in quotes)");
        p->at++;
        skip_space(p);
    }
    if (count != filter->type->arguments)
        return sw_fail(p->error, SW_INVALID_ARGUMENT, "filter `%s` takes %d argument%s, not %d, in `%.200s`",
                       filter->type->name, filter->type->arguments, filter->type->arguments == 1 ? "" : "s",
                       count, p->text);
    if (filter->type->all != NULL && filter->arguments[0][0] == '\0')
        return wrong(p, "a separator must not be empty");
    return SW_OK;
}

static sw_code parse_filter(parser *p, sw_filter **filter)
{
    skip_space(p);
    size_t size = strspn(p->at, "abcdefghijklmnopqrstuvwxyz");
    *filter = sw_arena_alloc(p->arena, sizeof **filter);
    if (*filter == NULL)
        return no_memory(p->error);
    for (size_t i = 0; i < FILTER_COUNT; i++)
        if (strlen(filter_types[i].name) == size && memcmp(filter_types[i].name, p->at, size) == 0)
            (*filter)->type = &filter_types[i];
    if ((*filter)->type == NULL) {
        sw_nearest nearest;
        char near[128];
        sw_nearest_init(&nearest, p->at, size);
        for (size_t i = 0; i < FILTER_COUNT; i++)
            sw_nearest_offer(&nearest, filter_types[i].name);
        sw_nearest_text(&nearest, "", near, sizeof near);
        return sw_fail(p->error, SW_INVALID_ARGUMENT, "no filter `%.*s`%s, at character %zu of `%.200s`",
                       (int)(size > 40 ? 40 : size), p->at, near, (size_t)(p->at - p->text) + 1, p->text);
    }
    p->at += size;
    skip_space(p);
    return parse_arguments(p, *filter);
}

/* Behind `{`. */
static sw_code parse_column(parser *p, sw_part *part)
{
    sw_code code = parse_text(p, "|}", &part->column);
    if (code == SW_OK && part->column[0] == '\0')
        return wrong(p, "a column name expected");
    for (sw_filter **next = &part->filters; code == SW_OK && *p->at == '|'; next = &(*next)->next) {
        p->at++;
        code = parse_filter(p, next);
    }
    if (code == SW_OK && *p->at != '}')
        return wrong(p, "`|` or `}` expected");
    p->at++;
    return code;
}

/* Up to the next column; `{{` and `}}` stand for braces. */
static sw_code parse_literal(parser *p, sw_part *part)
{
    char *out = sw_arena_alloc(p->arena, strlen(p->at) + 1);
    if (out == NULL)
        return no_memory(p->error);
    part->literal = out;
    for (; *p->at != '\0'; p->at++) {
        if (*p->at == '{' || *p->at == '}') {
            if (p->at[1] != p->at[0]) {
                if (*p->at == '}')
                    return wrong(p, "a `}` with no `{`; write `}}` for the brace itself");
                break;
            }
            p->at++;
        }
        *out++ = *p->at;
    }
    return SW_OK;
}

sw_code sw_template_parse(const char *text, sw_arena *arena, sw_template *template, sw_error *error)
{
    parser p = {.text = text, .at = text, .arena = arena, .error = error};
    *template = (sw_template){0};
    for (sw_part **next = &template->parts; *p.at != '\0'; next = &(*next)->next) {
        sw_part *part = *next = sw_arena_alloc(arena, sizeof **next);
        if (part == NULL)
            return no_memory(error);
        bool column = p.at[0] == '{' && p.at[1] != '{';
        if (column)
            p.at++;
        sw_code code = column ? parse_column(&p, part) : parse_literal(&p, part);
        if (code != SW_OK)
            return code;
    }
    return SW_OK;
}

sw_code sw_template_link(const sw_template *template, const sw_lookup *lookups, sw_error *error)
{
    for (const sw_part *part = template->parts; part != NULL; part = part->next)
        for (sw_filter *filter = part->filters; filter != NULL; filter = filter->next) {
            if (filter->type->one != look_up)
                continue;
            for (const sw_lookup *lookup = lookups; lookup != NULL; lookup = lookup->next)
                if (strcmp(lookup->name, filter->arguments[0]) == 0)
                    filter->lookup = lookup;
            if (filter->lookup == NULL)
                return sw_fail(error, SW_INVALID_ARGUMENT, "no table `[map %.80s]` in this file",
                               filter->arguments[0]);
        }
    return SW_OK;
}

sw_code sw_template_bind(const sw_template *template, const char *const *header, size_t count,
                         bool *mentioned, sw_error *error)
{
    for (sw_part *part = template->parts; part != NULL; part = part->next) {
        if (part->column == NULL)
            continue;
        sw_nearest nearest;
        sw_nearest_init(&nearest, part->column, strlen(part->column));
        for (part->index = 0; part->index < count; part->index++) {
            if (strcmp(header[part->index], part->column) == 0)
                break;
            sw_nearest_offer(&nearest, header[part->index]);
        }
        if (part->index == count) {
            char near[256];
            sw_nearest_text(&nearest, "", near, sizeof near);
            return sw_fail(error, SW_INVALID_ARGUMENT, "the file has no column `%.100s`%s", part->column,
                           near);
        }
        mentioned[part->index] = true;
    }
    return SW_OK;
}

/* --- Evaluating --- */

static bool part_values(const sw_part *part, const sw_template_row *row, sw_values *values)
{
    values->count = 1;
    values->items = sw_arena_alloc(row->arena, sizeof *values->items);
    if (values->items == NULL)
        return false;
    if (part->literal != NULL) {
        values->items[0] = part->literal;
        return true;
    }
    values->items[0] = row->cells[part->index];
    row->used[part->index] = true;
    for (const sw_filter *filter = part->filters; filter != NULL; filter = filter->next) {
        const sw_filter_type *type = filter->type;
        if (type->all != NULL && !type->all(filter, row, part->index, values))
            return false;
        if (values->count == 0) { /* nothing left of it; a default may follow */
            values->count = 1;
            values->items[0] = "";
        }
        for (size_t i = 0; i < values->count && type->one != NULL; i++)
            if ((values->items[i] = type->one(filter, row, part->index, values->items[i])) == NULL)
                return false;
    }
    return true;
}

/* `left` and `right` put together, value by value; one value goes with each of several. */
static sw_code join(const sw_template_row *row, const sw_values *left, const sw_values *right, sw_values *out,
                    sw_error *error)
{
    if (left->count != right->count && left->count > 1 && right->count > 1)
        return sw_fail(error, SW_INVALID_ARGUMENT, "cells of one row split into %zu and into %zu values",
                       left->count, right->count);
    sw_values joined = {.count = left->count > right->count ? left->count : right->count};
    joined.items = sw_arena_alloc(row->arena, joined.count * sizeof *joined.items);
    for (size_t i = 0; i < joined.count && joined.items != NULL; i++) {
        joined.items[i] = sw_arena_printf(row->arena, "%s%s", left->items[left->count > 1 ? i : 0],
                                          right->items[right->count > 1 ? i : 0]);
        if (joined.items[i] == NULL)
            return no_memory(error);
    }
    *out = joined;
    return joined.items != NULL ? SW_OK : no_memory(error);
}

sw_code sw_template_values(const sw_template *template, const sw_template_row *row, sw_values *values,
                           sw_error *error)
{
    static const char *empty[] = {""};
    *values = (sw_values){.count = 1, .items = empty};
    for (const sw_part *part = template->parts; part != NULL; part = part->next) {
        sw_values more;
        if (!part_values(part, row, &more))
            return no_memory(error);
        if (part == template->parts) {
            *values = more;
            continue;
        }
        sw_code code = join(row, values, &more, values, error);
        if (code != SW_OK)
            return code;
    }
    return SW_OK;
}
