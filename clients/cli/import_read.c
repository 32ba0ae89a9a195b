/* Files to rows: JSON lines, CSV of one resource, CSV of a foreign shape by a mapping. */
#include "import.h"

#include "base/error.h"
#include "import_csv.h"
#include "nearest.h"
#include "value.h"
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static sw_code no_memory(sw_error *error)
{
    return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory: import the rows in several parts");
}

static sw_code read_failed(const sw_input *input, sw_error *error)
{
    return errno == ENOMEM
               ? no_memory(error)
               : sw_fail(error, SW_INVALID_ARGUMENT, "cannot read %.200s: %s", input->name, strerror(errno));
}

/* A row that is none. */
static sw_code bad_row(sw_import *import, uint32_t origin, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static sw_code bad_row(sw_import *import, uint32_t origin, const char *format, ...)
{
    sw_error error = {.code = SW_INVALID_ARGUMENT, .local = true};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error.message, sizeof error.message, format, arguments);
    va_end(arguments);
    sw_import_fail(import, origin, NULL, NULL, &error);
    return SW_OK;
}

/* Adds a row to the plan. What is wrong with it is reported; only a lack of memory ends the import. */
static sw_code add(sw_import *import, const sw_resource_type *type, json_t *fields, uint32_t origin,
                   sw_error *error)
{
    sw_error why = {0};
    sw_code code = sw_plan_add(import->plan, type, fields, origin, &why);
    if (code == SW_RESOURCE_EXHAUSTED && error != NULL)
        *error = why;
    if (code == SW_RESOURCE_EXHAUSTED || code == SW_OK)
        return code;
    sw_import_fail(import, origin, type, NULL, &why);
    return SW_OK;
}

/* --- JSON lines --- */

static json_t *parse_line(const char *text, size_t size, json_error_t *why)
{
    return json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, why);
}

static sw_code read_object(sw_import *import, const sw_input *input, json_t *row, uint32_t origin,
                           sw_error *error)
{
    const sw_resource_type *type = input->type;
    const json_t *named = json_object_get(row, "resource");
    if (type == NULL || (named != NULL && sw_model_field(type, "resource") == NULL)) {
        if (!json_is_string(named))
            return bad_row(import, origin, "%s",
                           "no member `resource` that names what this is; add it, or use --resource");
        sw_error why = {0};
        if (sw_model_require(import->model, json_string_value(named), &type, &why) != SW_OK)
            return bad_row(import, origin, "%s", why.message);
        json_object_del(row, "resource");
    }
    json_object_del(row, SW_REASON_NAME);
    return add(import, type, row, origin, error);
}

static sw_code read_json_line(sw_import *import, uint32_t index, const char *text, size_t size,
                              uint32_t origin, sw_error *error)
{
    json_error_t why;
    json_t *row = parse_line(text, size, &why);
    const json_t *line =
        json_object_get(row, SW_LINE_NAME); /* of a file of rejects: what was no JSON object */
    if (json_is_string(line)) {
        json_t *inner = parse_line(json_string_value(line), json_string_length(line), &why);
        json_decref(row);
        row = inner;
    }
    sw_code code;
    if (json_is_object(row))
        code = read_object(import, &import->inputs[index], row, origin, error);
    else
        code =
            bad_row(import, origin, "not a JSON object: %s", row ? "it is another kind of value" : why.text);
    json_decref(row);
    return code;
}

static sw_code read_jsonl(sw_import *import, uint32_t index, sw_error *error)
{
    sw_input *input = &import->inputs[index];
    sw_lines lines;
    sw_lines_open(&lines, input->file);
    sw_code code = SW_OK;
    int got = 0;
    while (code == SW_OK && !sw_cli_stopped() && (got = sw_lines_next(&lines)) > 0) {
        size_t size = lines.size;
        while (size > 0 && strchr(" \t\r\n", lines.text[size - 1]) != NULL && lines.text[size - 1] != '\0')
            size--;
        if (size == 0)
            continue;
        import->rows_read++;
        uint32_t origin = sw_plan_origin(import->plan, index, lines.number, lines.text, size);
        if (origin == SW_NO_ROW)
            code = no_memory(error);
        else if (lines.too_long)
            code = bad_row(import, origin, "%s", "longer than 4 MiB");
        else
            code = read_json_line(import, index, lines.text, size, origin, error);
        sw_import_progress(import, false);
    }
    if (code == SW_OK && got < 0)
        code = read_failed(input, error);
    sw_lines_close(&lines);
    return code;
}

/* --- CSV --- */

typedef struct {
    sw_import *import;
    uint32_t index;
    sw_csv *csv;
    sw_csv_row row;
    char **header;
    size_t count;
    const ProtobufCFieldDescriptor **fields; /* by column, for CSV of one resource; NULL: not a field */
    sw_arena *arena;                         /* for one row */
    bool *used, *made, *noted;               /* by column, for the row at hand */
} csv_reader;

static bool is_blank(const char *cell)
{
    return cell[strspn(cell, " \t\r\n")] == '\0';
}

/* Something that is wrong with the whole file: the others are imported. */
static sw_code bad_file(csv_reader *r, uint32_t line, const char *text)
{
    uint32_t origin = sw_plan_origin(r->import->plan, r->index, line, "", 0);
    return origin == SW_NO_ROW ? SW_RESOURCE_EXHAUSTED
                               : bad_row(r->import, origin, "%s; nothing of this file was imported", text);
}

static sw_code find_fields(csv_reader *r, const sw_resource_type *type, sw_error *error)
{
    for (size_t i = 0; i < r->count; i++) {
        if (strcmp(r->header[i], SW_REASON_NAME) == 0)
            continue;
        r->fields[i] = sw_model_field(type, r->header[i]);
        if (r->fields[i] != NULL)
            continue;
        sw_nearest nearest;
        char hint[200];
        sw_nearest_init(&nearest, r->header[i], strlen(r->header[i]));
        for (unsigned k = 0; k < type->message->n_fields; k++)
            sw_nearest_offer(&nearest, type->message->fields[k].name);
        sw_nearest_text(&nearest, "", hint, sizeof hint);
        return sw_fail(error, SW_INVALID_ARGUMENT,
                       "column `%.80s` is no field of %s%s (a file of a foreign shape needs --map)",
                       r->header[i], type->name, hint);
    }
    return SW_OK;
}

/* Columns that the mapping does not know are said once and counted by row. */
static void note_strangers(csv_reader *r)
{
    const sw_map *map = r->import->map;
    for (size_t i = 0; i < r->count; i++) {
        if (map->mentioned[i] || map->left_out[i] || strcmp(r->header[i], SW_REASON_NAME) == 0)
            continue;
        char text[300];
        snprintf(
            text, sizeof text,
            "column `%.100s` has no place in the mapping: use it, or list it under [ignore] with the reason",
            r->header[i]);
        sw_import_note(r->import, r->index, r->row.line, text);
    }
    for (const sw_map_ignored *ignored = map->ignored; ignored != NULL; ignored = ignored->next) {
        bool found = false;
        for (size_t i = 0; i < r->count; i++)
            found = found || strcmp(r->header[i], ignored->column) == 0;
        if (!found) {
            char text[300];
            snprintf(text, sizeof text,
                     "the file has no column `%.100s`, which line %u of the mapping ignores", ignored->column,
                     ignored->line);
            sw_import_note(r->import, r->index, r->row.line, text);
        }
    }
}

/* Takes over the first row. *usable: the rest of the file makes sense. */
static sw_code read_header(csv_reader *r, bool *usable, sw_error *error)
{
    sw_input *input = &r->import->inputs[r->index];
    r->count = r->row.count;
    r->header = calloc(r->count + 1, sizeof *r->header);
    r->fields = calloc(r->count + 1, sizeof *r->fields);
    r->used = calloc(3 * (r->count + 1), sizeof *r->used);
    input->header = strndup(r->row.raw, r->row.raw_size);
    if (r->header == NULL || r->fields == NULL || r->used == NULL || input->header == NULL)
        return no_memory(error);
    r->made = r->used + r->count + 1;
    r->noted = r->made + r->count + 1;
    sw_error why = {0};
    sw_code code =
        r->row.fault ? sw_fail(&why, SW_INVALID_ARGUMENT, "the header is no row: %s", r->row.fault) : SW_OK;
    for (size_t i = 0; i < r->count; i++)
        if ((r->header[i] = strdup(r->row.cells[i])) == NULL)
            return no_memory(error);
    for (size_t i = 0; i < r->count && code == SW_OK; i++)
        for (size_t k = 0; k < i && code == SW_OK; k++)
            if (strcmp(r->header[i], r->header[k]) == 0)
                code = sw_fail(&why, SW_INVALID_ARGUMENT, "the header has two columns `%.80s`", r->header[i]);
    if (code == SW_OK && r->count > 0 && strncmp(r->header[0], "\xFF\xFE", 2) == 0)
        code = sw_fail(&why, SW_INVALID_ARGUMENT, "the file is UTF-16: save it as UTF-8");
    if (code == SW_OK)
        code = r->import->map ? sw_map_bind(r->import->map, (const char *const *)r->header, r->count, &why)
                              : find_fields(r, input->type, &why);
    if (code == SW_OK && r->import->map != NULL)
        note_strangers(r);
    *usable = code == SW_OK;
    return code == SW_OK ? SW_OK : bad_file(r, r->row.line, why.message);
}

/* Cells into a field of `fields`. A repeated field takes a JSON array in one cell, or all values. */
static sw_code set_field(json_t *fields, const ProtobufCFieldDescriptor *field, const char *const *cells,
                         size_t count, sw_error *error)
{
    bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    json_t *value = NULL, *list = NULL;
    sw_code code = SW_OK;
    if (repeated && count == 1 && cells[0][0] == '[')
        list = json_loads(cells[0], 0, NULL);
    if (list != NULL)
        return json_object_set_new(fields, field->name, list) == 0 ? SW_OK : no_memory(error);
    list = repeated ? json_array() : NULL;
    for (size_t i = 0; i < count && code == SW_OK; i++) {
        code = sw_word_parse(field, cells[i], &value, error);
        if (code == SW_OK && repeated)
            json_array_append_new(list, value);
    }
    if (code == SW_OK)
        json_object_set_new(fields, field->name, repeated ? list : value);
    else
        json_decref(list);
    return code;
}

static sw_code read_plain_row(csv_reader *r, uint32_t origin, sw_error *error)
{
    const sw_resource_type *type = r->import->inputs[r->index].type;
    json_t *fields = json_object();
    sw_error why = {0};
    sw_code code = fields ? SW_OK : no_memory(&why);
    for (size_t i = 0; i < r->count && code == SW_OK; i++)
        if (r->fields[i] != NULL && r->row.cells[i][0] != '\0')
            code = set_field(fields, r->fields[i], &r->row.cells[i], 1, &why);
    if (code == SW_OK) {
        code = add(r->import, type, fields, origin, error);
    } else {
        sw_import_fail(r->import, origin, type, NULL, &why);
        code = SW_OK;
    }
    json_decref(fields);
    return code;
}

static void on_unplaced(void *context, size_t column, const char *reason)
{
    csv_reader *r = context;
    if (!r->noted[column])
        sw_import_unplaced(r->import, r->index, r->row.line, r->header[column], r->row.cells[column], reason);
    r->noted[column] = true;
}

/* The fields of one of the rows that a target gives; *whole: none of its key fields is empty. */
static sw_code target_fields(const sw_map_target *target, const sw_resource_type *type,
                             const sw_values *values, size_t at, json_t *fields, bool *whole, sw_error *error)
{
    sw_code code = SW_OK;
    *whole = true;
    for (const sw_map_field *field = target->fields; field != NULL && code == SW_OK;
         field = field->next, values++) {
        const ProtobufCFieldDescriptor *descriptor = sw_model_field(type, field->name);
        bool repeated = descriptor->label == PROTOBUF_C_LABEL_REPEATED;
        const char *const *cells = &values->items[values->count > 1 && !repeated ? at : 0];
        for (size_t k = 0; k < type->key_count; k++)
            *whole = *whole && (type->key[k] != descriptor || **cells != '\0');
        if (**cells != '\0')
            code = set_field(fields, descriptor, cells, repeated ? values->count : 1, error);
    }
    return code;
}

static sw_code read_target(csv_reader *r, const sw_map_target *target, uint32_t origin, sw_error *error)
{
    const sw_resource_type *type = r->import->map_types[target->index];
    sw_template_row row = {
        .cells = r->row.cells, .used = r->used, .arena = r->arena, .unplaced = on_unplaced, .context = r};
    memset(r->used, 0, r->count);
    size_t count = 0, rows = 1, at = 0;
    for (const sw_map_field *field = target->fields; field != NULL; field = field->next)
        count++;
    sw_values *values = sw_arena_alloc(r->arena, count * sizeof *values);
    bool applies = false;
    sw_error why = {0};
    sw_code code = values ? sw_map_applies(target, &row, &applies, &why) : no_memory(&why);
    if (code == SW_OK && !applies)
        return SW_OK;
    for (const sw_map_field *field = target->fields; field != NULL && code == SW_OK;
         field = field->next, at++) {
        code = sw_template_values(&field->template, &row, &values[at], &why);
        if (code != SW_OK || sw_model_field(type, field->name)->label == PROTOBUF_C_LABEL_REPEATED)
            continue;
        if (values[at].count > 1 && rows > 1 && values[at].count != rows)
            code = sw_fail(&why, SW_INVALID_ARGUMENT, "cells split into %zu and into %zu values", rows,
                           values[at].count);
        rows = values[at].count > rows ? values[at].count : rows;
    }
    if (code != SW_OK) {
        sw_import_fail(r->import, origin, type, NULL, &why);
        return SW_OK;
    }
    for (size_t i = 0; i < rows && code == SW_OK; i++) {
        bool whole = false;
        json_t *fields = json_object();
        why = (sw_error){0};
        if (fields == NULL)
            return no_memory(error);
        if (target_fields(target, type, values, i, fields, &whole, &why) != SW_OK)
            sw_import_fail(r->import, origin, type, NULL, &why);
        else if (whole)
            code = add(r->import, type, fields, origin, error);
        for (size_t k = 0; k < r->count && (whole || why.code != SW_OK); k++)
            r->made[k] = r->made[k] || r->used[k];
        json_decref(fields);
    }
    return code;
}

static sw_code read_mapped_row(csv_reader *r, uint32_t origin, sw_error *error)
{
    const sw_map *map = r->import->map;
    sw_code code = SW_OK;
    sw_arena_reset(r->arena);
    memset(r->made, 0, r->count);
    memset(r->noted, 0, r->count);
    for (const sw_map_target *target = map->targets; target != NULL && code == SW_OK; target = target->next)
        code = read_target(r, target, origin, error);
    for (size_t i = 0; i < r->count && code == SW_OK; i++) {
        if (is_blank(r->row.cells[i]) || map->left_out[i] || r->noted[i])
            continue;
        if (map->mentioned[i] && !r->made[i])
            on_unplaced(r, i, "no row was made with it");
        else if (!map->mentioned[i] && strcmp(r->header[i], SW_REASON_NAME) != 0)
            sw_import_count_unplaced(r->import, r->header[i]);
    }
    return code;
}

static sw_code read_csv_row(csv_reader *r, sw_error *error)
{
    r->import->rows_read++;
    uint32_t origin = sw_plan_origin(r->import->plan, r->index, r->row.line, r->row.raw, r->row.raw_size);
    if (origin == SW_NO_ROW)
        return no_memory(error);
    if (r->row.fault != NULL)
        return bad_row(r->import, origin, "%s", r->row.fault);
    if (r->row.count != r->count)
        return bad_row(r->import, origin, "%zu cells, but the header has %zu", r->row.count, r->count);
    return r->import->map ? read_mapped_row(r, origin, error) : read_plain_row(r, origin, error);
}

static sw_code read_csv(sw_import *import, uint32_t index, sw_error *error)
{
    sw_input *input = &import->inputs[index];
    csv_reader r = {.import = import, .index = index, .arena = sw_arena_new(0)};
    r.csv = sw_csv_new(input->file, input->delimiter);
    sw_code code = r.csv && r.arena ? SW_OK : no_memory(error);
    int got = 0;
    bool usable = true;
    while (code == SW_OK && usable && !sw_cli_stopped() && (got = sw_csv_next(r.csv, &r.row)) > 0) {
        code = r.header == NULL ? read_header(&r, &usable, error) : read_csv_row(&r, error);
        sw_import_progress(import, false);
    }
    if (code == SW_OK && got < 0)
        code = read_failed(input, error);
    for (size_t i = 0; i < r.count && r.header != NULL; i++)
        free(r.header[i]);
    free(r.header);
    free(r.fields);
    free(r.used);
    sw_arena_destroy(&r.arena);
    sw_csv_destroy(&r.csv);
    return code;
}

/* --- Both --- */

sw_code sw_import_read(sw_import *import, uint32_t input, sw_error *error)
{
    return import->inputs[input].kind == SW_INPUT_CSV ? read_csv(import, input, error)
                                                      : read_jsonl(import, input, error);
}

static sw_code check_target(const sw_map *map, const sw_map_target *target, const sw_resource_type *type,
                            sw_error *error)
{
    for (const sw_map_field *field = target->fields; field != NULL; field = field->next) {
        const ProtobufCFieldDescriptor *found = sw_model_field(type, field->name);
        sw_nearest nearest;
        char hint[200];
        sw_nearest_init(&nearest, field->name, strlen(field->name));
        for (unsigned i = 0; i < type->message->n_fields; i++)
            sw_nearest_offer(&nearest, type->message->fields[i].name);
        sw_nearest_text(&nearest, "", hint, sizeof hint);
        if (found == NULL)
            return sw_fail(error, SW_INVALID_ARGUMENT, "%.200s:%u: %s has no field `%.80s`%s", map->path,
                           field->line, type->name, field->name, hint);
        if (sw_model_kind(type, found) != SW_FIELD_PLAIN)
            return sw_fail(error, SW_INVALID_ARGUMENT, "%.200s:%u: %s.%s is set by the registry", map->path,
                           field->line, type->name, field->name);
    }
    for (size_t i = 0; i < type->key_count; i++) {
        bool set = false;
        for (const sw_map_field *field = target->fields; field != NULL; field = field->next)
            set = set || strcmp(field->name, type->key[i]->name) == 0;
        if (!set)
            return sw_fail(error, SW_INVALID_ARGUMENT,
                           "%.200s:%u: [%s] does not set `%s`, which is part of its key", map->path,
                           target->line, type->name, type->key[i]->name);
    }
    return SW_OK;
}

sw_code sw_import_check_map(sw_import *import, sw_error *error)
{
    size_t count = 0;
    for (const sw_map_target *target = import->map->targets; target != NULL; target = target->next)
        count++;
    import->map_types = calloc(count, sizeof *import->map_types);
    if (import->map_types == NULL)
        return no_memory(error);
    for (const sw_map_target *target = import->map->targets; target != NULL; target = target->next) {
        sw_error why = {0};
        const sw_resource_type **type = &import->map_types[target->index];
        if (sw_model_require(import->model, target->resource, type, &why) != SW_OK)
            return sw_fail(error, SW_INVALID_ARGUMENT, "%.200s:%u: %s", import->map->path, target->line,
                           why.message);
        sw_code code = check_target(import->map, target, *type, error);
        if (code != SW_OK)
            return code;
    }
    return SW_OK;
}
