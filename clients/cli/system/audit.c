/* `sitewire audit`: proves that the history is complete and unaltered, from the database or from
 * an export. */
#include "base/error.h"
#include "base/folder.h"
#include "cli/run/interrupt.h"
#include "cli/schema/output.h"
#include "cli/system/chain.h"
#include "cli/system/commands.h"
#include "cli/system/database.h"
#include "cli/term/grid.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct audit {
    sw_chain chain;
    sw_code code;    /* of the check */
    bool has_output; /* of the export */
    sw_error *error;
} audit;

static bool verify_one(const sw_sealed *sealed, void *context)
{
    audit *a = context;
    a->code = sw_chain_add(&a->chain, sealed, a->error);
    return a->code == SW_OK && !sw_cli_stopped();
}

/* --- Files: one object per line, with every value as it was hashed --- */

static bool export_one(const sw_sealed *sealed, void *context)
{
    audit *a = context;
    json_t *line = json_pack("{s:I,s:s}", "position", (json_int_t)sealed->position, "hash", sealed->hash);
    if (sealed->gone)
        a->code =
            sw_fail(a->error, SW_DATA_LOSS, "position %lld: change %lld was removed after it was sealed",
                    (long long)sealed->position, (long long)sealed->change);
    for (int i = 0; i < SW_CHANGE_FIELDS; i++)
        json_object_set_new(line, sw_change_fields[i],
                            sealed->values[i] == NULL ? json_null() : json_string(sealed->values[i]));
    if (a->code == SW_OK)
        sw_print_json_line(line);
    a->has_output = true;
    json_decref(line);
    return a->code == SW_OK && !ferror(stdout) && !sw_cli_stopped();
}

/* A value is text or null. */
static bool read_values(const json_t *line, sw_sealed *sealed)
{
    for (int i = 0; i < SW_CHANGE_FIELDS; i++) {
        const json_t *value = json_object_get(line, sw_change_fields[i]);
        if (!json_is_string(value) && !json_is_null(value))
            return false;
        sealed->values[i] = json_string_value(value);
    }
    return true;
}

static sw_code verify_line(audit *a, const char *path, long long number, const char *text, size_t size,
                           sw_error *error)
{
    json_error_t why;
    json_t *line = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
    sw_sealed sealed = {.position = json_integer_value(json_object_get(line, "position")),
                        .hash = json_string_value(json_object_get(line, "hash"))};
    if (line == NULL)
        a->code = sw_fail(error, SW_INVALID_ARGUMENT, "%s:%lld: not valid JSON: %s", path, number, why.text);
    else if (sealed.hash == NULL || !read_values(line, &sealed) || sealed.values[0] == NULL)
        a->code = sw_fail(error, SW_INVALID_ARGUMENT, "%s:%lld: not a line of `sitewire audit export`", path,
                          number);
    else {
        sealed.change = atoll(sealed.values[0]);
        verify_one(&sealed, a);
    }
    json_decref(line);
    return a->code;
}

static sw_code verify_file(audit *a, const char *path, sw_error *error)
{
    FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    char *text = NULL;
    size_t room = 0;
    ssize_t size;
    long long number = 0;
    if (in == NULL)
        return sw_fail(error, sw_file_code(errno), "cannot read %s: %s", path, strerror(errno));
    while (a->code == SW_OK && !sw_cli_stopped() && (size = getline(&text, &room, in)) > 0)
        verify_line(a, path, ++number, text, (size_t)size, error);
    if (a->code == SW_OK && ferror(in))
        a->code = sw_fail(error, SW_UNAVAILABLE, "cannot read %s: %s", path, strerror(errno));
    if (a->code == SW_OK && number == 0 && !sw_cli_stopped())
        a->code = sw_fail(error, SW_INVALID_ARGUMENT,
                          "%s is empty: the export failed, or nothing was sealed at that time", path);
    free(text);
    if (in != stdin)
        fclose(in);
    return a->code;
}

/* --- The commands --- */

static void print_result(const sw_cli *cli, const sw_chain *chain, const sw_unsealed *unsealed)
{
    char head[SW_CHAIN_HEAD_TEXT];
    sw_chain_head(chain, head);
    if (cli->json) {
        printf("{\"changes\":%lld,\"head\":\"%s\",\"unsealed\":%lld}\n", (long long)chain->count, head,
               (long long)unsealed->count);
        return;
    }
    printf("%lld sealed changes, none altered or removed\nhead %s\n", (long long)chain->count, head);
    if (unsealed->count > 0)
        printf("%lld not sealed, the oldest of them from %s\n", (long long)unsealed->count, unsealed->oldest);
}

static sw_code interrupted(sw_error *error)
{
    return sw_fail(error, SW_CANCELLED, "interrupted");
}

static sw_code read_database(const sw_cli *cli, sw_audit_fn *take, audit *a, sw_unsealed *unsealed,
                             sw_error *error)
{
    return sw_database_outcome(sw_audit_read(sw_database_conninfo(cli), take, a, unsealed, error), error);
}

/* --- Rows --- */

typedef struct difference {
    size_t count;
    char first[256];
} difference;

static bool tell(const char *resource, const char *key, const char *what, void *context)
{
    difference *d = context;
    if (d->count++ == 0)
        snprintf(d->first, sizeof(d->first), "%s %s: %s", resource, key, what);
    fprintf(stderr, "%s ", resource);
    sw_text_print(stderr, key);
    fputs(": ", stderr);
    sw_text_print(stderr, what);
    fputc('\n', stderr);
    return !sw_cli_stopped();
}

/* DATA_LOSS if a row is not what its history says. */
static sw_code compare_rows(const sw_cli *cli, sw_error *error)
{
    difference d = {0};
    sw_code code = sw_database_outcome(sw_audit_compare(sw_database_conninfo(cli), tell, &d, error), error);
    if (code == SW_OK && sw_cli_stopped())
        return interrupted(error);
    if (code == SW_OK && d.count > 0)
        return sw_fail(error, SW_DATA_LOSS,
                       "%zu row%s not what history says, the first of them %s; somebody has changed rows "
                       "while the triggers were disabled",
                       d.count, d.count == 1 ? " is" : "s are", d.first);
    return code;
}

static sw_code verify(sw_cli *cli, sw_error *error)
{
    const sw_args *args = &cli->args;
    const char *file = args->word_count > 1 ? args->words[1] : NULL;
    audit a = {.error = error};
    sw_unsealed unsealed = {0};
    if (file != NULL && sw_args_has(args, "database"))
        return sw_cli_usage(cli, error, "audit verify takes a FILE or --database");
    sw_code code = sw_chain_init(&a.chain, sw_args_value(args, "head"), error);
    if (code == SW_OK)
        code = file != NULL ? verify_file(&a, file, error)
                            : read_database(cli, verify_one, &a, &unsealed, error);
    if (code == SW_OK)
        code = a.code;
    if (code == SW_OK)
        code = sw_cli_stopped() ? interrupted(error) : sw_chain_end(&a.chain, error);
    if (code == SW_OK && file == NULL)
        code = compare_rows(cli, error);
    if (code == SW_OK)
        print_result(cli, &a.chain, &unsealed);
    return code;
}

static sw_code export(sw_cli *cli, sw_error *error)
{
    audit a = {.error = error};
    sw_unsealed unsealed;
    sw_code code = read_database(cli, export_one, &a, &unsealed, error);
    if (code == SW_OK)
        code = a.code;
    if (code == SW_OK && !a.has_output)
        fputs("nothing is sealed yet\n", stderr);
    return code == SW_OK && sw_cli_stopped() ? interrupted(error) : code;
}

sw_code sw_cmd_audit(sw_cli *cli, sw_error *error)
{
    const sw_args *args = &cli->args;
    const char *verb = args->word_count > 0 ? args->words[0] : "";
    if (strcmp(verb, "verify") == 0 && args->word_count <= 2)
        return verify(cli, error);
    if (strcmp(verb, "export") == 0 && args->word_count == 1)
        return export(cli, error);
    return sw_cli_usage(cli, error, "audit takes `verify`, with or without one FILE, or `export`");
}
