/* `sitewire export`: all rows, or those of some resources, in a form that `sitewire import`
 * reads. Writes JSON lines to stdout, or one CSV file per resource. Resources are ordered by
 * their references, rows by key. Secrets come last, sealed for a public key, and only on
 * request. */
#include "base/error.h"
#include "base/folder.h"
#include "cli/import/model.h"
#include "cli/schema/csv_cell.h"

#include "cli/import/commands.h"
#include "net/keyfile.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE_SIZE 1000

typedef struct {
    sw_cli *cli;
    const char *folder;     /* of the CSV files, or NULL */
    sw_folder place;        /* that folder */
    FILE *out;              /* for JSON lines, or the current CSV file */
    const char *secrets_to; /* the public key that secrets are sealed for; NULL: no secrets */
    const sw_model_type *const *types;
    size_t type_count;
    bool *wanted; /* by type */
    uint64_t rows;
} exporter;

/* The fields that a user may set, in the order of the schema. A new reference. */
static json_t *plain_fields(const sw_model_type *type, const json_t *item)
{
    json_t *row = json_object();
    for (unsigned i = 0; i < type->message->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->message->fields[i];
        json_t *value = json_object_get(item, field->name);
        if (sw_model_kind(type, field) == SW_FIELD_PLAIN && value != NULL && !json_is_null(value))
            json_object_set(row, field->name, value);
    }
    return row;
}

static bool write_json_row(exporter *e, const sw_model_type *type, const json_t *item)
{
    json_t *row = json_object(), *fields = plain_fields(type, item);
    json_object_set_new(row, "resource", json_string(type->name));
    json_object_update(row, fields);
    bool well = json_dumpf(row, e->out, JSON_COMPACT) == 0 && fputc('\n', e->out) != EOF;
    json_decref(fields);
    json_decref(row);
    return well;
}

/* Writes text as it is, and everything else as JSON; import reads both. */
static void write_cell(FILE *out, const json_t *value)
{
    if (json_is_string(value)) {
        sw_csv_write(out, json_string_value(value), json_string_length(value), ',');
    } else if (value != NULL && !json_is_null(value)) {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        if (text != NULL)
            sw_csv_write(out, text, strlen(text), ',');
        free(text);
    }
}

static bool write_csv_row(exporter *e, const sw_model_type *type, const json_t *item)
{
    bool first = true;
    for (unsigned i = 0; i < type->message->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->message->fields[i];
        if (sw_model_kind(type, field) != SW_FIELD_PLAIN)
            continue;
        if (!first)
            fputc(',', e->out);
        first = false;
        if (item == NULL) /* the header */
            fputs(field->name, e->out);
        else
            write_cell(e->out, json_object_get(item, field->name));
    }
    return fputc('\n', e->out) != EOF;
}

static sw_code lost(sw_error *error)
{
    return sw_fail(error, SW_RESOURCE_EXHAUSTED, "cannot write the output: %s", strerror(errno));
}

static sw_code write_page(exporter *e, const sw_model_type *type, const json_t *items, sw_error *error)
{
    size_t i;
    json_t *item;
    json_array_foreach(items, i, item)
    {
        if (!(e->folder ? write_csv_row(e, type, item) : write_json_row(e, type, item)))
            return lost(error);
        e->rows++;
    }
    return SW_OK;
}

/* Calls `take` with the items of each page of a List method. */
static sw_code export_pages(exporter *e, const char *method, const sw_model_type *type,
                            sw_code (*take)(exporter *e, const sw_model_type *type, const json_t *items,
                                            sw_error *error),
                            sw_error *error)
{
    json_t *request = json_pack("{s:i}", "page_size", PAGE_SIZE);
    sw_code code = request ? SW_OK : sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    for (bool more = true; code == SW_OK && more;) {
        json_t *reply = NULL;
        code = sw_cli_call(e->cli, method, request, NULL, &reply, error);
        sw_cli_renew_deadline(e->cli);
        if (code == SW_OK)
            code = take(e, type, json_object_get(reply, "items"), error);
        json_t *token = json_object_get(reply, "next_page_token");
        more = json_string_length(token) > 0;
        if (more)
            json_object_set(request, "page_token", token);
        json_decref(reply);
    }
    json_decref(request);
    return code;
}

static sw_code export_rows(exporter *e, const sw_model_type *type, sw_error *error)
{
    return export_pages(e, type->resource.list->path, type, write_page, error);
}

/* --- Secrets --- */

static bool is_wanted(const exporter *e, const char *type)
{
    for (size_t i = 0; i < e->type_count; i++)
        if (e->wanted[i] && type != NULL && strcmp(e->types[i]->name, type) == 0)
            return true;
    return false;
}

/* A secret that is deleted meanwhile is left out. */
static sw_code write_secret(exporter *e, const json_t *secret, sw_error *error)
{
    json_t *request = json_object(), *row = json_object(), *reply = NULL;
    static const char *const key[] = {"type", "key", "field"};
    json_object_set_new(row, "resource", json_string("Secret"));
    for (size_t i = 0; i < 3; i++) {
        json_object_set(row, key[i], json_object_get(secret, key[i]));
        json_object_set(request, key[i], json_object_get(secret, key[i]));
    }
    json_object_set_new(request, "seal_to", json_string(e->secrets_to));
    sw_error why = {0};
    sw_code code = sw_cli_call(e->cli, "Referential/ReadSecret", request, NULL, &reply, &why);
    if (code == SW_OK) {
        json_object_set(row, "sealed", json_object_get(reply, "sealed"));
        if (json_dumpf(row, e->out, JSON_COMPACT) != 0 || fputc('\n', e->out) == EOF)
            code = lost(error);
        e->rows++;
    } else if (code == SW_NOT_FOUND) {
        code = SW_OK;
    } else if (error != NULL) {
        *error = why;
    }
    json_decref(request);
    json_decref(row);
    json_decref(reply);
    return code;
}

static sw_code write_secrets(exporter *e, const sw_model_type *type, const json_t *items, sw_error *error)
{
    size_t i;
    json_t *item;
    sw_code code = SW_OK;
    (void)type;
    json_array_foreach(items, i, item)
    {
        if (code == SW_OK && is_wanted(e, json_string_value(json_object_get(item, "type"))))
            code = write_secret(e, item, error);
    }
    return code;
}

/* --- Files --- */

/* `docroot_environment.csv` for DocrootEnvironment: import finds the resource by the name of the
 * file. */
static void file_name(const sw_model_type *type, char *name, size_t size)
{
    size_t used = 0;
    for (const char *p = type->name; *p != '\0' && used + 2 < size; p++) {
        bool capital = *p >= 'A' && *p <= 'Z';
        if (capital && p > type->name)
            name[used++] = '_';
        name[used++] = (char)(capital ? *p + ('a' - 'A') : *p);
    }
    name[used] = '\0';
}

/* Written to a temporary file and renamed, so that a reader never sees an incomplete file. */
static sw_code export_csv(exporter *e, const sw_model_type *type, sw_error *error)
{
    char base[128], name[160], temporary[168];
    file_name(type, base, sizeof base);
    snprintf(name, sizeof name, "%s.csv", base);
    snprintf(temporary, sizeof temporary, "%s.new", name);
    e->out = sw_folder_new_file(&e->place, temporary, 0666);
    if (e->out == NULL)
        return sw_fail(error, sw_file_code(errno), "cannot write %.200s/%s: %s", e->folder, temporary,
                       strerror(errno));
    sw_code code = write_csv_row(e, type, NULL) ? export_rows(e, type, error) : lost(error);
    bool failed = ferror(e->out) != 0;
    failed = fclose(e->out) != 0 || failed;
    if (code == SW_OK && (failed || renameat(e->place.fd, temporary, e->place.fd, name) != 0))
        code = lost(error);
    if (code != SW_OK)
        unlinkat(e->place.fd, temporary, 0);
    return code;
}

static sw_code export_all(exporter *e, sw_error *error)
{
    sw_error why;
    sw_code code = e->folder == NULL ? SW_OK : sw_folder_open(e->folder, SW_FOLDER_MAKE, &e->place, &why);
    if (code != SW_OK)
        return sw_fail(error, code, "cannot write: %s", why.message);
    for (size_t i = 0; i < e->type_count && code == SW_OK; i++)
        if (e->wanted[i])
            code = e->folder ? export_csv(e, e->types[i], error) : export_rows(e, e->types[i], error);
    if (code == SW_OK && e->secrets_to != NULL)
        code = export_pages(e, "Referential/ListSecrets", NULL, write_secrets, error);
    if (code == SW_OK && e->folder != NULL && !e->cli->json)
        printf("%llu rows written to %s\n", (unsigned long long)e->rows, e->folder);
    else if (code == SW_OK && e->folder != NULL)
        printf("{\"rows\":%llu}\n", (unsigned long long)e->rows);
    return code;
}

sw_code sw_cmd_export(sw_cli *cli, sw_error *error)
{
    const sw_schema *schema;
    sw_model *model = NULL;
    exporter e = {.cli = cli,
                  .folder = sw_args_value(&cli->args, "csv"),
                  .secrets_to = sw_args_value(&cli->args, "secrets-to"),
                  .place.fd = -1,
                  .out = stdout};
    if (e.secrets_to != NULL && e.folder != NULL)
        return sw_cli_usage(cli, error, "--secrets-to works with JSON lines, not with --csv");
    if (e.secrets_to != NULL && !sw_key_is_valid(e.secrets_to))
        return sw_cli_usage(
            cli, error,
            "--secrets-to takes a public key, 40 characters of Z85; `sitewire key new FILE` makes a pair");
    sw_code code = sw_cli_schema(cli, &schema, error);
    if (code == SW_OK)
        code = sw_model_new(schema, &model, error);
    if (code != SW_OK)
        return code;
    e.type_count = sw_model_types(model, &e.types);
    e.wanted = calloc(e.type_count + 1, sizeof *e.wanted);
    if (e.wanted == NULL)
        code = sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    for (size_t i = 0; i < e.type_count && code == SW_OK; i++)
        e.wanted[i] = cli->args.word_count == 0;
    for (size_t i = 0; i < cli->args.word_count && code == SW_OK; i++) {
        const sw_model_type *type;
        code = sw_model_require(model, cli->args.words[i], &type, error);
        if (code == SW_OK)
            e.wanted[type->index] = true;
    }
    if (code == SW_OK)
        code = export_all(&e, error);
    sw_folder_close(&e.place);
    free(e.wanted);
    sw_model_destroy(&model);
    return code;
}
