/* Reads the comments of the schema: `-> Type` is a reference (if the key of the type has several
 * fields: to the row that the fields of the same names identify), `Set by the registry` and
 * `never typed` mark a computed field, `etag` the revision. */
#include "cli/import/model.h"

#include "base/arena.h"
#include "base/error.h"
#include "cli/schema/name.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEPARATOR '\x1f'

struct sw_model {
    sw_arena *arena;
    const sw_schema *schema;
    size_t count;
    sw_model_type **types;
};

static bool begins(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

const ProtobufCFieldDescriptor *sw_model_field(const sw_model_type *type, const char *name)
{
    for (unsigned i = 0; i < type->message->n_fields; i++)
        if (strcmp(type->message->fields[i].name, name) == 0)
            return &type->message->fields[i];
    return NULL;
}

sw_field_kind sw_model_kind(const sw_model_type *type, const ProtobufCFieldDescriptor *field)
{
    return type->kinds[field - type->message->fields];
}

/* --- From the schema --- */

typedef struct {
    sw_model *model;
    size_t capacity;
    sw_model_type **found;
    bool no_memory;
} collector;

/* Collects resources that can be listed and updated, and whose messages contain the key. */
static bool collect(const sw_schema_resource *resource, void *context)
{
    collector *c = context;
    sw_model *model = c->model;
    const ProtobufCMessageDescriptor *message = resource->message;
    const char *body = resource->update ? sw_schema_resource_body_field(resource->update, message) : NULL;
    if (resource->list == NULL || body == NULL)
        return true;
    if (model->count == c->capacity) {
        size_t capacity = c->capacity ? c->capacity * 2 : 32;
        sw_model_type **found = sw_arena_alloc(model->arena, capacity * sizeof *found);
        if (found == NULL)
            return !(c->no_memory = true);
        memcpy(found, c->found ? c->found : found, model->count * sizeof *found);
        c->found = found;
        c->capacity = capacity;
    }
    sw_model_type *type = sw_arena_alloc(model->arena, sizeof *type);
    sw_field_kind *kinds = sw_arena_alloc(model->arena, (message->n_fields + 1) * sizeof *kinds);
    if (type == NULL || kinds == NULL)
        return !(c->no_memory = true);
    *type = (sw_model_type){
        .name = sw_short_name(message->name),
        .message = message,
        .resource = *resource,
        .kinds = kinds,
        .body = protobuf_c_message_descriptor_get_field_by_name(resource->update->request, body)};
    for (unsigned i = 0; i < message->n_fields; i++) {
        const char *comment = sw_schema_comment(model->schema, message, message->fields[i].name);
        kinds[i] = strstr(comment, "etag") != NULL ? SW_FIELD_REVISION
                   : begins(comment, "Set by the registry") || strstr(comment, "never typed") != NULL
                       ? SW_FIELD_COMPUTED
                       : SW_FIELD_PLAIN;
    }
    for (size_t i = 0; i < resource->key_count; i++)
        if ((type->key[type->key_count++] = sw_model_field(type, resource->keys[i]->name)) == NULL)
            return true;
    c->found[model->count++] = type;
    return true;
}

/* The resource named by `-> Type`, `-> Type.field` or `-> the Type ...` in a comment; NULL if
 * there is none. */
static const sw_model_type *referred(const sw_model *model, const char *comment)
{
    const char *arrow = strstr(comment, "-> ");
    if (arrow == NULL)
        return NULL;
    const char *name = arrow + 3;
    if (begins(name, "the "))
        name += 4;
    size_t size = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
    for (size_t i = 0; i < model->count; i++)
        if (strlen(model->types[i]->name) == size && memcmp(model->types[i]->name, name, size) == 0)
            return model->types[i];
    return NULL;
}

static sw_code read_references(const sw_model *model, sw_model_type *type, sw_error *error)
{
    const ProtobufCMessageDescriptor *message = type->message;
    type->references = sw_arena_alloc(model->arena, (message->n_fields + 1) * sizeof *type->references);
    if (type->references == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    for (unsigned i = 0; i < message->n_fields; i++) {
        const char *comment = sw_schema_comment(model->schema, message, message->fields[i].name);
        sw_model_reference reference = {.target = referred(model, comment)};
        if (reference.target == NULL)
            continue;
        bool whole = true;
        reference.fields[0] = &message->fields[i];
        for (size_t k = 0; k < reference.target->key_count && reference.target->key_count > 1; k++)
            whole =
                (reference.fields[k] = sw_model_field(type, reference.target->key[k]->name)) != NULL && whole;
        for (size_t k = 0; k < type->reference_count;
             k++) /* each field of a reference names the same resource */
            whole = whole && memcmp(&type->references[k], &reference, sizeof reference) != 0;
        if (whole)
            type->references[type->reference_count++] = reference;
    }
    return SW_OK;
}

/* Orders the types depth first: a type comes after those that it refers to. A circle is broken
 * where it is entered. */
static void place(sw_model_type *type, bool *visited, sw_model_type **order, size_t *placed,
                  sw_model_type *const *types, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (types[i] == type) {
            if (visited[i])
                return;
            visited[i] = true;
        }
    for (size_t i = 0; i < type->reference_count; i++)
        for (size_t k = 0; k < count; k++)
            if (types[k] == type->references[i].target)
                place(types[k], visited, order, placed, types, count);
    type->index = *placed;
    order[(*placed)++] = type;
}

static sw_code build(sw_model *model, sw_error *error)
{
    collector c = {.model = model};
    sw_schema_resource_each(model->schema, collect, &c);
    model->types = sw_arena_alloc(model->arena, (model->count + 1) * sizeof *model->types);
    bool *visited = sw_arena_alloc(model->arena, model->count + 1);
    if (c.no_memory || model->types == NULL || visited == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    for (size_t i = 0; i < model->count; i++)
        model->types[i] = c.found[i];
    sw_code code = SW_OK;
    for (size_t i = 0; i < model->count && code == SW_OK; i++)
        code = read_references(model, c.found[i], error);
    size_t placed = 0;
    for (size_t i = 0; i < model->count && code == SW_OK; i++)
        place(c.found[i], visited, model->types, &placed, c.found, model->count);
    return code;
}

sw_code sw_model_new(const sw_schema *schema, sw_model **model, sw_error *error)
{
    sw_arena *arena = sw_arena_new(0);
    *model = arena ? sw_arena_alloc(arena, sizeof **model) : NULL;
    if (*model == NULL) {
        sw_arena_destroy(&arena);
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    }
    **model = (sw_model){.arena = arena, .schema = schema};
    sw_code code = build(*model, error);
    if (code != SW_OK)
        sw_model_destroy(model);
    return code;
}

void sw_model_destroy(sw_model **model)
{
    if (*model == NULL)
        return;
    sw_arena *arena = (*model)->arena; /* the model itself is allocated in it */
    *model = NULL;
    sw_arena_destroy(&arena);
}

size_t sw_model_types(const sw_model *model, const sw_model_type *const **types)
{
    *types = (const sw_model_type *const *)model->types;
    return model->count;
}

/* --- Names --- */

/* Compares only letters and digits, in any case: `docroot_environment` is DocrootEnvironment. */
static bool same_name(const char *name, size_t size, const char *wanted)
{
    for (size_t i = 0; i < size; i++) {
        if (!isalnum((unsigned char)name[i]))
            continue;
        wanted += strspn(wanted, "-");
        if (tolower((unsigned char)name[i]) != tolower((unsigned char)*wanted))
            return false;
        wanted++;
    }
    return *wanted == '\0';
}

const sw_model_type *sw_model_find(const sw_model *model, const char *name, size_t size)
{
    for (size_t i = 0; i < model->count; i++)
        if (same_name(name, size, model->types[i]->resource.name) ||
            same_name(name, size, model->types[i]->resource.plural))
            return model->types[i];
    return NULL;
}

sw_code sw_model_require(const sw_model *model, const char *name, const sw_model_type **type, sw_error *error)
{
    sw_schema_resource resource;
    *type = sw_model_find(model, name, strlen(name));
    if (*type != NULL)
        return SW_OK;
    sw_code code = sw_schema_resource_find(model->schema, name, &resource, error);
    for (size_t i = 0; i < model->count && code == SW_OK; i++)
        if (model->types[i]->message == resource.message)
            *type = model->types[i];
    if (code == SW_OK && *type == NULL)
        return sw_fail(error, SW_INVALID_ARGUMENT, "rows of %s can be neither imported nor exported",
                       resource.name);
    return code;
}

/* --- Keys --- */

/* Prints one field; returns 0 if it is empty or of a type that keys do not have. */
static int print_field(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, char *text,
                       size_t size)
{
    const char *member = (const char *)message + field->offset;
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return 0;
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING: {
        const char *value = *(const char *const *)(const void *)member;
        return value != NULL ? snprintf(text, size, "%s", value) : 0;
    }
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return snprintf(text, size, "%" PRId32, *(const int32_t *)(const void *)member);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return snprintf(text, size, "%" PRId64, *(const int64_t *)(const void *)member);
    default:
        return 0;
    }
}

bool sw_model_key(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *const *fields,
                  size_t count, char key[SW_KEY_TEXT_SIZE])
{
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            key[used++] = SEPARATOR;
        int size = print_field(message, fields[i], key + used, SW_KEY_TEXT_SIZE - used);
        if (size <= 0 || (size_t)size + 1 >= SW_KEY_TEXT_SIZE - used)
            return false;
        used += (size_t)size;
    }
    return count > 0;
}

char *sw_model_key_print(char *key)
{
    for (char *p = key; *p != '\0'; p++)
        if (*p == SEPARATOR)
            *p = '/';
    return key;
}
