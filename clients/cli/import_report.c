/* What an import says: failed rows and cells without a place as they come, progress, the file of rejects, and
 * the summary. People read stderr and a table; with --json each is one object on stdout. */
#include "import.h"

#include "base/clock.h"
#include "base/error.h"
#include "import_csv.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DRAW_US 100000

static void clear_line(sw_import *import)
{
    if (import->drawn)
        fputs("\r\033[K", stderr);
    import->drawn = false;
}

/* Consumes the object. */
static void print_object(json_t *object)
{
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    if (text != NULL)
        puts(text);
    free(text);
    json_decref(object);
}

void sw_import_fail(sw_import *import, uint32_t origin, const sw_resource_type *type, const char *key,
                    const sw_error *error)
{
    const sw_origin *at = sw_plan_origin_at(import->plan, origin);
    const char *file = import->inputs[at->file].name;
    char shown[SW_KEY_SIZE] = "";
    if (key != NULL)
        sw_model_key_print(strcpy(shown, key)); /* plan keys fit */
    if (import->first_code == SW_OK || origin < import->first_origin) {
        import->first_code = error->code;
        import->first_origin = origin;
    }
    if (at->reason == NULL)
        import->rows_rejected++;
    if (import->cli->json) {
        print_object(json_pack("{s:s, s:s, s:i, s:s*, s:s*, s:s*, s:s, s:s}", "problem", "failed", "file",
                               file, "line", (int)at->line, "resource", type ? type->name : NULL, "key",
                               key ? shown : NULL, "field", error->field[0] ? error->field : NULL, "code",
                               sw_code_name(error->code), "reason", error->message));
    } else {
        clear_line(import);
        fprintf(stderr, "%s:%u: %s%s%s%s%s%s%s: %s\n", file, at->line, type ? type->name : "", key ? " " : "",
                shown, type ? ": " : "", error->field, error->field[0] ? ": " : "", sw_code_name(error->code),
                error->message);
    }
    sw_plan_reject(import->plan, origin, error->field, error->message);
}

void sw_import_count_unplaced(sw_import *import, const char *column)
{
    for (size_t i = 0; i < import->unplaced_count; i++)
        if (strcmp(import->unplaced[i].column, column) == 0) {
            import->unplaced[i].count++;
            return;
        }
    sw_unplaced *grown = reallocarray(import->unplaced, import->unplaced_count + 1, sizeof *grown);
    char *name = strdup(column);
    if (grown == NULL || name == NULL) { /* the cell was reported; only the sum by column lacks it */
        free(name);
        import->unplaced = grown ? grown : import->unplaced;
        return;
    }
    import->unplaced = grown;
    import->unplaced[import->unplaced_count++] = (sw_unplaced){.column = name, .count = 1};
}

void sw_import_unplaced(sw_import *import, uint32_t input, uint32_t line, const char *column,
                        const char *cell, const char *reason)
{
    const char *file = import->inputs[input].name;
    sw_import_count_unplaced(import, column);
    if (import->cli->json) {
        print_object(json_pack("{s:s, s:s, s:i, s:s, s:s*, s:s}", "problem", "unplaced", "file", file, "line",
                               (int)line, "column", column, "cell", cell, "reason", reason));
        return;
    }
    clear_line(import);
    fprintf(stderr, "%s:%u: unplaced: column `%s`: `%.100s`: %s\n", file, line, column, cell, reason);
}

void sw_import_note(sw_import *import, uint32_t input, uint32_t line, const char *text)
{
    const char *file = import->inputs[input].name;
    if (import->cli->json) {
        print_object(json_pack("{s:s, s:s, s:i, s:s}", "problem", "note", "file", file, "line", (int)line,
                               "reason", text));
        return;
    }
    clear_line(import);
    fprintf(stderr, "%s:%u: %s\n", file, line, text);
}

void sw_import_progress(sw_import *import, bool last)
{
    if (!import->cli->err_terminal || import->cli->json)
        return;
    int64_t now = sw_now_us();
    if (!last && now - import->drawn_us < DRAW_US)
        return;
    import->drawn_us = now;
    if (last) {
        clear_line(import);
        return;
    }
    if (import->sending_us == 0) {
        fprintf(stderr, "\r\033[Kreading: %llu rows", (unsigned long long)import->rows_read);
    } else {
        uint64_t all = sw_plan_rows(import->plan);
        double seconds = (double)(now - import->sending_us) / 1e6;
        double rate = seconds > 0 ? (double)import->finished / seconds : 0;
        fprintf(stderr, "\r\033[K%llu of %llu sent, %.0f %%, %.0f/s", (unsigned long long)import->finished,
                (unsigned long long)all, all ? 100.0 * (double)import->finished / (double)all : 100.0, rate);
        if (rate > 0)
            fprintf(stderr, ", %.0f s left", (double)(all - import->finished) / rate);
    }
    fflush(stderr);
    import->drawn = true;
}

/* --- The file of rejects --- */

/* The column of old reasons, in a file of rejects that is imported again; else SIZE_MAX. */
static size_t reason_column(const sw_csv_row *header)
{
    for (size_t i = 0; i < header->count; i++)
        if (strcmp(header->cells[i], SW_REASON_NAME) == 0)
            return i;
    return SIZE_MAX;
}

static void write_cells(FILE *file, const sw_csv_row *row, size_t leave_out, char delimiter)
{
    for (size_t i = 0; i < row->count; i++)
        if (i != leave_out) {
            sw_csv_write(file, row->cells[i], strlen(row->cells[i]), delimiter);
            fputc(delimiter, file);
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

/* A row with the wrong number of cells keeps having the wrong number, until somebody mends it; what is no row
 * at all becomes one cell, with empty ones behind it for the same purpose. */
static void write_csv_reject(FILE *file, const sw_input *input, const sw_csv_row *header,
                             const sw_origin *origin)
{
    FILE *memory;
    sw_csv *csv;
    sw_csv_row row;
    size_t reasons = reason_column(header), wanted = header->count + (reasons == SIZE_MAX), written = 1;
    if (parse_row(origin->raw, origin->raw_size, input->delimiter, &memory, &csv, &row)) {
        bool whole = row.count == header->count;
        write_cells(file, &row, whole ? reasons : SIZE_MAX, input->delimiter);
        written += row.count - (whole && reasons != SIZE_MAX);
        if (!whole && written == wanted)
            fputc(input->delimiter, file);
    } else {
        sw_csv_write(file, origin->raw, origin->raw_size, input->delimiter);
        for (size_t i = 0; i <= wanted; i++)
            fputc(input->delimiter, file);
    }
    free_row(memory, csv);
    sw_csv_write(file, origin->reason, strlen(origin->reason), input->delimiter);
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
        write_cells(file, &header, reason_column(&header), input->delimiter);
        fputs(SW_REASON_NAME "\n", file);
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
        return sw_fail(error, SW_PERMISSION_DENIED, "cannot write %.200s: %s", temporary, strerror(errno));
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
        return sw_fail(error, SW_PERMISSION_DENIED, "cannot make the folder %.200s: %s", import->rejects,
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

/* --- The summary --- */

static json_t *tally_json(const sw_tally *tally)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "created", (json_int_t)tally->created, "updated",
                     (json_int_t)tally->updated, "unchanged", (json_int_t)tally->unchanged, "failed",
                     (json_int_t)tally->failed, "repeated", (json_int_t)tally->repeated);
}

static void add_tally(sw_tally *sum, const sw_tally *tally)
{
    sum->created += tally->created;
    sum->updated += tally->updated;
    sum->unchanged += tally->unchanged;
    sum->failed += tally->failed;
    sum->repeated += tally->repeated;
}

static bool is_idle(const sw_tally *tally)
{
    return tally->created + tally->updated + tally->unchanged + tally->failed + tally->repeated == 0;
}

static void print_summary_json(sw_import *import, const sw_tally *sum, uint64_t unsent, uint64_t rejected)
{
    const sw_resource_type *const *types;
    size_t count = sw_model_types(import->model, &types);
    json_t *resources = json_object(), *unplaced = json_object();
    for (size_t i = 0; i < count; i++) {
        const sw_tally *tally = sw_plan_tally(import->plan, types[i]);
        if (!is_idle(tally))
            json_object_set_new(resources, types[i]->name, tally_json(tally));
    }
    for (size_t i = 0; i < import->unplaced_count; i++)
        json_object_set_new(unplaced, import->unplaced[i].column,
                            json_integer((json_int_t)import->unplaced[i].count));
    json_t *total = tally_json(sum);
    double seconds = (double)(import->ended_us - import->started_us) / 1e6;
    print_object(json_pack("{s:{s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:b, s:f}}", "summary",
                           "resources", resources, "total", total, "unplaced", unplaced, "rows_read",
                           (json_int_t)import->rows_read, "rows_rejected", (json_int_t)import->rows_rejected,
                           "rejects_written", (json_int_t)rejected, "not_sent", (json_int_t)unsent,
                           "computed_left_out", (json_int_t)sw_plan_computed(import->plan), "dry_run",
                           import->dry_run, "interrupted", import->interrupted, "changed",
                           sum->created + sum->updated > 0 && !import->dry_run, "seconds", seconds));
}

static void print_table(sw_import *import, const sw_tally *sum)
{
    const sw_resource_type *const *types;
    size_t count = sw_model_types(import->model, &types);
    printf("%-32s %9s %9s %9s %9s\n", "", "created", "updated", "unchanged", "failed");
    for (size_t i = 0; i <= count; i++) {
        const sw_tally *t = i < count ? sw_plan_tally(import->plan, types[i]) : sum;
        if (i == count || !is_idle(t))
            printf("%-32s %9llu %9llu %9llu %9llu\n", i < count ? types[i]->name : "all",
                   (unsigned long long)t->created, (unsigned long long)t->updated,
                   (unsigned long long)t->unchanged, (unsigned long long)t->failed);
    }
}

void sw_import_summary(sw_import *import, uint64_t rejected)
{
    const sw_resource_type *const *types;
    size_t count = sw_model_types(import->model, &types);
    sw_tally sum = {0};
    for (size_t i = 0; i < count; i++)
        add_tally(&sum, sw_plan_tally(import->plan, types[i]));
    uint64_t unsent = sw_plan_rows(import->plan) - import->finished;
    if (import->cli->json) {
        print_summary_json(import, &sum, unsent, rejected);
        return;
    }
    print_table(import, &sum);
    double seconds = (double)(import->ended_us - import->started_us) / 1e6;
    printf("\n%llu rows read, %llu rejected, %zu made of them (%llu repeated ones left out), in %.1f s: "
           "%.0f/s\n",
           (unsigned long long)import->rows_read, (unsigned long long)import->rows_rejected,
           sw_plan_rows(import->plan), (unsigned long long)sum.repeated, seconds,
           seconds > 0 ? (double)import->finished / seconds : 0);
    for (size_t i = 0; i < import->unplaced_count; i++)
        printf("unplaced: %llu cells of column `%s`\n", (unsigned long long)import->unplaced[i].count,
               import->unplaced[i].column);
    if (sw_plan_computed(import->plan) > 0)
        printf("left out: %llu values that the registry sets itself\n",
               (unsigned long long)sw_plan_computed(import->plan));
    if (unsent > 0)
        printf("%s: %llu rows were not sent; import the same again to go on\n",
               import->interrupted ? "interrupted" : "stopped, as nobody answers",
               (unsigned long long)unsent);
    if (rejected > 0)
        printf("%llu rejected rows are in %s: mend them and import that\n", (unsigned long long)rejected,
               import->rejects);
    if (import->dry_run)
        puts("a dry run: nothing was changed");
    else if (sum.created + sum.updated == 0 && unsent == 0)
        puts("nothing changed");
}
