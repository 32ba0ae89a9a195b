/* The file of rejects: rows that failed, as they came in, each with its reasons, to be mended and imported again. */
#include "import.h"

#include "base/error.h"
#include "import_csv.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool sw_import_is_reason(const char *cell)
{
    return strncmp(cell, SW_REASON_MARK, strlen(SW_REASON_MARK)) == 0;
}

/* The column of old reasons, in a file of rejects that is imported again; else SIZE_MAX. */
static size_t reason_column(const sw_csv_row *header)
{
    for (size_t i = 0; i < header->count; i++)
        if (strcmp(header->cells[i], SW_REASON_NAME) == 0)
            return i;
    return SIZE_MAX;
}

/* Behind the reason, which comes first: so it is found however many cells there are. */
static void write_cells(FILE *file, const sw_csv_row *row, size_t leave_out, char delimiter)
{
    for (size_t i = 0; i < row->count; i++)
        if (i != leave_out) {
            fputc(delimiter, file);
            sw_csv_write(file, row->cells[i], strlen(row->cells[i]), delimiter);
        }
}

/* One row of text; false if it is none. *csv keeps its cells and is for the caller to destroy, *memory to
 * close. */
static bool parse_row(const char *text, size_t size, char delimiter, FILE **memory, sw_csv **csv,
                      sw_csv_row *row)
{
    *csv = NULL;
    *memory = size > 0 ? fmemopen((void *)(uintptr_t)text, size, "r") : NULL;
    if (*memory != NULL)
        *csv = sw_csv_new(*memory, delimiter);
    return *csv != NULL && sw_csv_next(*csv, row) == 1 && row->fault == NULL;
}

static void free_row(FILE *memory, sw_csv *csv)
{
    sw_csv_destroy(&csv);
    if (memory != NULL)
        fclose(memory);
}

/* The cell of the old reason, or SIZE_MAX. */
static size_t reason_cell(const sw_csv_row *header, const sw_csv_row *row)
{
    size_t column = reason_column(header);
    if (column == SIZE_MAX || row->count == header->count)
        return column;
    for (size_t i = 0; i < row->count; i++)
        if (sw_import_is_reason(row->cells[i]))
            return i;
    return SIZE_MAX;
}

/* A row with the wrong number of cells keeps those that it has; what is no row at all becomes one cell, with empty ones behind it, so
 * that it has the wrong number of them until somebody mends it. */
static void write_csv_reject(FILE *file, const sw_input *input, const sw_csv_row *header,
                             const sw_origin *origin)
{
    FILE *memory;
    sw_csv *csv;
    sw_csv_row row;
    char reason[SW_ERROR_MESSAGE_SIZE + sizeof(SW_REASON_MARK)];
    int length = snprintf(reason, sizeof(reason), "%s%s", SW_REASON_MARK, origin->reason);
    sw_csv_write(file, reason, (size_t)length < sizeof(reason) ? (size_t)length : sizeof(reason) - 1,
                 input->delimiter);
    if (parse_row(origin->raw, origin->raw_size, input->delimiter, &memory, &csv, &row)) {
        write_cells(file, &row, reason_cell(header, &row), input->delimiter);
    } else {
        fputc(input->delimiter, file);
        sw_csv_write(file, origin->raw, origin->raw_size, input->delimiter);
        for (size_t i = reason_column(header) == SIZE_MAX ? 0 : 1; i < header->count; i++)
            fputc(input->delimiter, file);
    }
    free_row(memory, csv);
    fputc('\n', file);
}

static void write_json_reject(FILE *file, const sw_input *input, const sw_origin *origin)
{
    json_t *row = json_loadb(origin->raw, origin->raw_size, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(row)) {
        json_decref(row);
        row = json_pack("{s:s%}", SW_LINE_NAME, origin->raw, origin->raw_size);
        if (row == NULL) /* JSON cannot hold it */
            row = json_pack("{s:s}", SW_LINE_NAME, "(a line that is not UTF-8)");
    }
    if (input->type != NULL && json_object_get(row, "resource") == NULL)
        json_object_set_new(row, "resource", json_string(input->type->name));
    json_object_set_new(row, SW_REASON_NAME, json_string(origin->reason));
    json_dumpf(row, file, JSON_COMPACT);
    fputc('\n', file);
    json_decref(row);
}

static void write_rejects_to(sw_import *import, uint32_t index, FILE *file, uint64_t *count)
{
    const sw_input *input = &import->inputs[index];
    FILE *memory = NULL;
    sw_csv *csv = NULL;
    sw_csv_row header = {0};
    if (input->kind == SW_INPUT_CSV &&
        parse_row(input->header, strlen(input->header), input->delimiter, &memory, &csv, &header)) {
        fputs(SW_REASON_NAME, file);
        write_cells(file, &header, reason_column(&header), input->delimiter);
        fputc('\n', file);
    }
    for (size_t i = 0; i < sw_plan_origins(import->plan); i++) {
        const sw_origin *origin = sw_plan_origin_at(import->plan, (uint32_t)i);
        if (origin->file != index || origin->reason == NULL || origin->raw_size == 0)
            continue;
        if (input->kind == SW_INPUT_JSONL)
            write_json_reject(file, input, origin);
        else
            write_csv_reject(file, input, &header, origin);
        ++*count;
    }
    free_row(memory, csv);
}

static bool is_input(const sw_import *import, const char *path)
{
    for (size_t i = 0; i < import->input_count; i++)
        if (strcmp(import->inputs[i].path, path) == 0)
            return true;
    return false;
}

/* Writes beside the file and renames: it may be the input itself. */
static sw_code write_rejects_of(sw_import *import, uint32_t index, const char *path, uint64_t *count,
                                sw_error *error)
{
    bool any = false;
    for (size_t i = 0; i < sw_plan_origins(import->plan) && !any; i++) {
        const sw_origin *origin = sw_plan_origin_at(import->plan, (uint32_t)i);
        any = origin->file == index && origin->reason != NULL && origin->raw_size > 0;
    }
    if (!any) { /* an old file of rejects would say otherwise */
        if (!is_input(import, path))
            unlink(path);
        return SW_OK;
    }
    char temporary[4096 + 8];
    snprintf(temporary, sizeof temporary, "%s.new", path);
    FILE *file = fopen(temporary, "we");
    if (file == NULL)
        return sw_fail(error, sw_cli_file_code(errno), "cannot write %.200s: %s", temporary, strerror(errno));
    write_rejects_to(import, index, file, count);
    bool failed = ferror(file) != 0;
    failed = fclose(file) != 0 || failed;
    if (failed || rename(temporary, path) != 0)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "cannot write %.200s: %s", path, strerror(errno));
    return SW_OK;
}

sw_code sw_import_write_rejects(sw_import *import, uint64_t *count, sw_error *error)
{
    *count = 0;
    if (import->rejects == NULL)
        return SW_OK;
    if (import->input_count == 1)
        return write_rejects_of(import, 0, import->rejects, count, error);
    if (mkdir(import->rejects, 0777) != 0 && errno != EEXIST)
        return sw_fail(error, sw_cli_file_code(errno), "cannot make the folder %.200s: %s", import->rejects,
                       strerror(errno));
    sw_code code = SW_OK;
    for (uint32_t i = 0; i < import->input_count && code == SW_OK; i++) {
        const char *slash = strrchr(import->inputs[i].name, '/');
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", import->rejects, slash ? slash + 1 : import->inputs[i].name);
        code = write_rejects_of(import, i, path, count, error);
    }
    return code;
}
