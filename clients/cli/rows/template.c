/* Parsing and evaluating templates. */
#include "cli/rows/template.h"
#include "cli/rows/filter.h"

#include "base/error.h"
#include "base/nearest.h"
#include <string.h>

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

static const char spaces[] = " \t\r\n";

static void skip_space(parser *p)
{
    p->at += strspn(p->at, spaces);
}

/* Reads `"text"` (a quote inside is doubled), or the text before one of `stops`, trimmed. */
static sw_code parse_text(parser *p, const char *stops, const char **text)
{
    skip_space(p);
    if (*p->at != '"') {
        size_t size = strcspn(p->at, stops);
        const char *start = p->at;
        p->at += size;
        while (size > 0 && strchr(spaces, start[size - 1]) != NULL)
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

static sw_code parse_arguments(parser *p, sw_template_filter *filter)
{
    int count = 0;
    if (*p->at == '(') {
        do {
            p->at++;
            if (count == SW_FILTER_ARGUMENTS_MAX)
                return wrong(p, "too many arguments");
            sw_code code = parse_text(p, ",)|}", &filter->arguments[count]);
            if (code != SW_OK)
                return code;
            count++;
        } while (*p->at == ',');
        if (*p->at != ')')
            return wrong(p, "expected `)` (put text with , ) | } in quotes)");
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

static sw_code parse_filter(parser *p, sw_template_filter **filter)
{
    skip_space(p);
    size_t size = strspn(p->at, "abcdefghijklmnopqrstuvwxyz");
    *filter = sw_arena_alloc(p->arena, sizeof **filter);
    if (*filter == NULL)
        return no_memory(p->error);
    for (const sw_template_filter_type *type = sw_template_filter_types; type->name != NULL; type++)
        if (strlen(type->name) == size && memcmp(type->name, p->at, size) == 0)
            (*filter)->type = type;
    if ((*filter)->type == NULL) {
        sw_nearest nearest;
        char near[128];
        sw_nearest_init(&nearest, p->at, size);
        for (const sw_template_filter_type *type = sw_template_filter_types; type->name != NULL; type++)
            sw_nearest_offer(&nearest, type->name);
        sw_nearest_text(&nearest, "", near, sizeof near);
        return sw_fail(p->error, SW_INVALID_ARGUMENT,
                       "there is no filter `%.*s`%s, at character %zu of `%.200s`",
                       (int)(size > 40 ? 40 : size), p->at, near, (size_t)(p->at - p->text) + 1, p->text);
    }
    p->at += size;
    skip_space(p);
    return parse_arguments(p, *filter);
}

/* The text after `{`. */
static sw_code parse_column(parser *p, sw_template_part *part)
{
    sw_code code = parse_text(p, "|}", &part->column);
    if (code == SW_OK && part->column[0] == '\0')
        return wrong(p, "expected the name of a column");
    for (sw_template_filter **next = &part->filters; code == SW_OK && *p->at == '|'; next = &(*next)->next) {
        p->at++;
        code = parse_filter(p, next);
    }
    if (code == SW_OK && *p->at != '}')
        return wrong(p, "expected `|` or `}`");
    p->at++;
    return code;
}

/* The text up to the next column. `{{` and `}}` stand for braces. */
static sw_code parse_literal(parser *p, sw_template_part *part)
{
    char *out = sw_arena_alloc(p->arena, strlen(p->at) + 1);
    if (out == NULL)
        return no_memory(p->error);
    part->literal = out;
    for (; *p->at != '\0'; p->at++) {
        if (*p->at == '{' || *p->at == '}') {
            if (p->at[1] != p->at[0]) {
                if (*p->at == '}')
                    return wrong(p, "a `}` without a `{`; write `}}` for the brace itself");
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
    for (sw_template_part **next = &template->parts; *p.at != '\0'; next = &(*next)->next) {
        sw_template_part *part = *next = sw_arena_alloc(arena, sizeof **next);
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
    for (const sw_template_part *part = template->parts; part != NULL; part = part->next)
        for (sw_template_filter *filter = part->filters; filter != NULL; filter = filter->next) {
            if (!filter->type->has_lookup)
                continue;
            for (const sw_lookup *lookup = lookups; lookup != NULL; lookup = lookup->next)
                if (strcmp(lookup->name, filter->arguments[0]) == 0)
                    filter->lookup = lookup;
            if (filter->lookup == NULL)
                return sw_fail(error, SW_INVALID_ARGUMENT, "there is no table `[map %.80s]` in this file",
                               filter->arguments[0]);
        }
    return SW_OK;
}

sw_code sw_template_bind(const sw_template *template, const char *const *header, size_t count,
                         bool *mentioned, sw_error *error)
{
    for (sw_template_part *part = template->parts; part != NULL; part = part->next) {
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

static bool part_values(const sw_template_part *part, const sw_template_row *row, sw_values *values)
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
    for (const sw_template_filter *filter = part->filters; filter != NULL; filter = filter->next) {
        const sw_template_filter_type *type = filter->type;
        if (type->all != NULL && !type->all(filter, row, part->index, values))
            return false;
        if (values->count == 0) { /* no value is left; a default filter may follow */
            values->count = 1;
            values->items[0] = "";
        }
        for (size_t i = 0; i < values->count && type->one != NULL; i++)
            if ((values->items[i] = type->one(filter, row, part->index, values->items[i])) == NULL)
                return false;
    }
    return true;
}

/* Joins `left` and `right` value by value. If one side has a single value, it goes with each
 * value of the other. */
static sw_code join(const sw_template_row *row, const sw_values *left, const sw_values *right, sw_values *out,
                    sw_error *error)
{
    if (left->count != right->count && left->count > 1 && right->count > 1)
        return sw_fail(error, SW_INVALID_ARGUMENT, "the cells of one row split into %zu and %zu values",
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
    for (const sw_template_part *part = template->parts; part != NULL; part = part->next) {
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
