/* Reads CSV into rows of the plan: of one resource, or of any shape by a mapping. */
#include "cli/import/import.h"

#include "base/error.h"
#include "base/nearest.h"
#include "cli/rows/csv.h"
#include "cli/run/interrupt.h"
#include "cli/schema/value.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    sw_import *import;
    uint32_t index;
    sw_csv *csv;
    sw_csv_row row;
    char **header;
    size_t count;
    const ProtobufCFieldDescriptor **fields; /* by column, without a mapping; NULL: not a field */
    sw_arena *arena;                         /* reset for each row */
    bool *used, *made, *noted;               /* by column, for the current row */
} csv_reader;

static bool is_blank(const char *cell)
{
    return cell[strspn(cell, " \t\r\n")] == '\0';
}

/* Reports an error in the whole file; the other files are imported. */
static sw_code bad_file(csv_reader *r, uint32_t line, const char *text)
{
    uint32_t origin = sw_import_plan_origin(r->import->plan, r->index, line, "", 0);
    return origin == SW_NO_ROW
               ? SW_RESOURCE_EXHAUSTED
               : sw_import_bad_row(r->import, origin, "%s; nothing of this file was imported", text);
}

static sw_code find_fields(csv_reader *r, const sw_model_type *type, sw_error *error)
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
                       "column `%.80s` is not a field of %s%s (to read other CSV, use --map)", r->header[i],
                       type->name, hint);
    }
    return SW_OK;
}

/* Notes once each column that the mapping does not mention; its cells are counted. */
static void note_strangers(csv_reader *r)
{
    const sw_map *map = r->import->map;
    for (size_t i = 0; i < r->count; i++) {
        if (map->mentioned[i] || map->left_out[i] || strcmp(r->header[i], SW_REASON_NAME) == 0)
            continue;
        char text[300];
        snprintf(text, sizeof text,
                 "column `%.100s` is not in the mapping: use it, or list it under [ignore] with the reason",
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

/* Reads the header. *usable: the rest of the file can be read. */
static sw_code read_header(csv_reader *r, bool *usable, sw_error *error)
{
    sw_input *input = &r->import->inputs[r->index];
    r->count = r->row.count;
    r->header = calloc(r->count + 1, sizeof *r->header);
    r->fields = calloc(r->count + 1, sizeof *r->fields);
    r->used = calloc(3 * (r->count + 1), sizeof *r->used);
    input->header = strndup(r->row.raw, r->row.raw_size);
    if (r->header == NULL || r->fields == NULL || r->used == NULL || input->header == NULL)
        return sw_import_no_memory(error);
    r->made = r->used + r->count + 1;
    r->noted = r->made + r->count + 1;
    sw_error why = {0};
    sw_code code = r->row.fault
                       ? sw_fail(&why, SW_INVALID_ARGUMENT, "the header cannot be read: %s", r->row.fault)
                       : SW_OK;
    for (size_t i = 0; i < r->count; i++)
        if ((r->header[i] = strdup(r->row.cells[i])) == NULL)
            return sw_import_no_memory(error);
    for (size_t i = 0; i < r->count && code == SW_OK; i++)
        for (size_t k = 0; k < i && code == SW_OK; k++)
            if (strcmp(r->header[i], r->header[k]) == 0)
                code = sw_fail(&why, SW_INVALID_ARGUMENT, "the header has two columns `%.80s`", r->header[i]);
    if (code == SW_OK && r->count > 0 && strncmp(r->header[0], "\xFF\xFE", 2) == 0)
        code = sw_fail(&why, SW_INVALID_ARGUMENT, "the file is UTF-16; save it as UTF-8");
    if (code == SW_OK)
        code = r->import->map ? sw_map_bind(r->import->map, (const char *const *)r->header, r->count, &why)
                              : find_fields(r, input->type, &why);
    for (size_t i = 0; i < r->count && code == SW_OK && r->import->map != NULL; i++)
        if (r->import->map->mentioned[i] && strcmp(r->header[i], SW_REASON_NAME) == 0)
            code = sw_fail(&why, SW_INVALID_ARGUMENT,
                           "the mapping uses the column `" SW_REASON_NAME
                           "`, which holds the reasons of rejected rows: rename the column");
    if (code == SW_OK && r->import->map != NULL)
        note_strangers(r);
    *usable = code == SW_OK;
    return code == SW_OK ? SW_OK : bad_file(r, r->row.line, why.message);
}

/* Sets a field of `fields` from cells. A repeated field takes all the values, or a JSON array in
 * one cell. */
static sw_code set_field(json_t *fields, const ProtobufCFieldDescriptor *field, const char *const *cells,
                         size_t count, sw_error *error)
{
    bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    json_t *value = NULL, *list = NULL;
    sw_code code = SW_OK;
    if (repeated && count == 1 && cells[0][0] == '[')
        list = json_loads(cells[0], 0, NULL);
    if (list != NULL)
        return json_object_set_new(fields, field->name, list) == 0 ? SW_OK : sw_import_no_memory(error);
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
    const sw_model_type *type = r->import->inputs[r->index].type;
    json_t *fields = json_object();
    sw_error why = {0};
    sw_code code = fields ? SW_OK : sw_import_no_memory(&why);
    for (size_t i = 0; i < r->count && code == SW_OK; i++)
        if (r->fields[i] != NULL && r->row.cells[i][0] != '\0')
            code = set_field(fields, r->fields[i], &r->row.cells[i], 1, &why);
    if (code == SW_OK) {
        code = sw_import_add(r->import, type, fields, origin, error);
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

/* The fields of one of the rows that a target makes. *whole: no field of the key is empty. */
static sw_code target_fields(const sw_map_target *target, const sw_model_type *type, const sw_values *values,
                             size_t at, json_t *fields, bool *whole, sw_error *error)
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
    const sw_model_type *type = r->import->map_types[target->index];
    sw_template_row row = {
        .cells = r->row.cells, .used = r->used, .arena = r->arena, .unplaced = on_unplaced, .context = r};
    memset(r->used, 0, r->count);
    size_t count = 0, rows = 1, at = 0;
    for (const sw_map_field *field = target->fields; field != NULL; field = field->next)
        count++;
    sw_values *values = sw_arena_alloc(r->arena, count * sizeof *values);
    bool applies = false;
    sw_error why = {0};
    sw_code code = values ? sw_map_applies(target, &row, &applies, &why) : sw_import_no_memory(&why);
    if (code == SW_OK && !applies)
        return SW_OK;
    for (const sw_map_field *field = target->fields; field != NULL && code == SW_OK;
         field = field->next, at++) {
        code = sw_template_values(&field->template, &row, &values[at], &why);
        if (code != SW_OK || sw_model_field(type, field->name)->label == PROTOBUF_C_LABEL_REPEATED)
            continue;
        if (values[at].count > 1 && rows > 1 && values[at].count != rows)
            code = sw_fail(&why, SW_INVALID_ARGUMENT, "the cells split into %zu and %zu values", rows,
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
            return sw_import_no_memory(error);
        if (target_fields(target, type, values, i, fields, &whole, &why) != SW_OK)
            sw_import_fail(r->import, origin, type, NULL, &why);
        else if (whole)
            code = sw_import_add(r->import, type, fields, origin, error);
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
            on_unplaced(r, i, "it was not used in any row");
        else if (!map->mentioned[i] && strcmp(r->header[i], SW_REASON_NAME) != 0)
            sw_import_count_unplaced(r->import, r->header[i]);
    }
    return code;
}

static sw_code read_csv_row(csv_reader *r, sw_error *error)
{
    r->import->rows_read++;
    uint32_t origin =
        sw_import_plan_origin(r->import->plan, r->index, r->row.line, r->row.raw, r->row.raw_size);
    if (origin == SW_NO_ROW)
        return sw_import_no_memory(error);
    if (r->row.fault != NULL)
        return sw_import_bad_row(r->import, origin, "%s", r->row.fault);
    if (r->row.count != r->count) {
        /* In a file of rejects the first cell is the reason, which the user does not count. */
        size_t reason = sw_import_is_reason(r->row.cells[0]);
        return sw_import_bad_row(r->import, origin, "%zu cell%s, but the header has %zu",
                                 r->row.count - reason, r->row.count - reason == 1 ? "" : "s",
                                 r->count - reason);
    }
    return r->import->map ? read_mapped_row(r, origin, error) : read_plain_row(r, origin, error);
}

sw_code sw_import_read_csv(sw_import *import, uint32_t index, sw_error *error)
{
    sw_input *input = &import->inputs[index];
    csv_reader r = {.import = import, .index = index, .arena = sw_arena_new(0)};
    r.csv = sw_csv_new(input->file, input->delimiter);
    sw_code code = r.csv && r.arena ? SW_OK : sw_import_no_memory(error);
    int got = 0;
    bool usable = true;
    while (code == SW_OK && usable && !sw_cli_stopped() && (got = sw_csv_next(r.csv, &r.row)) > 0) {
        code = r.header == NULL ? read_header(&r, &usable, error) : read_csv_row(&r, error);
        sw_import_progress(import, false);
    }
    if (code == SW_OK && got < 0)
        code = sw_import_read_failed(input, error);
    for (size_t i = 0; i < r.count && r.header != NULL; i++)
        free(r.header[i]);
    free(r.header);
    free(r.fields);
    free(r.used);
    sw_arena_destroy(&r.arena);
    sw_csv_destroy(&r.csv);
    return code;
}
