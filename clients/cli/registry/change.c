/* `sitewire create`, `update`, `delete` and `rename`. */
#include "base/error.h"
#include "cli/registry/commands.h"
#include "cli/run/file.h"
#include "cli/schema/field.h"
#include "cli/schema/output.h"
#include "cli/schema/resource.h"
#include "cli/schema/value.h"
#include "cli/term/grid.h"
#include <stdlib.h>
#include <string.h>

/* The resource that the first word names, and its method for this change. */
typedef struct change {
    sw_schema_resource resource;
    const sw_schema_method *method;
    json_t *request;
} change;

static sw_code begin(sw_cli *cli, change *c, sw_error *error)
{
    const sw_schema *schema;
    if (cli->args.word_count < 1)
        return sw_cli_usage(cli, error, "%s takes a RESOURCE and its KEY", cli->command->name);
    sw_code code = sw_cli_schema(cli, &schema, error);
    if (code == SW_OK)
        code = sw_schema_resource_find(schema, cli->args.words[0], &c->resource, error);
    if (code != SW_OK)
        return code;
    const sw_schema_resource *r = &c->resource;
    c->method = strcmp(cli->command->name, "create") == 0   ? r->create
                : strcmp(cli->command->name, "update") == 0 ? r->update
                : strcmp(cli->command->name, "delete") == 0 ? r->remove
                                                            : r->rename;
    if (c->method == NULL)
        return sw_fail(error, SW_UNIMPLEMENTED, "a %s has no %s%s", r->name, cli->command->name,
                       r->rename == NULL && r->key_count > 1
                           ? ": its key consists of references, which follow when those are renamed"
                           : "");
    c->request = json_object();
    if (sw_args_has(&cli->args, "dry-run"))
        json_object_set_new(c->request, "validate_only", json_true());
    return SW_OK;
}

/* Sets --revision N in `object`. */
static sw_code set_revision(sw_cli *cli, json_t *object, sw_error *error)
{
    int64_t revision;
    sw_code code = sw_args_number(&cli->args, "revision", 1, INT64_MAX, 0, &revision, error);
    if (code == SW_OK && revision > 0)
        json_object_set_new(object, "revision", json_sprintf("%lld", (long long)revision));
    return code;
}

static void say_dry_run(const sw_cli *cli, const char *what, const json_t *key,
                        const sw_schema_resource *resource)
{
    char *text = sw_schema_resource_key_text(resource, key);
    char *safe = text != NULL ? sw_text_safe(text, false) : NULL;
    if (sw_args_has(&cli->args, "dry-run"))
        fprintf(stderr, "dry run: %s %s would be %s; nothing was changed\n", resource->name,
                safe != NULL ? safe : "", what);
    else if (!cli->json && strcmp(what, "deleted") == 0)
        printf("deleted %s %s\n", resource->name, safe != NULL ? safe : "");
    free(safe);
    free(text);
}

/* Reads --from FILE: the resource as JSON, its field names checked. */
static sw_code read_body(sw_cli *cli, const sw_schema_resource *resource, json_t **body, sw_error *error)
{
    const char *path = sw_args_value(&cli->args, "from");
    *body = NULL;
    if (path == NULL) {
        *body = json_object();
        return SW_OK;
    }
    char *text;
    size_t size;
    json_error_t why;
    sw_code code = sw_cli_read_file(path, &text, &size, error);
    if (code != SW_OK)
        return code;
    json_t *read = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
    free(text);
    if (read == NULL || !json_is_object(read)) {
        json_decref(read);
        return sw_fail(error, SW_INVALID_ARGUMENT, "%s is not a JSON object: line %d: %s", path,
                       read == NULL ? why.line : 1, read == NULL ? why.text : "it is another kind of value");
    }
    /* Field names may be in camelCase; from here on they are those of the .proto. */
    json_t *named = json_object(), *value;
    const char *name;
    json_object_foreach(read, name, value)
    {
        const ProtobufCFieldDescriptor *field;
        if (code == SW_OK)
            code = sw_field_find(resource->message, name, strlen(name), &field, error);
        if (code == SW_OK)
            json_object_set(named, field->name, value);
    }
    json_decref(read);
    if (code != SW_OK)
        json_decref(named);
    else
        *body = named;
    return code;
}

static bool is_bookkeeping(const ProtobufCFieldDescriptor *field)
{
    return field->id >= SW_FIELD_BOOKKEEPING;
}

/* A file from `get --json` holds fields that only the registry sets. A new row does not take
 * them. */
static void drop_bookkeeping(const sw_schema_resource *resource, json_t *body)
{
    for (unsigned i = 0; i < resource->message->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &resource->message->fields[i];
        if (is_bookkeeping(field) && json_object_del(body, field->name) == 0)
            fprintf(stderr, "note: `%s` of the file is not used: the registry sets it\n", field->name);
    }
}

/* Says where the KEY word differs from the key in the file. */
static void note_other_key(const sw_schema_resource *resource, const json_t *file, const json_t *body)
{
    for (size_t i = 0; i < resource->key_count; i++) {
        const char *name = resource->keys[i]->name;
        const json_t *in_file = json_object_get(file, name), *used = json_object_get(body, name);
        if (in_file == NULL || json_equal(in_file, used))
            continue;
        char *text = sw_cell_text(used);
        fprintf(stderr, "note: `%s` of the file is not used: the command says %s\n", name,
                text != NULL ? text : "");
        free(text);
    }
}

/* field=value words may repeat parts of the key, but not change them: that would name another
 * row. */
static sw_code check_key(const sw_schema_resource *resource, const json_t *named, const json_t *body,
                         sw_error *error)
{
    for (size_t i = 0; i < resource->key_count; i++) {
        const char *name = resource->keys[i]->name;
        if (json_equal(json_object_get(named, name), json_object_get(body, name)))
            continue;
        return sw_fail_field(
            error, SW_INVALID_ARGUMENT, name, "%s is part of the key and cannot be changed; %s", name,
            resource->rename != NULL ? "`sitewire rename` changes the key"
                                     : "for another key, create a new one and delete this one");
    }
    return SW_OK;
}

/* True if words[i] is field=value. A KEY may look like one (a public key may contain '='), so a
 * word in its place is an assignment only if its name is that of a field, or near one. */
static bool is_assignment(const sw_schema_resource *resource, const char *const *words, size_t i)
{
    return sw_word_is_assignment(words[i]) &&
           (i > resource->key_count || sw_field_is_like(resource->message, words[i], strcspn(words[i], "=")));
}

/* Reads KEY and field=value words into the resource. `mask` gets the names of the assigned
 * fields. */
static sw_code read_words(sw_cli *cli, const sw_schema_resource *resource, json_t *body, json_t *mask,
                          sw_error *error)
{
    const sw_args *args = &cli->args;
    size_t keys = 1, used;
    while (keys < args->word_count && !is_assignment(resource, args->words, keys))
        keys++;
    sw_code code = SW_OK;
    if (keys > 1) {
        json_t *file = json_copy(body);
        code = sw_schema_resource_read_key(resource, args->words + 1, keys - 1, &used, body, error);
        if (code == SW_OK)
            note_other_key(resource, file, body);
        json_decref(file);
        if (code == SW_OK && used != keys - 1)
            code = sw_cli_usage(cli, error, "'%s' is not of the form field=value", args->words[1 + used]);
    }
    json_t *named = json_copy(body);
    for (size_t i = keys; code == SW_OK && i < args->word_count; i++) {
        const ProtobufCFieldDescriptor *field;
        code = sw_word_assign(resource->message, args->words[i], body, &field, error);
        if (code == SW_OK)
            json_object_set_new(mask, field->name, json_true());
    }
    if (code == SW_OK && keys > 1)
        code = check_key(resource, named, body, error);
    json_decref(named);
    for (size_t i = 0; code == SW_OK && i < resource->key_count; i++) {
        char usage[256];
        sw_schema_resource_key_usage(resource, usage, sizeof(usage));
        if (json_object_get(body, resource->keys[i]->name) == NULL)
            code = sw_cli_usage(cli, error, "which %s? give its key, %s", resource->name, usage);
    }
    return code;
}

static sw_code send(sw_cli *cli, change *c, json_t *body, const char *what, sw_error *error)
{
    const char *field = sw_schema_resource_body_field(c->method, c->resource.message);
    json_t *item = NULL;
    if (field == NULL)
        return sw_fail(error, SW_UNIMPLEMENTED, "%s does not take a %s", c->method->name, c->resource.name);
    json_object_set(c->request, field, body);
    sw_code code = sw_cli_call(cli, c->method->path, c->request, NULL, &item, error);
    if (code == SW_OK) {
        sw_print_record(cli, c->resource.message, item);
        say_dry_run(cli, *cli->outcome != '\0' ? cli->outcome : what, item, &c->resource);
    }
    json_decref(item);
    return code;
}

/* A file may come from `get --json`, so fields that the registry sets are ignored there; in a
 * word they are an error. */
static sw_code check_settable(const sw_schema_resource *resource, const json_t *assigned, sw_error *error)
{
    for (unsigned i = 0; i < resource->message->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &resource->message->fields[i];
        if (is_bookkeeping(field) && json_object_get(assigned, field->name) != NULL)
            return sw_fail_field(error, SW_INVALID_ARGUMENT, field->name,
                                 "the registry sets `%s`: leave it out", field->name);
    }
    return SW_OK;
}

sw_code sw_cmd_create(sw_cli *cli, sw_error *error)
{
    change c = {0};
    json_t *body = NULL, *assigned = json_object();
    sw_code code = begin(cli, &c, error);
    if (code == SW_OK)
        code = read_body(cli, &c.resource, &body, error);
    if (code == SW_OK)
        drop_bookkeeping(&c.resource, body);
    if (code == SW_OK)
        code = read_words(cli, &c.resource, body, assigned, error);
    if (code == SW_OK)
        code = check_settable(&c.resource, assigned, error);
    if (code == SW_OK)
        code = send(cli, &c, body, "created", error);
    json_decref(assigned);
    json_decref(body);
    json_decref(c.request);
    return code;
}

/* The names of the fields except the key's, joined with commas: the JSON form of a FieldMask. */
static json_t *mask_text(const sw_schema_resource *resource, const json_t *mask)
{
    char *text = strdup("");
    for (unsigned i = 0; text != NULL && i < resource->message->n_fields; i++) {
        const char *name = resource->message->fields[i].name;
        char *joined = NULL;
        bool key = false;
        for (size_t k = 0; k < resource->key_count; k++)
            key = key || strcmp(resource->keys[k]->name, name) == 0;
        if (key || json_object_get(mask, name) == NULL)
            continue;
        if (asprintf(&joined, "%s%s%s", text, *text != '\0' ? "," : "", name) < 0)
            joined = NULL;
        free(text);
        text = joined;
    }
    json_t *value = json_string(text != NULL ? text : "");
    free(text);
    return value;
}

static sw_code read_mask(sw_cli *cli, const sw_schema_resource *resource, json_t *mask, sw_error *error)
{
    const char *names = sw_args_value(&cli->args, "mask");
    while (names != NULL && *names != '\0') {
        size_t length = strcspn(names, ",");
        const ProtobufCFieldDescriptor *field;
        sw_code code = sw_field_find(resource->message, names, length, &field, error);
        if (code != SW_OK)
            return code;
        json_object_set_new(mask, field->name, json_true());
        names += length + (names[length] == ',');
    }
    return SW_OK;
}

sw_code sw_cmd_update(sw_cli *cli, sw_error *error)
{
    change c = {0};
    json_t *body = NULL, *mask = json_object();
    sw_code code = begin(cli, &c, error);
    if (code == SW_OK)
        code = read_body(cli, &c.resource, &body, error);
    if (code == SW_OK) {
        const char *name;
        json_t *value;
        json_object_foreach(body, name, value) json_object_set_new(mask, name, json_true());
        /* A file from `get --json` contains fields that the registry sets: ignore them. */
        json_object_del(mask, "revision");
        for (unsigned i = 0; i < c.resource.message->n_fields; i++)
            if (is_bookkeeping(&c.resource.message->fields[i]))
                json_object_del(mask, c.resource.message->fields[i].name);
        code = read_words(cli, &c.resource, body, mask, error);
    }
    if (code == SW_OK)
        code = read_mask(cli, &c.resource, mask, error);
    if (code == SW_OK && json_object_size(mask) == 0 && !sw_args_has(&cli->args, "allow-missing"))
        code = sw_cli_usage(cli, error, "what should change? give field=value, or field= to clear a field");
    if (code == SW_OK)
        code = set_revision(cli, body, error);
    if (code == SW_OK) {
        json_object_set_new(c.request, "update_mask", mask_text(&c.resource, mask));
        if (sw_args_has(&cli->args, "allow-missing"))
            json_object_set_new(c.request, "allow_missing", json_true());
        code = send(cli, &c, body, "updated", error);
    }
    json_decref(mask);
    json_decref(body);
    json_decref(c.request);
    return code;
}

static bool confirmed(sw_cli *cli, const char *noun, size_t count)
{
    char question[64 + SW_RESOURCE_NAME_MAX];
    snprintf(question, sizeof(question), "delete %zu %s?", count, noun);
    return sw_args_has(&cli->args, "dry-run") || sw_cli_confirm(cli, question);
}

sw_code sw_cmd_delete(sw_cli *cli, sw_error *error)
{
    const sw_args *args = &cli->args;
    change c = {0};
    sw_code code = begin(cli, &c, error);
    if (code == SW_OK)
        code = set_revision(cli, c.request, error);
    /* Reads all keys before the first row is deleted. */
    size_t used = 0, count = 0;
    for (size_t at = 1; code == SW_OK && at < args->word_count; at += used, count++) {
        json_t *key = json_object();
        code = sw_schema_resource_read_key(&c.resource, args->words + at, args->word_count - at, &used, key,
                                           error);
        json_decref(key);
    }
    if (code == SW_OK && count == 0)
        code = sw_cli_usage(cli, error, "delete takes a RESOURCE and at least one KEY");
    if (code == SW_OK && count > 1 && sw_args_has(args, "revision"))
        code = sw_cli_usage(cli, error, "--revision is for one row: give one KEY with it");
    if (code == SW_OK && !confirmed(cli, count == 1 ? c.resource.name : c.resource.plural, count))
        code = sw_fail(error, SW_CANCELLED, "nothing was deleted");
    for (size_t at = 1; code == SW_OK && at < args->word_count; at += used) {
        json_t *request = json_copy(c.request);
        code = sw_schema_resource_read_key(&c.resource, args->words + at, args->word_count - at, &used,
                                           request, error);
        if (code == SW_OK)
            code = sw_cli_call(cli, c.method->path, request, NULL, NULL, error);
        if (code == SW_OK) {
            say_dry_run(cli, "deleted", request, &c.resource);
            sw_cli_renew_deadline(cli);
        }
        json_decref(request);
    }
    json_decref(c.request);
    return code;
}

sw_code sw_cmd_rename(sw_cli *cli, sw_error *error)
{
    const sw_args *args = &cli->args;
    change c = {0};
    json_t *item = NULL;
    size_t used = 0;
    sw_code code = begin(cli, &c, error);
    if (code == SW_OK)
        code = set_revision(cli, c.request, error);
    if (code == SW_OK && args->word_count != 3)
        code = sw_cli_usage(cli, error, "rename takes a RESOURCE, its KEY and the NEW key");
    if (code == SW_OK)
        code = sw_schema_resource_read_key(&c.resource, args->words + 1, 1, &used, c.request, error);
    if (code == SW_OK) {
        char name[SW_RESOURCE_NAME_MAX];
        snprintf(name, sizeof(name), "new_%s", c.resource.keys[0]->name);
        json_object_set_new(c.request, name, json_string(args->words[2]));
        code = sw_cli_call(cli, c.method->path, c.request, NULL, &item, error);
    }
    if (code == SW_OK) {
        sw_print_record(cli, c.resource.message, item);
        char *key = sw_schema_resource_key_text(&c.resource, item), *what = NULL;
        if (asprintf(&what, "renamed to %s", key != NULL ? key : args->words[2]) >= 0)
            say_dry_run(cli, strcmp(cli->outcome, "unchanged") == 0 ? cli->outcome : what, c.request,
                        &c.resource);
        free(what);
        free(key);
    }
    json_decref(item);
    json_decref(c.request);
    return code;
}
