/* The mapping format: sections in brackets, `name = value` lines, # comments. */
#include "cli/rows/map.h"

#include "base/error.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum { NOWHERE, INPUT, IGNORE, LOOKUP, TARGET } section;

typedef struct {
    sw_map *map;
    section section;
    unsigned line;
    sw_map_target *target, **next_target;
    sw_map_field **next_field;
    sw_map_condition **next_condition;
    sw_map_ignored **next_ignored;
    sw_lookup *lookup;
    size_t lookup_capacity;
    sw_error *error;
} reader;

static sw_code fail(reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static sw_code fail(reader *r, const char *format, ...)
{
    char text[SW_ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return sw_fail(r->error, SW_INVALID_ARGUMENT, "%.200s:%u: %s", r->map->path, r->line, text);
}

static sw_code no_memory(reader *r)
{
    return sw_fail(r->error, SW_RESOURCE_EXHAUSTED, "%.200s: out of memory", r->map->path);
}

/* Puts `FILE:LINE: ` before the message of a template. */
static sw_code at_line(const sw_map *map, unsigned line, sw_code code, sw_error *error)
{
    if (code == SW_OK || error == NULL)
        return code;
    const sw_error inner = *error;
    return sw_fail(error, code, "%.200s:%u: %s", map->path, line, inner.message);
}

static char *trimmed(char *text)
{
    text += strspn(text, " \t\r");
    size_t size = strlen(text);
    while (size > 0 && strchr(" \t\r", text[size - 1]) != NULL)
        text[--size] = '\0';
    return text;
}

/* Splits `name = value` or `"name" = value` and trims both sides, in place. False if there is no
 * `=`. */
static bool split_pair(char *text, char **name, char **value)
{
    char *end = text;
    if (*text == '"' && (end = strchr(text + 1, '"')) != NULL) {
        *name = text + 1;
        *end++ = '\0';
        end += strspn(end, " \t");
        if (*end != '=')
            return false;
        *value = trimmed(end + 1);
        return true;
    }
    end = strchr(text, '=');
    if (end == NULL)
        return false;
    *end = '\0';
    *name = trimmed(text);
    *value = trimmed(end + 1);
    return true;
}

static char *keep(reader *r, const char *text)
{
    return sw_arena_strndup(r->map->arena, text, strlen(text));
}

/* --- Lines --- */

static sw_code read_section(reader *r, char *name)
{
    sw_arena *arena = r->map->arena;
    if (strcmp(name, "input") == 0 || strcmp(name, "ignore") == 0) {
        r->section = name[1] == 'n' ? INPUT : IGNORE;
        return SW_OK;
    }
    if (strncmp(name, "map ", 4) == 0) {
        r->section = LOOKUP;
        name = trimmed(name + 4);
        for (const sw_lookup *other = r->map->lookups; other != NULL; other = other->next)
            if (strcmp(other->name, name) == 0)
                return fail(r, "the table `%.80s` is already in line %u", name, other->line);
        sw_lookup *lookup = sw_arena_alloc(arena, sizeof *lookup);
        if (lookup == NULL || (lookup->name = keep(r, name)) == NULL)
            return no_memory(r);
        lookup->line = r->line;
        lookup->next = r->map->lookups;
        r->map->lookups = r->lookup = lookup;
        r->lookup_capacity = 0;
        return SW_OK;
    }
    if (*name == '\0' || strpbrk(name, " \t[]") != NULL)
        return fail(
            r, "[%.80s] is not a section: expected [input], [ignore], [map NAME] or the name of a resource",
            name);
    sw_map_target *target = sw_arena_alloc(arena, sizeof *target);
    if (target == NULL || (target->resource = keep(r, name)) == NULL)
        return no_memory(r);
    target->line = r->line;
    target->index = r->target ? r->target->index + 1 : 0;
    r->section = TARGET;
    r->target = *r->next_target = target;
    r->next_target = &target->next;
    r->next_field = &target->fields;
    r->next_condition = &target->conditions;
    return SW_OK;
}

static sw_code read_input(reader *r, const char *name, const char *value)
{
    if (strcmp(name, "delimiter") != 0)
        return fail(r, "[input] has no setting `%.80s`; it has `delimiter`", name);
    if (strcmp(value, "tab") == 0)
        value = "\t";
    if (strlen(value) != 1 || strchr("\"\r\n ", *value) != NULL || (unsigned char)*value >= 0x80)
        return fail(r, "delimiter must be one character such as , or ; or the word tab");
    r->map->delimiter = *value;
    return SW_OK;
}

static sw_code read_ignored(reader *r, const char *name, const char *value)
{
    for (const sw_map_ignored *other = r->map->ignored; other != NULL; other = other->next)
        if (strcmp(other->column, name) == 0)
            return fail(r, "column `%.80s` is already ignored in line %u", name, other->line);
    if (*value == '\0')
        return fail(r, "say why column `%.80s` is ignored: `%.80s = reason`", name, name);
    sw_map_ignored *ignored = sw_arena_alloc(r->map->arena, sizeof *ignored);
    if (ignored == NULL || (ignored->column = keep(r, name)) == NULL ||
        (ignored->reason = keep(r, value)) == NULL)
        return no_memory(r);
    ignored->line = r->line;
    *r->next_ignored = ignored;
    r->next_ignored = &ignored->next;
    return SW_OK;
}

static sw_code read_lookup(reader *r, const char *name, const char *value)
{
    sw_lookup *lookup = r->lookup;
    char *to = keep(r, value);
    if (to == NULL)
        return no_memory(r);
    if (strcmp(name, "*") == 0) {
        if (lookup->fallback != NULL)
            return fail(r, "the table already has a line `* = ...`");
        lookup->fallback = to;
        return SW_OK;
    }
    for (size_t i = 0; i < lookup->count; i++)
        if (strcmp(lookup->from[i], name) == 0)
            return fail(r, "`%.80s` is already in this table", name);
    if (lookup->count == r->lookup_capacity) {
        size_t capacity = r->lookup_capacity ? r->lookup_capacity * 2 : 16;
        const char **pairs = sw_arena_alloc(r->map->arena, 2 * capacity * sizeof *pairs);
        if (pairs == NULL)
            return no_memory(r);
        for (size_t i = 0; i < lookup->count; i++) {
            pairs[i] = lookup->from[i];
            pairs[capacity + i] = lookup->to[i];
        }
        lookup->from = pairs;
        lookup->to = pairs + capacity;
        r->lookup_capacity = capacity;
    }
    lookup->to[lookup->count] = to;
    lookup->from[lookup->count] = keep(r, name);
    if (lookup->from[lookup->count] == NULL)
        return no_memory(r);
    lookup->count++;
    return SW_OK;
}

static sw_code read_field(reader *r, const char *name, const char *value)
{
    for (const sw_map_field *other = r->target->fields; other != NULL; other = other->next)
        if (strcmp(other->name, name) == 0)
            return fail(r, "field `%.80s` is already in line %u", name, other->line);
    sw_map_field *field = sw_arena_alloc(r->map->arena, sizeof *field);
    if (field == NULL || (field->name = keep(r, name)) == NULL)
        return no_memory(r);
    field->line = r->line;
    *r->next_field = field;
    r->next_field = &field->next;
    return at_line(r->map, r->line, sw_template_parse(value, r->map->arena, &field->template, r->error),
                   r->error);
}

/* Finds the first ` = ` or ` != ` outside of braces, which separates the two sides. If nothing
 * follows it, the right side is the empty text. *bare: there is text outside of braces on the
 * left side. */
static char *find_comparison(char *text, size_t *size, bool *bare)
{
    *bare = false;
    for (int depth = 0; *text != '\0'; text++) {
        depth += *text == '{' ? 1 : *text == '}' ? -1 : 0;
        *size = strncmp(text, " !=", 3) == 0 ? 3 : strncmp(text, " =", 2) == 0 ? 2 : 0;
        if (depth == 0 && *size > 0 && (text[*size] == ' ' || text[*size] == '\0'))
            return text;
        *bare = *bare || (depth == 0 && *text != '}' && *text != ' ');
    }
    return NULL;
}

static sw_code read_condition(reader *r, char *text)
{
    sw_map_condition *condition = sw_arena_alloc(r->map->arena, sizeof *condition);
    if (condition == NULL)
        return no_memory(r);
    condition->line = r->line;
    *r->next_condition = condition;
    r->next_condition = &condition->next;
    size_t size = 0;
    bool bare;
    char *comparison = find_comparison(text, &size, &bare);
    sw_code code = SW_OK;
    if (comparison == NULL && bare)
        return fail(r, "expected `when {column}`, `when {column} = text` or `when {column} != text`");
    if (comparison != NULL) {
        condition->kind = size == 3 ? SW_WHEN_DIFFERENT : SW_WHEN_EQUAL;
        *comparison = '\0';
        code = sw_template_parse(trimmed(comparison + size), r->map->arena, &condition->other, r->error);
    }
    if (code == SW_OK)
        code = sw_template_parse(trimmed(text), r->map->arena, &condition->template, r->error);
    return at_line(r->map, r->line, code, r->error);
}

static sw_code read_line(reader *r, char *text)
{
    text = trimmed(text);
    if (*text == '\0' || *text == '#')
        return SW_OK;
    size_t size = strlen(text);
    if (*text == '[' && text[size - 1] == ']') {
        text[size - 1] = '\0';
        return read_section(r, trimmed(text + 1));
    }
    if (r->section == TARGET && strncmp(text, "when ", 5) == 0)
        return read_condition(r, trimmed(text + 5));
    char *name, *value;
    if (!split_pair(text, &name, &value) || *name == '\0')
        return fail(r, "expected `name = value`, `[section]` or a # comment");
    switch (r->section) {
    case INPUT:
        return read_input(r, name, value);
    case IGNORE:
        return read_ignored(r, name, value);
    case LOOKUP:
        return read_lookup(r, name, value);
    case TARGET:
        return read_field(r, name, value);
    default:
        return fail(r, "this line is before the first [section]");
    }
}

/* --- The whole mapping --- */

/* Calls `visit` for each template of the mapping. */
static sw_code each_template(sw_map *map, sw_code (*visit)(sw_map *, const sw_template *, void *, sw_error *),
                             void *context, sw_error *error)
{
    sw_code code = SW_OK;
    for (sw_map_target *target = map->targets; target != NULL && code == SW_OK; target = target->next) {
        for (sw_map_field *field = target->fields; field != NULL && code == SW_OK; field = field->next)
            code = at_line(map, field->line, visit(map, &field->template, context, error), error);
        for (sw_map_condition *when = target->conditions; when != NULL && code == SW_OK; when = when->next) {
            code = visit(map, &when->template, context, error);
            if (code == SW_OK)
                code = visit(map, &when->other, context, error);
            code = at_line(map, when->line, code, error);
        }
    }
    return code;
}

static sw_code link_one(sw_map *map, const sw_template *template, void *context, sw_error *error)
{
    (void)context;
    return sw_template_link(template, map->lookups, error);
}

static sw_code check(reader *r)
{
    if (r->map->targets == NULL)
        return sw_fail(r->error, SW_INVALID_ARGUMENT, "%.200s: no section names a resource", r->map->path);
    for (const sw_map_target *target = r->map->targets; target != NULL; target = target->next) {
        r->line = target->line;
        if (target->fields == NULL)
            return fail(r, "[%.80s] sets no field", target->resource);
    }
    return each_template(r->map, link_one, NULL, r->error);
}

sw_code sw_map_parse(const char *path, const char *text, size_t size, sw_map **map, sw_error *error)
{
    sw_arena *arena = sw_arena_new(0);
    *map = arena ? sw_arena_alloc(arena, sizeof **map) : NULL;
    if (*map == NULL) {
        sw_arena_destroy(&arena);
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "%.200s: out of memory", path);
    }
    **map = (sw_map){.arena = arena, .delimiter = ','};
    reader r = {
        .map = *map, .error = error, .next_target = &(*map)->targets, .next_ignored = &(*map)->ignored};
    char *copy = sw_arena_strndup(arena, text, size);
    (*map)->path = keep(&r, path);
    sw_code code = copy && (*map)->path ? SW_OK : SW_RESOURCE_EXHAUSTED;
    if (code != SW_OK)
        sw_fail(error, code, "%.200s: out of memory", path);
    else if (strlen(copy) != size)
        code =
            sw_fail(error, SW_INVALID_ARGUMENT, "%.200s: contains a NUL byte; a mapping must be text", path);
    if (code == SW_OK && strncmp(copy, "\xEF\xBB\xBF", 3) == 0)
        copy += 3;
    for (char *line = copy; code == SW_OK && line != NULL;) {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end++ = '\0';
        r.line++;
        code = read_line(&r, line);
        line = end;
    }
    if (code == SW_OK)
        code = check(&r);
    if (code != SW_OK)
        sw_map_destroy(map);
    return code;
}

void sw_map_destroy(sw_map **map)
{
    if (*map == NULL)
        return;
    sw_arena *arena = (*map)->arena; /* the mapping itself is allocated in it */
    *map = NULL;
    sw_arena_destroy(&arena);
}

typedef struct {
    const char *const *names;
    size_t count;
} header_view;

static sw_code bind_one(sw_map *map, const sw_template *template, void *context, sw_error *error)
{
    const header_view *header = context;
    return sw_template_bind(template, header->names, header->count, map->mentioned, error);
}

sw_code sw_map_bind(sw_map *map, const char *const *header, size_t count, sw_error *error)
{
    header_view view = {header, count};
    map->column_count = count;
    map->mentioned = sw_arena_alloc(map->arena, count + 1);
    map->left_out = sw_arena_alloc(map->arena, count + 1);
    if (map->mentioned == NULL || map->left_out == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "%.200s: out of memory", map->path);
    for (const sw_map_ignored *ignored = map->ignored; ignored != NULL; ignored = ignored->next)
        for (size_t i = 0; i < count; i++)
            if (strcmp(header[i], ignored->column) == 0)
                map->left_out[i] = true;
    return each_template(map, bind_one, &view, error);
}

sw_code sw_map_applies(const sw_map_target *target, const sw_template_row *row, bool *applies,
                       sw_error *error)
{
    *applies = true;
    for (const sw_map_condition *when = target->conditions; when != NULL && *applies; when = when->next) {
        sw_values left, right;
        sw_code code = sw_template_values(&when->template, row, &left, error);
        if (code == SW_OK)
            code = sw_template_values(&when->other, row, &right, error);
        if (code != SW_OK)
            return code;
        bool equal = strcmp(left.items[0], right.items[0]) == 0;
        *applies = when->kind == SW_WHEN_EQUAL ? equal : !equal;
    }
    return SW_OK;
}
