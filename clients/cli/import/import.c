/* `sitewire import`: reads rows from files into the registry, many at a time; safe to repeat.
 * docs/import.md describes it for users. */
#include "cli/import/import.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/folder.h"
#include "cli/import/commands.h"
#include "cli/run/file.h"
#include "cli/run/interrupt.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define JOBS_DEFAULT 256
#define JOBS_MAX     16384

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool has_suffix(const char *name, const char *suffix)
{
    size_t size = strlen(name), suffix_size = strlen(suffix);
    return size > suffix_size && strcasecmp(name + size - suffix_size, suffix) == 0;
}

/* By the name of the file. If that does not tell, a file that begins with a brace is JSON. */
static sw_input_kind guess_kind(sw_input *input)
{
    if (has_suffix(input->path, ".csv") || has_suffix(input->path, ".tsv"))
        return SW_INPUT_CSV;
    if (has_suffix(input->path, ".jsonl") || has_suffix(input->path, ".ndjson") ||
        has_suffix(input->path, ".json"))
        return SW_INPUT_JSONL;
    int c = getc(input->file);
    ungetc(c, input->file);
    return c == '{' ? SW_INPUT_JSONL : SW_INPUT_CSV;
}

static sw_code find_kind(sw_import *import, sw_input *input, sw_error *error)
{
    const char *format = sw_args_value(&import->cli->args, "format");
    if (import->map != NULL) {
        if (format != NULL && strcmp(format, "csv") != 0)
            return sw_cli_usage(import->cli, error, "--map reads CSV, not %s", format);
        input->kind = SW_INPUT_CSV;
        input->delimiter = import->map->delimiter;
        return SW_OK;
    }
    if (format == NULL)
        input->kind = guess_kind(input);
    else if (strcmp(format, "csv") == 0 || strcmp(format, "tsv") == 0)
        input->kind = SW_INPUT_CSV;
    else if (strcmp(format, "jsonl") == 0)
        input->kind = SW_INPUT_JSONL;
    else
        return sw_cli_usage(import->cli, error, "--format is jsonl, csv or tsv, not %s", format);
    bool tabs = format ? strcmp(format, "tsv") == 0 : has_suffix(input->path, ".tsv");
    input->delimiter = tabs ? '\t' : ',';
    return SW_OK;
}

/* --resource, or the name of the file: `website.csv`, `Websites.jsonl`. */
static sw_code find_type(sw_import *import, sw_input *input, sw_error *error)
{
    const char *resource = sw_args_value(&import->cli->args, "resource");
    if (resource != NULL)
        return sw_model_require(import->model, resource, &input->type, error);
    const char *name = base_name(input->path);
    input->type = sw_model_find(import->model, name, strcspn(name, "."));
    if (input->type == NULL && input->kind == SW_INPUT_CSV)
        return sw_cli_usage(
            import->cli, error,
            "%.200s is not named after a resource: name it with --resource, or read the file with --map",
            input->name);
    return SW_OK;
}

static sw_code open_inputs(sw_import *import, sw_error *error)
{
    const sw_args *args = &import->cli->args;
    import->inputs = calloc(args->word_count, sizeof *import->inputs);
    if (import->inputs == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    import->input_count = args->word_count;
    for (size_t i = 0; i < import->input_count; i++) {
        sw_input *input = &import->inputs[i];
        bool standard = strcmp(args->words[i], "-") == 0;
        struct stat about;
        *input =
            (sw_input){.path = args->words[i], .name = standard ? "stdin" : args->words[i], .delimiter = ','};
        input->file = standard ? stdin : fopen(input->path, "re");
        if (input->file == NULL)
            return sw_fail(error, sw_file_code(errno), "cannot read %.200s: %s", input->name,
                           strerror(errno));
        if (fstat(fileno(input->file), &about) == 0 && S_ISDIR(about.st_mode))
            return sw_cli_usage(import->cli, error, "%.200s is a folder; give the files in it", input->name);
        sw_code code = find_kind(import, input, error);
        if (code == SW_OK && import->map == NULL)
            code = find_type(import, input, error);
        if (code != SW_OK)
            return code;
    }
    return SW_OK;
}

static sw_code read_map(sw_import *import, sw_error *error)
{
    const char *path = sw_args_value(&import->cli->args, "map");
    if (path == NULL)
        return SW_OK;
    if (sw_args_has(&import->cli->args, "resource"))
        return sw_cli_usage(import->cli, error,
                            "--resource does not go with --map, which names the resources");
    char *text;
    size_t size;
    sw_code code = sw_cli_read_file(path, &text, &size, error);
    if (code != SW_OK)
        return code;
    code = sw_map_parse(path, text, size, &import->map, error);
    free(text);
    return code == SW_OK ? sw_import_check_map(import, error) : code;
}

static sw_code run(sw_import *import, sw_error *error)
{
    const sw_schema *schema;
    sw_code code = sw_cli_client(import->cli, &import->client, error);
    if (code == SW_OK)
        code = sw_cli_schema(import->cli, &schema, error);
    sw_cli_lift_deadline(import->cli); /* each row has its own */
    if (code == SW_OK)
        code = sw_model_new(schema, &import->model, error);
    if (code == SW_OK)
        code = read_map(import, error);
    if (code == SW_OK)
        code = open_inputs(import, error);
    if (code == SW_OK)
        code = sw_import_check_rejects(import, error);
    if (code == SW_OK)
        code =
            sw_import_plan_new(import->model, import->dry_run, import->rejects != NULL, &import->plan, error);
    for (uint32_t i = 0; i < import->input_count && code == SW_OK; i++)
        code = sw_import_read(import, i, error);
    if (code == SW_OK)
        code = sw_import_plan_link(import->plan, error);
    import->interrupted = sw_cli_stopped();
    if (code == SW_OK)
        code = sw_import_send(import, error);
    if (code == SW_OK)
        code = sw_import_send_secrets(import, error);
    sw_import_progress(import, true);
    if (code != SW_OK)
        return code;
    import->ended_us = sw_now_us();
    uint64_t rejected = 0;
    code = sw_import_write_rejects(import, &rejected, error);
    sw_import_summary(import, rejected);
    if (code != SW_OK)
        return code;
    if (import->first_code != SW_OK) /* each failure has been reported */
        return import->first_code;
    return import->interrupted ? SW_CANCELLED : SW_OK;
}

sw_code sw_cmd_import(sw_cli *cli, sw_error *error)
{
    if (cli->args.word_count == 0)
        return sw_cli_usage(cli, error, "which file? Give its name, or - for stdin");
    int64_t jobs = 0;
    sw_code code = sw_args_number(&cli->args, "jobs", 1, JOBS_MAX, JOBS_DEFAULT, &jobs, error);
    if (code != SW_OK)
        return code;
    sw_import import = {.cli = cli,
                        .jobs = (uint32_t)jobs,
                        .dry_run = sw_args_has(&cli->args, "dry-run"),
                        .rejects = sw_args_value(&cli->args, "rejects"),
                        .started_us = sw_now_us()};
    code = run(&import, error);
    for (size_t i = 0; i < import.input_count; i++) {
        if (import.inputs[i].file != NULL && import.inputs[i].file != stdin)
            fclose(import.inputs[i].file);
        free(import.inputs[i].header);
    }
    for (size_t i = 0; i < import.unplaced_count; i++)
        free(import.unplaced[i].column);
    free(import.unplaced);
    json_decref(import.secrets);
    free(import.inputs);
    free(import.map_types);
    sw_map_destroy(&import.map);
    sw_import_plan_destroy(&import.plan);
    sw_model_destroy(&import.model);
    return code;
}
