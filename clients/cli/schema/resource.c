/* Resources by Reflection: see resource.h. */
#include "cli/schema/resource.h"
#include "base/error.h"
#include "base/nearest.h"
#include "cli/schema/field.h"
#include "cli/schema/name.h"
#include "cli/schema/value.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const ProtobufCFieldDescriptor *items_of(const sw_schema_method *method)
{
    const ProtobufCFieldDescriptor *items =
        protobuf_c_message_descriptor_get_field_by_name(method->reply, "items");
    return items != NULL && items->label == PROTOBUF_C_LABEL_REPEATED &&
                   items->type == PROTOBUF_C_TYPE_MESSAGE
               ? items
               : NULL;
}

/* `Create` + `Website`. */
static bool is_standard(const sw_schema_method *method, const char *verb, const char *noun)
{
    size_t length = strlen(verb);
    return strncmp(method->name, verb, length) == 0 && strcmp(method->name + length, noun) == 0;
}

static bool load(const sw_schema_service *service, const sw_schema_method *get, sw_schema_resource *resource)
{
    if (strncmp(get->name, "Get", 3) != 0 || strcmp(get->name + 3, sw_short_name(get->reply->name)) != 0 ||
        get->streams)
        return false;
    const char *noun = get->name + 3;
    *resource = (sw_schema_resource){.message = get->reply, .get = get};
    for (unsigned i = 0; i < get->request->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &get->request->fields[i];
        if (field->type == PROTOBUF_C_TYPE_MESSAGE) /* read_time is not part of the key */
            continue;
        if (resource->key_count == SW_RESOURCE_KEYS_MAX)
            return false;
        resource->keys[resource->key_count++] = field;
    }
    if (resource->key_count == 0)
        return false;
    sw_kebab_name(noun, resource->name, sizeof(resource->name));
    snprintf(resource->plural, sizeof(resource->plural), "%s", resource->name);
    for (size_t i = 0; i < service->method_count; i++) {
        const sw_schema_method *m = &service->methods[i];
        const ProtobufCFieldDescriptor *items;
        if (is_standard(m, "Create", noun))
            resource->create = m;
        else if (is_standard(m, "Update", noun))
            resource->update = m;
        else if (is_standard(m, "Delete", noun))
            resource->remove = m;
        else if (is_standard(m, "Rename", noun))
            resource->rename = m;
        else if (strncmp(m->name, "List", 4) == 0 && (items = items_of(m)) != NULL &&
                 items->descriptor == resource->message &&
                 protobuf_c_message_descriptor_get_field_by_name(m->request, "filters") != NULL) {
            resource->list = m;
            sw_kebab_name(m->name + 4, resource->plural, sizeof(resource->plural));
        }
    }
    return true;
}

void sw_schema_resource_each(const sw_schema *schema, bool (*fn)(const sw_schema_resource *, void *),
                             void *context)
{
    const sw_schema_service *services;
    size_t count = sw_schema_services(schema, &services);
    sw_schema_resource resource;
    for (size_t s = 0; s < count; s++)
        for (size_t m = 0; m < services[s].method_count; m++)
            if (load(&services[s], &services[s].methods[m], &resource) && !fn(&resource, context))
                return;
}

typedef struct search {
    char word[SW_RESOURCE_NAME_MAX];
    sw_schema_resource *found;
    bool exact;
    size_t prefixes;
    char candidates[256];
    sw_nearest nearest;
    char names[SW_NEAREST_MAX * 2][SW_RESOURCE_NAME_MAX];
} search;

static bool consider(const sw_schema_resource *resource, void *context)
{
    search *s = context;
    char name[SW_RESOURCE_NAME_MAX], plural[SW_RESOURCE_NAME_MAX], simple[SW_RESOURCE_NAME_MAX + 2];
    sw_plain_name(resource->name, name, sizeof(name));
    sw_plain_name(resource->plural, plural, sizeof(plural));
    snprintf(simple, sizeof(simple), "%ss", name);
    if (strcmp(s->word, name) == 0 || strcmp(s->word, plural) == 0 || strcmp(s->word, simple) == 0) {
        *s->found = *resource;
        s->exact = true;
        return false;
    }
    size_t length = strlen(s->word);
    if (strncmp(s->word, name, length) == 0 || strncmp(s->word, plural, length) == 0) {
        if (s->prefixes++ == 0)
            *s->found = *resource;
        size_t used = strlen(s->candidates);
        snprintf(s->candidates + used, sizeof(s->candidates) - used, "%s%s", used > 0 ? ", " : "",
                 resource->plural);
    }
    return true;
}

static bool offer(const sw_schema_resource *resource, void *context)
{
    search *s = context;
    const char *spelling = resource->plural;
    if (sw_edit_distance(s->nearest.word, s->nearest.length, resource->name, strlen(resource->name)) <
        sw_edit_distance(s->nearest.word, s->nearest.length, resource->plural, strlen(resource->plural)))
        spelling = resource->name;
    /* The resource is only lent to this call, so copy the name, into a slot that the candidates
     * do not use. */
    for (size_t i = 0; i < sizeof(s->names) / sizeof(*s->names); i++) {
        bool used = false;
        for (size_t k = 0; k < s->nearest.count; k++)
            used = used || s->nearest.best[k].name == s->names[i];
        if (used)
            continue;
        snprintf(s->names[i], sizeof(s->names[i]), "%s", spelling);
        sw_nearest_offer(&s->nearest, s->names[i]);
        break;
    }
    return true;
}

sw_code sw_schema_resource_find(const sw_schema *schema, const char *word, sw_schema_resource *resource,
                                sw_error *error)
{
    search s = {.found = resource};
    sw_plain_name(word, s.word, sizeof(s.word));
    if (s.word[0] != '\0')
        sw_schema_resource_each(schema, consider, &s);
    if (s.exact || s.prefixes == 1)
        return SW_OK;
    if (s.prefixes > 1)
        return sw_fail(error, SW_INVALID_ARGUMENT, "'%s' is ambiguous: it may be %s", word, s.candidates);
    char hint[256];
    sw_nearest_init(&s.nearest, word, strlen(word));
    sw_schema_resource_each(schema, offer, &s);
    sw_nearest_text(&s.nearest, "", hint, sizeof(hint));
    return sw_fail(error, SW_INVALID_ARGUMENT, "there is no resource '%s'%s", word,
                   *hint != '\0' ? hint : "; `sitewire describe` lists them");
}

typedef struct by_message {
    const char *name;
    sw_schema_resource *resource;
    bool found;
} by_message;

static bool is_message(const sw_schema_resource *resource, void *context)
{
    by_message *want = context;
    want->found = strcmp(sw_short_name(resource->message->name), want->name) == 0;
    if (want->found)
        *want->resource = *resource;
    return !want->found;
}

bool sw_schema_resource_of(const sw_schema *schema, const char *message, sw_schema_resource *resource)
{
    by_message want = {.name = message, .resource = resource};
    sw_schema_resource_each(schema, is_message, &want);
    return want.found;
}

void sw_schema_resource_key_usage(const sw_schema_resource *resource, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < resource->key_count; i++) {
        if (i > 0 && used + 1 < size)
            text[used++] = '/';
        for (const char *p = resource->keys[i]->name; *p != '\0' && used + 1 < size; p++)
            text[used++] = (char)toupper((unsigned char)*p);
        text[used] = '\0';
    }
}

sw_code sw_schema_resource_read_key(const sw_schema_resource *resource, const char *const *words,
                                    size_t count, size_t *used, json_t *object, sw_error *error)
{
    char usage[256];
    sw_schema_resource_key_usage(resource, usage, sizeof(usage));
    const char *word = count > 0 ? words[0] : "";
    bool joined = resource->key_count > 1 && strchr(word, '/') != NULL;
    *used = joined ? 1 : resource->key_count;
    if (count < *used)
        return sw_fail(error, SW_INVALID_ARGUMENT, "the key of a %s is %s%s", resource->name, usage,
                       resource->key_count > 1 ? ", joined with / or as separate words" : "");
    for (size_t i = 0; i < resource->key_count; i++) {
        const char *part = joined ? word : words[i];
        size_t length = joined && i + 1 < resource->key_count ? strcspn(part, "/") : strlen(part);
        if (length == 0 || (joined && (part[length] == '/') != (i + 1 < resource->key_count)) ||
            (joined && i + 1 == resource->key_count && strchr(part, '/') != NULL))
            return sw_fail(error, SW_INVALID_ARGUMENT, "'%s' is not a key of a %s, which is %s",
                           words[joined ? 0 : i], resource->name, usage);
        char *text = strndup(part, length);
        json_t *value = NULL;
        sw_code code = text == NULL ? sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory")
                                    : sw_word_parse(resource->keys[i], text, &value, error);
        free(text);
        if (code != SW_OK)
            return code;
        json_object_set_new(object, resource->keys[i]->name, value);
        if (joined)
            word = part + length + 1;
    }
    return SW_OK;
}

char *sw_schema_resource_key_text(const sw_schema_resource *resource, const json_t *item)
{
    char *text = NULL;
    for (size_t i = 0; i < resource->key_count; i++) {
        char *part = sw_cell_text(json_object_get(item, resource->keys[i]->name)), *joined = NULL;
        if (part == NULL ||
            asprintf(&joined, "%s%s%s", text != NULL ? text : "", text != NULL ? "/" : "", part) < 0)
            joined = NULL;
        free(text);
        free(part);
        text = joined;
        if (text == NULL)
            return NULL;
    }
    return text;
}

const char *sw_schema_resource_body_field(const sw_schema_method *method,
                                          const ProtobufCMessageDescriptor *message)
{
    for (unsigned i = 0; i < method->request->n_fields; i++)
        if (method->request->fields[i].descriptor == message)
            return method->request->fields[i].name;
    return NULL;
}
