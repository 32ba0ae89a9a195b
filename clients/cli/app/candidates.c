/* Candidates from Reflection and the registry: see candidates.h. */
#include "cli/app/candidates.h"
#include "cli/schema/field.h"
#include "cli/schema/name.h"
#include "cli/schema/value.h"
#include <stdlib.h>
#include <string.h>

#define CODES_MAX 100

void sw_candidate(const sw_completion_line *l, const char *before, const char *text, const char *after)
{
    size_t length = strlen(before);
    if (strncmp(l->last, before, length) == 0 &&
        strncmp(text, l->last + length, strlen(l->last + length)) == 0)
        printf("%s%s%s\n", before, text, after);
}

static bool offer_resource(const sw_schema_resource *resource, void *context)
{
    const sw_completion_line *l = context;
    bool one = strcmp(l->words[1], "list") != 0 && strcmp(l->words[1], "export") != 0;
    sw_candidate(l, "", one ? resource->name : resource->plural, "");
    return true;
}

bool sw_candidates_schema(sw_completion_line *l)
{
    return l->schema != NULL || sw_cli_schema(l->cli, &l->schema, NULL) == SW_OK;
}

void sw_candidates_resources(sw_completion_line *l)
{
    if (sw_candidates_schema(l))
        sw_schema_resource_each(l->schema, offer_resource, l);
}

void sw_candidates_codes(sw_completion_line *l, const sw_schema_resource *resource, const char *before,
                         const char *prefix)
{
    if (resource->list == NULL || resource->keys[0]->type != PROTOBUF_C_TYPE_STRING)
        return;
    char *first = strndup(prefix, resource->key_count > 1 ? strcspn(prefix, "/") : strlen(prefix));
    bool whole = first != NULL && resource->key_count > 1 && strchr(prefix, '/') != NULL;
    json_t *request = json_pack("{s:i}", "page_size", CODES_MAX), *page = NULL, *item;
    if (first != NULL && *first != '\0')
        json_object_set_new(request, "filters",
                            json_pack("[{s:s,s:s,s:[s]}]", "field", resource->keys[0]->name, "op",
                                      whole ? "=" : "prefix", "values", first));
    sw_call_options options = {.size = sizeof(options), .timeout_ms = SW_COMPLETION_MS, .no_retry = true};
    size_t index;
    if (sw_cli_call(l->cli, resource->list->path, request, &options, &page, NULL) == SW_OK)
        json_array_foreach(json_object_get(page, "items"), index, item)
        {
            char *key = sw_schema_resource_key_text(resource, item);
            if (key != NULL)
                sw_candidate(l, before, key, "");
            free(key);
        }
    json_decref(request);
    json_decref(page);
    free(first);
}

/* The resource that a field refers to: the field's comment says `-> Resource`, perhaps followed
 * by `.field`. */
static bool reference_of(const sw_completion_line *l, const ProtobufCMessageDescriptor *message,
                         const ProtobufCFieldDescriptor *field, sw_schema_resource *target)
{
    const char *arrow = strstr(sw_schema_comment(l->schema, message, field->name), "-> ");
    char name[64];
    if (arrow == NULL)
        return false;
    size_t length = strspn(arrow + 3, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
    snprintf(name, sizeof(name), "%.*s", (int)(length < 63 ? length : 63), arrow + 3);
    return sw_schema_resource_of(l->schema, name, target) && target->key_count == 1;
}

/* Whether create and update can set the field: not those that the registry sets, and not the
 * key, which is a word of its own. */
static bool may_be_set(const sw_schema_resource *resource, const ProtobufCFieldDescriptor *field)
{
    bool good = field->id < SW_FIELD_BOOKKEEPING;
    for (size_t i = 0; i < resource->key_count; i++)
        good = good && strcmp(resource->keys[i]->name, field->name) != 0;
    return good;
}

void sw_candidates_assignment(sw_completion_line *l, const sw_schema_resource *resource, bool sets)
{
    const char *equals = strchr(l->last, '=');
    if (equals == NULL) {
        for (unsigned i = 0; i < resource->message->n_fields; i++)
            if (!sets || may_be_set(resource, &resource->message->fields[i]))
                sw_candidate(l, "", resource->message->fields[i].name, "=");
        return;
    }
    const ProtobufCFieldDescriptor *field;
    if (sw_field_find(resource->message, l->last, (size_t)(equals - l->last), &field, NULL) != SW_OK)
        return;
    char *before = strndup(l->last, (size_t)(equals - l->last) + 1);
    sw_schema_resource target;
    if (before == NULL)
        return;
    if (field->type == PROTOBUF_C_TYPE_BOOL) {
        sw_candidate(l, before, "true", "");
        sw_candidate(l, before, "false", "");
    } else if (field->type == PROTOBUF_C_TYPE_ENUM) {
        const ProtobufCEnumDescriptor *type = field->descriptor;
        for (unsigned i = 0; i < type->n_values; i++)
            sw_candidate(l, before, type->values[i].name, "");
    } else if (reference_of(l, resource->message, field, &target)) {
        sw_candidates_codes(l, &target, before, equals + 1);
    }
    free(before);
}

void sw_candidates_fields(sw_completion_line *l, const sw_schema_resource *resource)
{
    /* Complete after the last comma of a list of fields, and after the - of --order. */
    const char *comma = strrchr(l->last, ',');
    size_t length = comma != NULL ? (size_t)(comma - l->last) + 1 : 0;
    length += l->last[length] == '-';
    char *before = strndup(l->last, length);
    for (unsigned i = 0; before != NULL && i < resource->message->n_fields; i++)
        sw_candidate(l, before, resource->message->fields[i].name, "");
    free(before);
}

void sw_candidates_methods(sw_completion_line *l)
{
    const sw_schema_service *services;
    size_t count = sw_candidates_schema(l) ? sw_schema_services(l->schema, &services) : 0;
    for (size_t s = 0; s < count; s++)
        for (size_t m = 0; m < services[s].method_count; m++) {
            char text[160];
            snprintf(text, sizeof(text), "%s/%s", sw_short_name(services[s].name),
                     services[s].methods[m].name);
            sw_candidate(
                l, "", strchr(l->last, '/') != NULL || *l->last == '\0' ? text : services[s].methods[m].name,
                "");
            if (strchr(l->last, '/') == NULL && *l->last != '\0')
                sw_candidate(l, "", text, "");
        }
}

void sw_candidates_instances(sw_completion_line *l)
{
    json_t *stats = NULL, *item;
    size_t index;
    sw_call_options options = {.size = sizeof(options), .timeout_ms = SW_COMPLETION_MS, .no_retry = true};
    if (sw_cli_call(l->cli, "/sitewire.rpc.v1.Stats/GetStats", NULL, &options, &stats, NULL) == SW_OK)
        json_array_foreach(json_object_get(stats, "instances"), index, item)
        {
            const char *name = json_string_value(json_object_get(item, "instance"));
            char text[160];
            snprintf(text, sizeof(text), "@%s", name != NULL ? name : "");
            sw_candidate(l, "", text, "");
        }
    json_decref(stats);
}

void sw_candidates_deployments(const sw_completion_line *l)
{
    json_t *page = NULL, *item,
           *request = json_pack("{s:i, s:[{s:s, s:b}]}", "page_size", CODES_MAX, "order_by", "field", "id",
                                "descending", 1);
    sw_call_options options = {.size = sizeof(options), .timeout_ms = SW_COMPLETION_MS, .no_retry = true};
    size_t index;
    if (sw_cli_call(l->cli, "Deployments/ListDeployments", request, &options, &page, NULL) == SW_OK)
        json_array_foreach(json_object_get(page, "items"), index, item)
            sw_candidate(l, "", sw_json_text(item, "id"), "");
    json_decref(request);
    json_decref(page);
}

void sw_candidates_flag_codes(sw_completion_line *l, const char *flag)
{
    static const char *const resources[][2] = {{"env", "environment"},
                                               {"docroot", "docroot"},
                                               {"project", "project"},
                                               {"project", "website"},
                                               {"type", "deployment-type"},
                                               {"status", "deployment-status"},
                                               {"user", "user"},
                                               {"by", "user"}};
    sw_schema_resource resource;
    for (size_t i = 0; i < sizeof(resources) / sizeof(*resources); i++)
        if (strcmp(resources[i][0], flag) == 0 && sw_candidates_schema(l) &&
            sw_schema_resource_find(l->schema, resources[i][1], &resource, NULL) == SW_OK)
            sw_candidates_codes(l, &resource, "", l->last);
}
