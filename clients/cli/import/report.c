/* What an import prints: failed rows and unusable cells as they occur, progress, and the
 * summary. People get stderr and a table; with --json each item is an object on stdout. */
#include "cli/import/import.h"

#include "base/clock.h"
#include "base/error.h"
#include "cli/term/grid.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define DRAW_US 100000

static void clear_line(sw_import *import)
{
    if (import->drawn)
        fputs("\r\033[K", stderr);
    import->drawn = false;
}

/* Prints a line for people; cells and names of files are made safe to show. */
__attribute__((format(printf, 1, 2))) static void print_line(const char *format, ...)
{
    char *text = NULL;
    va_list list;
    va_start(list, format);
    if (vasprintf(&text, format, list) < 0)
        text = NULL;
    va_end(list);
    sw_text_print(stderr, text != NULL ? text : "out of memory");
    fputc('\n', stderr);
    free(text);
}

/* Prints the object and drops the reference. */
static void print_object(json_t *object)
{
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    if (text != NULL)
        puts(text);
    free(text);
    json_decref(object);
}

void sw_import_fail(sw_import *import, uint32_t origin, const sw_model_type *type, const char *key,
                    const sw_error *error)
{
    const sw_origin *at = sw_import_plan_origin_at(import->plan, origin);
    const char *file = import->inputs[at->file].name;
    char shown[SW_KEY_TEXT_SIZE] = "";
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
        print_line("%s:%u: %s%s%s%s%s%s%s: %s", file, at->line, type ? type->name : "", key ? " " : "", shown,
                   type ? ": " : "", error->field, error->field[0] ? ": " : "", sw_code_name(error->code),
                   error->message);
    }
    sw_import_plan_reject(import->plan, origin, error->field, error->message);
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
    if (grown == NULL || name == NULL) { /* only the total of its column is missing now */
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
    print_line("%s:%u: unplaced: column `%s`: `%.100s`: %s", file, line, column, cell, reason);
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
    print_line("%s:%u: %s", file, line, text);
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
        uint64_t all = sw_import_plan_rows(import->plan);
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
    const sw_model_type *const *types;
    size_t count = sw_model_types(import->model, &types);
    json_t *resources = json_object(), *unplaced = json_object();
    for (size_t i = 0; i < count; i++) {
        const sw_tally *tally = sw_import_plan_tally(import->plan, types[i]);
        if (!is_idle(tally))
            json_object_set_new(resources, types[i]->name, tally_json(tally));
    }
    for (size_t i = 0; i < import->unplaced_count; i++)
        json_object_set_new(unplaced, import->unplaced[i].column,
                            json_integer((json_int_t)import->unplaced[i].count));
    json_t *total = tally_json(sum);
    double seconds = (double)(import->ended_us - import->started_us) / 1e6;
    print_object(json_pack("{s:{s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:b, s:f, s:I}}", "summary",
                           "resources", resources, "total", total, "unplaced", unplaced, "rows_read",
                           (json_int_t)import->rows_read, "rows_rejected", (json_int_t)import->rows_rejected,
                           "rejects_written", (json_int_t)rejected, "not_sent", (json_int_t)unsent,
                           "computed_left_out", (json_int_t)sw_import_plan_computed(import->plan), "dry_run",
                           import->dry_run, "interrupted", import->interrupted, "changed",
                           sum->created + sum->updated + import->secrets_set > 0 && !import->dry_run,
                           "seconds", seconds, "secrets", (json_int_t)import->secrets_set));
}

static void print_table(sw_import *import, const sw_tally *sum)
{
    const sw_model_type *const *types;
    size_t count = sw_model_types(import->model, &types);
    printf("%-32s %9s %9s %9s %9s\n", "", "created", "updated", "unchanged", "failed");
    for (size_t i = 0; i <= count; i++) {
        const sw_tally *t = i < count ? sw_import_plan_tally(import->plan, types[i]) : sum;
        if (i == count || !is_idle(t))
            printf("%-32s %9llu %9llu %9llu %9llu\n", i < count ? types[i]->name : "all",
                   (unsigned long long)t->created, (unsigned long long)t->updated,
                   (unsigned long long)t->unchanged, (unsigned long long)t->failed);
    }
}

void sw_import_summary(sw_import *import, uint64_t rejected)
{
    const sw_model_type *const *types;
    size_t count = sw_model_types(import->model, &types);
    sw_tally sum = {0};
    for (size_t i = 0; i < count; i++)
        add_tally(&sum, sw_import_plan_tally(import->plan, types[i]));
    uint64_t unsent = sw_import_plan_rows(import->plan) - import->finished;
    if (import->cli->json) {
        print_summary_json(import, &sum, unsent, rejected);
        return;
    }
    print_table(import, &sum);
    double seconds = (double)(import->ended_us - import->started_us) / 1e6;
    printf("\n%llu rows read, %llu rejected, %zu rows of resources made of them (%llu repeated ones left "
           "out), in %.1f s: %.0f/s\n",
           (unsigned long long)import->rows_read, (unsigned long long)import->rows_rejected,
           sw_import_plan_rows(import->plan), (unsigned long long)sum.repeated, seconds,
           seconds > 0 ? (double)import->finished / seconds : 0);
    if (import->secrets_set > 0)
        printf("%llu secrets %s\n", (unsigned long long)import->secrets_set,
               import->dry_run ? "can be opened" : "set");
    for (size_t i = 0; i < import->unplaced_count; i++)
        printf("unplaced: %llu cells of column `%s`\n", (unsigned long long)import->unplaced[i].count,
               import->unplaced[i].column);
    if (sw_import_plan_computed(import->plan) > 0)
        printf("left out: %llu values that the registry sets\n",
               (unsigned long long)sw_import_plan_computed(import->plan));
    if (unsent > 0)
        printf("%s: %llu rows were not sent; repeat the same import to continue\n",
               import->interrupted ? "interrupted" : "stopped because nobody answers",
               (unsigned long long)unsent);
    if (rejected > 0) {
        const sw_args *args = &import->cli->args;
        const sw_model_type *type = import->input_count == 1 ? import->inputs[0].type : NULL;
        const char *flag = sw_args_has(args, "map") ? "--map " : type != NULL ? "--resource " : "";
        const char *value = sw_args_has(args, "map") ? sw_args_value(args, "map")
                            : type != NULL           ? type->name
                                                     : "";
        printf("%llu rejected row%s in %s: correct what is wrong, then `sitewire import %s%s %s%s`\n",
               (unsigned long long)rejected, rejected == 1 ? " is" : "s are", import->rejects, flag, value,
               import->rejects, import->input_count > 1 ? "/*" : "");
    }
    if (import->dry_run)
        puts("a dry run: nothing was changed");
    else if (sum.created + sum.updated + import->secrets_set == 0 && unsent == 0)
        puts("nothing changed");
}
