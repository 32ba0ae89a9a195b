/* The file of rejects: the rows that failed, as they were read, each with its reasons, to be
 * corrected and imported again. */
#include "cli/import/import.h"

#include "base/error.h"
#include "base/folder.h"
#include "cli/rows/csv.h"
#include "cli/schema/csv_cell.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool sw_import_is_reason(const char *cell)
{
    return strncmp(cell, SW_REASON_MARK, strlen(SW_REASON_MARK)) == 0;
}

/* The column of earlier reasons, if the input is a file of rejects; else SIZE_MAX. */
static size_t reason_column(const sw_csv_row *header)
{
    for (size_t i = 0; i < header->count; i++)
        if (strcmp(header->cells[i], SW_REASON_NAME) == 0)
            return i;
    return SIZE_MAX;
}

/* Writes the cells after the reason, which comes first so that it is found in a row with any
 * number of cells. */
static void write_cells(FILE *file, const sw_csv_row *row, size_t leave_out, char delimiter)
{
    for (size_t i = 0; i < row->count; i++)
        if (i != leave_out) {
            fputc(delimiter, file);
            sw_csv_write(file, row->cells[i], strlen(row->cells[i]), delimiter);
        }
}

/* Parses the text of one row; false if it is not a row. The caller destroys *csv, which owns the
 * cells, and closes *memory. */
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

/* The cell with the earlier reason, or SIZE_MAX. */
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

/* A row with the wrong number of cells keeps the cells that it has. Text that cannot be parsed
 * becomes one cell, followed by as many empty ones as make the number wrong, so that the row is
 * not accepted until somebody corrects it. */
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
        if (row == NULL) /* it is not UTF-8, so JSON cannot hold it */
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
    for (size_t i = 0; i < sw_import_plan_origins(import->plan); i++) {
        const sw_origin *origin = sw_import_plan_origin_at(import->plan, (uint32_t)i);
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

/* Where rejects are written: a regular file is replaced; a device or a pipe is written to. */
typedef struct target {
    sw_folder folder;
    char name[NAME_MAX + 1];
    struct stat about;
    bool exists, replaces;
} target;

static sw_code find_target(const char *path, target *to, sw_error *error)
{
    sw_error why;
    sw_code code = sw_folder_of_file(path, &to->folder, to->name, &why);
    if (code != SW_OK)
        return sw_fail(error, code, "--rejects: %s", why.message);
    to->exists = fstatat(to->folder.fd, to->name, &to->about, 0) == 0;
    to->replaces = !to->exists || S_ISREG(to->about.st_mode);
    return SW_OK;
}

static bool is_input(const sw_import *import, const target *to)
{
    for (size_t i = 0; i < import->input_count && to->exists; i++) {
        struct stat about;
        bool standard = strcmp(import->inputs[i].path, "-") == 0;
        if ((standard ? fstat(STDIN_FILENO, &about) : stat(import->inputs[i].path, &about)) == 0 &&
            about.st_dev == to->about.st_dev && about.st_ino == to->about.st_ino)
            return true;
    }
    return false;
}

static sw_code fail_write(const char *path, sw_error *error)
{
    return sw_fail(error, sw_file_code(errno), "--rejects: cannot write %.200s: %s", path, strerror(errno));
}

/* Opens the device or the pipe that find_target has seen, and nothing that replaced it since. */
static FILE *open_device(const target *to)
{
    struct stat about;
    int fd = openat(to->folder.fd, to->name, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    bool same =
        fstat(fd, &about) == 0 && about.st_dev == to->about.st_dev && about.st_ino == to->about.st_ino;
    FILE *file = same ? fdopen(fd, "w") : NULL;
    if (file == NULL)
        close(fd);
    return file;
}

/* Opens what is written to: the device, or a temporary file with the owner and the mode of the old
 * file. The mode's bits for set-user-ID are not kept: the content is new. */
static FILE *open_target(const target *to, const char *temporary)
{
    FILE *file = to->replaces ? sw_folder_new_file(&to->folder, temporary, 0666) : open_device(to);
    if (file != NULL && to->exists && to->replaces) {
        (void)!fchown(fileno(file), to->about.st_uid, to->about.st_gid);
        (void)!fchmod(fileno(file), to->about.st_mode & 0777);
    }
    return file;
}

/* Writes a temporary file and renames it: the target may be the input itself. */
static sw_code write_target(sw_import *import, uint32_t index, const char *path, const target *to,
                            uint64_t *count, sw_error *error)
{
    char temporary[NAME_MAX + 8];
    snprintf(temporary, sizeof temporary, "%s.new", to->name);
    FILE *file = open_target(to, temporary);
    if (file == NULL)
        return fail_write(path, error);
    write_rejects_to(import, index, file, count);
    bool failed = ferror(file) != 0;
    failed = fclose(file) != 0 || failed;
    if (!failed && (!to->replaces || renameat(to->folder.fd, temporary, to->folder.fd, to->name) == 0))
        return SW_OK;
    fail_write(path, error);
    if (to->replaces)
        unlinkat(to->folder.fd, temporary, 0);
    return error->code;
}

static sw_code write_rejects_of(sw_import *import, uint32_t index, const char *path, uint64_t *count,
                                sw_error *error)
{
    bool any = false;
    target to;
    for (size_t i = 0; i < sw_import_plan_origins(import->plan) && !any; i++) {
        const sw_origin *origin = sw_import_plan_origin_at(import->plan, (uint32_t)i);
        any = origin->file == index && origin->reason != NULL && origin->raw_size > 0;
    }
    sw_code code = find_target(path, &to, error);
    if (code != SW_OK)
        return code;
    bool itself = is_input(import, &to);
    if (itself && any && (import->dry_run || import->interrupted || import->unreachable))
        sw_import_note(import, index, 1, "the file was not replaced: it has rows that were not sent yet");
    else if (any)
        code = write_target(import, index, path, &to, count, error);
    else if (to.exists && to.replaces && !itself)
        unlinkat(to.folder.fd, to.name, 0); /* an old file of rejects would be misleading */
    sw_folder_close(&to.folder);
    return code;
}

/* The path of the file of rejects for one of several inputs. */
static void path_in_folder(const sw_import *import, uint32_t index, char path[PATH_MAX])
{
    const char *name = import->inputs[index].name, *slash = strrchr(name, '/');
    snprintf(path, PATH_MAX, "%s/%s", import->rejects, slash != NULL ? slash + 1 : name);
}

static sw_code make_folder(target *to, sw_error *error)
{
    if (mkdirat(to->folder.fd, to->name, 0777) == 0 && fstatat(to->folder.fd, to->name, &to->about, 0) == 0) {
        to->exists = true;
        return SW_OK;
    }
    sw_fail(error, sw_file_code(errno), "--rejects: cannot make the folder %s/%s: %s", to->folder.path,
            to->name, strerror(errno));
    sw_folder_close(&to->folder);
    return error->code;
}

sw_code sw_import_check_rejects(const sw_import *import, sw_error *error)
{
    target to;
    if (import->rejects == NULL)
        return SW_OK;
    const bool several = import->input_count > 1;
    sw_code code = find_target(import->rejects, &to, error);
    if (code == SW_OK && several && !to.exists)
        code = make_folder(&to, error);
    if (code != SW_OK)
        return code;
    bool is_folder = to.exists && S_ISDIR(to.about.st_mode);
    /* The folder of a file must be writable, for the rename. */
    const char *written = !is_folder && to.replaces ? "." : to.name;
    if (is_folder != several)
        code = sw_fail(error, SW_INVALID_ARGUMENT,
                       is_folder
                           ? "--rejects: %.200s is a folder, which only several inputs can have; name a file"
                           : "--rejects: %.200s is a file; with several inputs, name a folder",
                       import->rejects);
    else if (faccessat(to.folder.fd, written, W_OK, 0) != 0)
        code = fail_write(import->rejects, error);
    sw_folder_close(&to.folder);
    return code;
}

sw_code sw_import_write_rejects(sw_import *import, uint64_t *count, sw_error *error)
{
    *count = 0;
    if (import->rejects == NULL)
        return SW_OK;
    if (import->input_count == 1)
        return write_rejects_of(import, 0, import->rejects, count, error);
    sw_code code = SW_OK;
    for (uint32_t i = 0; i < import->input_count && code == SW_OK; i++) {
        char path[PATH_MAX];
        path_in_folder(import, i, path);
        code = write_rejects_of(import, i, path, count, error);
    }
    return code;
}
