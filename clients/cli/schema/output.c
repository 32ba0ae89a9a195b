/* Items on stdout: see output.h. */
#include "cli/schema/output.h"
#include "base/error.h"
#include "cli/schema/csv_cell.h"
#include "cli/schema/field.h"
#include "cli/schema/resource.h"
#include "cli/schema/value.h"
#include "cli/term/grid.h"
#include <stdlib.h>
#include <string.h>

void sw_print_json_line(const json_t *value)
{
    json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
    putchar('\n');
}

void sw_print_safe(const char *text)
{
    sw_text_print(stdout, text);
}

/* Prints the value after its name; further lines are indented. */
static void print_lines(const char *text)
{
    char *safe = sw_text_safe(text, true);
    bool several = safe != NULL && strchr(safe, '\n') != NULL;
    for (const char *p = safe; p != NULL && *p != '\0';) {
        size_t length = strcspn(p, "\n");
        printf("%s%.*s", several ? "\n    " : "", (int)length, p);
        p += length + (p[length] == '\n');
    }
    putchar('\n');
    free(safe);
}

/* Fields that are not set are left out, unless --fields names them. */
static void print_record(const sw_output *output, const json_t *item)
{
    const sw_cli *cli = output->cli;
    size_t width = 0;
    for (size_t i = 0; i < output->count; i++) {
        const char *name = output->fields[i]->name;
        if ((output->chosen || json_object_get(item, name) != NULL) && strlen(name) > width)
            width = strlen(name);
    }
    for (size_t i = 0; i < output->count; i++) {
        const char *name = output->fields[i]->name;
        char *text = sw_cell_text(json_object_get(item, name));
        if (output->chosen || (text != NULL && *text != '\0')) {
            printf("%s%-*s%s  ", cli->out_color ? "\033[1m" : "", (int)width, name,
                   cli->out_color ? "\033[0m" : "");
            print_lines(text);
        }
        free(text);
    }
}

static sw_code choose_fields(sw_output *output, const char *names, sw_error *error)
{
    bool all = names != NULL && strcmp(names, "all") == 0;
    output->chosen = names != NULL && !all;
    for (unsigned i = 0; (names == NULL || all) && i < output->message->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &output->message->fields[i];
        if (output->count < SW_OUTPUT_FIELDS_MAX &&
            (all || output->form != SW_OUTPUT_TABLE || field->id < SW_FIELD_BOOKKEEPING))
            output->fields[output->count++] = field;
    }
    while (output->chosen && *names != '\0') {
        size_t length = strcspn(names, ",");
        if (output->count == SW_OUTPUT_FIELDS_MAX)
            return sw_fail(error, SW_INVALID_ARGUMENT, "--fields takes at most %d names",
                           SW_OUTPUT_FIELDS_MAX);
        sw_code code = sw_field_find(output->message, names, length, &output->fields[output->count], error);
        if (code != SW_OK)
            return code;
        output->count++;
        names += length + (names[length] == ',');
    }
    if (output->chosen && output->count == 0)
        return sw_fail(error, SW_INVALID_ARGUMENT, "--fields is empty: leave it out, or give `all`");
    return SW_OK;
}

static bool is_key(const ProtobufCFieldDescriptor *field, const ProtobufCFieldDescriptor *const *keys,
                   size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(keys[i]->name, field->name) == 0)
            return true;
    return false;
}

/* The form and the fields are those of --json, --csv and --fields, else `form` and `fields`. */
static sw_code begin(sw_output *output, const sw_cli *cli, const ProtobufCMessageDescriptor *message,
                     sw_output_form form, const char *fields, sw_error *error)
{
    *output = (sw_output){.cli = cli, .message = message};
    output->form = sw_args_has(&cli->args, "csv") ? SW_OUTPUT_CSV : cli->json ? SW_OUTPUT_JSON : form;
    const char *names = sw_args_value(&cli->args, "fields");
    sw_code code =
        choose_fields(output, names == NULL && output->form == SW_OUTPUT_TABLE ? fields : names, error);
    output->chosen = output->chosen && names != NULL;
    for (size_t i = 0; code == SW_OK && output->form == SW_OUTPUT_CSV && i < output->count; i++)
        printf("%s%s%s", i > 0 ? "," : "", output->fields[i]->name, i + 1 < output->count ? "" : "\n");
    return code;
}

sw_code sw_output_begin_records(sw_output *output, const sw_cli *cli,
                                const ProtobufCMessageDescriptor *message, sw_error *error)
{
    return begin(output, cli, message, SW_OUTPUT_RECORD, NULL, error);
}

sw_code sw_output_begin(sw_output *output, const sw_cli *cli, const ProtobufCMessageDescriptor *message,
                        const ProtobufCFieldDescriptor *const *keys, size_t key_count, const char *fields,
                        sw_error *error)
{
    sw_code code = begin(output, cli, message, SW_OUTPUT_TABLE, fields, error);
    if (code == SW_OK && output->form == SW_OUTPUT_TABLE) {
        sw_grid_column columns[SW_OUTPUT_FIELDS_MAX];
        for (size_t i = 0; i < output->count; i++)
            columns[i] = (sw_grid_column){.title = output->fields[i]->name,
                                          .right = sw_word_is_number(output->fields[i]),
                                          .key = is_key(output->fields[i], keys, key_count)};
        output->table = sw_grid_new(columns, output->count);
        return output->table != NULL ? SW_OK : sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    }
    return code;
}

static void print_json_fields(const sw_output *output, const json_t *item)
{
    json_t *part = json_object();
    for (size_t i = 0; i < output->count; i++) {
        json_t *value = json_object_get(item, output->fields[i]->name);
        if (value != NULL)
            json_object_set(part, output->fields[i]->name, value);
    }
    sw_print_json_line(part);
    json_decref(part);
}

void sw_output_item(sw_output *output, const json_t *item)
{
    output->rows++;
    if (output->form == SW_OUTPUT_RECORD) {
        if (output->rows > 1)
            putchar('\n');
        print_record(output, item);
        return;
    }
    if (output->form == SW_OUTPUT_JSON) {
        if (output->chosen)
            print_json_fields(output, item);
        else
            sw_print_json_line(item);
        return;
    }
    for (size_t i = 0; i < output->count; i++) {
        char *text = sw_cell_text(json_object_get(item, output->fields[i]->name));
        if (output->form == SW_OUTPUT_TABLE) {
            sw_grid_add(output->table, text != NULL ? text : "");
        } else {
            if (i > 0)
                putchar(',');
            sw_csv_write(stdout, text != NULL ? text : "", text != NULL ? strlen(text) : 0, ',');
        }
        free(text);
    }
    if (output->form == SW_OUTPUT_CSV)
        putchar('\n');
}

void sw_print_record(const sw_cli *cli, const ProtobufCMessageDescriptor *message, const json_t *item)
{
    sw_output output;
    if (sw_output_begin_records(&output, cli, message, NULL) == SW_OK)
        sw_output_item(&output, item);
}

sw_code sw_print_resource(sw_cli *cli, const char *resource, const json_t *item, sw_error *error)
{
    const sw_schema *schema;
    sw_schema_resource found;
    sw_code code = sw_cli_schema(cli, &schema, error);
    if (code == SW_OK)
        code = sw_schema_resource_find(schema, resource, &found, error);
    if (code == SW_OK)
        sw_print_record(cli, found.message, item);
    return code;
}

void sw_output_end(sw_output *output, bool failed)
{
    if (output->table == NULL)
        return;
    size_t hidden = 0;
    if (!output->chosen)
        sw_grid_drop_empty(output->table);
    if (output->rows > 0 || !failed)
        sw_grid_print(output->table, stdout, sw_terminal_width(output->cli->out_terminal),
                      output->cli->out_color, &hidden);
    if (output->cli->out_terminal && !failed) {
        printf("(%zu row%s%s", output->rows, output->rows == 1 ? "" : "s", hidden > 0 ? "; " : ")\n");
        if (hidden > 0)
            printf("%zu column%s not shown: choose with --fields)\n", hidden, hidden == 1 ? "" : "s");
    }
    sw_grid_destroy(&output->table);
}
