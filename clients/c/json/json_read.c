/* proto3 JSON to messages, see json.h. Errors name the path of the field, what was expected, and
 * what to do. */
#include "base/error.h"
#include "base/nearest.h"
#include "c/json/json_form.h"
#include "c/json/json_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_SIZE 160 /* of all fields, for an error */
#define NAME_SIZE  128

/* --- Elements and fields --- */

sw_code sw_json_read_element(sw_json_reader *r, const ProtobufCFieldDescriptor *field, const json_t *json,
                             void *to)
{
    return field->type == PROTOBUF_C_TYPE_MESSAGE ? sw_json_read_message(r, field->descriptor, json, to)
                                                  : sw_json_read_scalar(r, field, json, to);
}

/* Makes room for the elements, all zeros; *used counts those that are to be freed. NULL without
 * memory. */
static char *make_elements(sw_json_reader *r, ProtobufCMessage *message,
                           const ProtobufCFieldDescriptor *field, size_t count, size_t **used)
{
    size_t size = sw_field_size(field);
    char *elements = sw_json_allocate(r, count * size);
    if (elements == NULL)
        return NULL;
    memset(elements, 0, count * size);
    *used = (size_t *)(void *)((char *)message + field->quantifier_offset);
    *(void **)sw_field_at(message, field) = elements;
    return elements;
}

static sw_code read_array(sw_json_reader *r, ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                          const json_t *json)
{
    if (!json_is_array(json))
        return sw_json_expected(r, "an array", json);
    size_t count = json_array_size(json), *used;
    char *elements = count > 0 ? make_elements(r, message, field, count, &used) : NULL;
    if (elements == NULL)
        return count > 0 ? sw_json_exhausted(r) : SW_OK;
    for (size_t i = 0; i < count; i++) {
        const json_t *element = json_array_get(json, i);
        size_t before = sw_json_enter(r, NULL, i);
        *used = i + 1; /* so that a half-read element is freed, too */
        sw_code code = json_is_null(element) && !sw_json_takes_null(field)
                           ? sw_json_fail(r, "an element of an array must not be null")
                           : sw_json_read_element(r, field, element, elements + i * sw_field_size(field));
        if (code != SW_OK)
            return code;
        sw_json_leave(r, before);
    }
    return SW_OK;
}

/* An entry of a map: a message with a key and a value. */
static sw_code read_entry(sw_json_reader *r, const char *name, const json_t *json, ProtobufCMessage *entry)
{
    const ProtobufCFieldDescriptor *key, *value;
    sw_json_map_fields(entry->descriptor, &key, &value);
    sw_field_set_present(entry, key);
    sw_code code = sw_json_read_key(r, key, name, sw_field_at(entry, key));
    if (code != SW_OK)
        return code;
    if (json_is_null(json) && !sw_json_takes_null(value))
        return sw_json_fail(r, "a value of a map must not be null");
    sw_field_set_present(entry, value);
    return sw_json_read_element(r, value, json, sw_field_at(entry, value));
}

static sw_code read_map(sw_json_reader *r, ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                        const json_t *json)
{
    if (!json_is_object(json))
        return sw_json_expected(r, "an object", json);
    size_t count = json_object_size(json), i = 0, *used;
    ProtobufCMessage **entries = count > 0 ? (void *)make_elements(r, message, field, count, &used) : NULL;
    if (entries == NULL)
        return count > 0 ? sw_json_exhausted(r) : SW_OK;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)json, name, value)
    {
        size_t before = sw_json_enter(r, name, 0);
        if ((entries[i] = sw_json_new_message(r, field->descriptor)) == NULL)
            return sw_json_exhausted(r);
        *used = i + 1;
        sw_code code = read_entry(r, name, value, entries[i++]);
        if (code != SW_OK)
            return code;
        sw_json_leave(r, before);
    }
    return SW_OK;
}

sw_code sw_json_read_repeated(sw_json_reader *r, ProtobufCMessage *message,
                              const ProtobufCFieldDescriptor *field, const json_t *json)
{
    return sw_json_is_map(field) ? read_map(r, message, field, json) : read_array(r, message, field, json);
}

static bool other_member_set(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
           *(const uint32_t *)(const void *)((const char *)message + field->quantifier_offset) != 0;
}

static bool has_name(const ProtobufCFieldDescriptor *field, const char *name)
{
    char camel[NAME_SIZE];
    if (sw_json_name(field) != NULL)
        return strcmp(sw_json_name(field), name) == 0;
    sw_name_to_camel(field->name, camel, sizeof(camel));
    return strcmp(camel, name) == 0;
}

static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *type, const char *name)
{
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(type, name);
    for (unsigned i = 0; field == NULL && i < type->n_fields; i++)
        if (has_name(&type->fields[i], name))
            field = &type->fields[i];
    return field;
}

/* The names of all fields; false if there are none, or too many to print. */
static bool list_fields(const ProtobufCMessageDescriptor *type, char names[NAMES_SIZE])
{
    size_t used = 0;
    for (unsigned i = 0; i < type->n_fields; i++) {
        int size = snprintf(names + used, NAMES_SIZE - used, "%s%s", i > 0 ? ", " : "", type->fields[i].name);
        if (size < 0 || (size_t)size >= NAMES_SIZE - used)
            return false;
        used += (size_t)size;
    }
    return used > 0;
}

static sw_code unknown_field(sw_json_reader *r, const ProtobufCMessageDescriptor *type, const char *name)
{
    sw_nearest nearest;
    sw_nearest_init(&nearest, name, strlen(name));
    for (unsigned i = 0; i < type->n_fields; i++)
        sw_nearest_offer(&nearest, type->fields[i].name);
    sw_json_enter(r, name, 0);
    if (nearest.count > 0)
        return sw_json_fail(r, "%s has no such field; did you mean '%s'?", type->short_name,
                            nearest.best[0].name);
    char names[NAMES_SIZE];
    return list_fields(type, names)
               ? sw_json_fail(r, "%s has no such field; it has %s", type->short_name, names)
               : sw_json_fail(r, "%s has no such field", type->short_name);
}

sw_code sw_json_read_fields(sw_json_reader *r, const json_t *json, ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)json, name, value)
    {
        const ProtobufCFieldDescriptor *field = find_field(type, name);
        if (field == NULL)
            return unknown_field(r, type, name);
        size_t before = sw_json_enter(r, field->name, 0);
        if (strcmp(name, field->name) != 0 && json_object_get(json, field->name) != NULL)
            return sw_json_fail(r, "given twice, also as '%s'", name);
        sw_code code = SW_OK;
        if (json_is_null(value) &&
            (field->label == PROTOBUF_C_LABEL_REPEATED || !sw_json_takes_null(field))) {
            /* null means absent */
        } else if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            code = sw_json_read_repeated(r, message, field, value);
        } else if (other_member_set(message, field)) {
            code = sw_json_fail(r, "only one member of a oneof can be set");
        } else {
            void *to = sw_field_at(message, field);
            const void *fallback = field->type == PROTOBUF_C_TYPE_STRING ? *(void **)to : NULL;
            sw_field_set_present(message, field);
            code = sw_json_read_element(r, field, value, to);
            if (code != SW_OK && field->type == PROTOBUF_C_TYPE_STRING && *(void **)to == NULL)
                *(const void **)to = fallback;
        }
        if (code != SW_OK)
            return code;
        sw_json_leave(r, before);
    }
    return SW_OK;
}

/* --- Messages --- */

sw_code sw_json_read_message(sw_json_reader *r, const ProtobufCMessageDescriptor *type, const json_t *json,
                             ProtobufCMessage **message)
{
    if (r->depth == SW_JSON_DEPTH_MAX)
        return sw_json_fail(r, "nested deeper than %d messages", SW_JSON_DEPTH_MAX);
    if ((*message = sw_json_new_message(r, type)) == NULL)
        return sw_json_exhausted(r);
    bool is_known = sw_json_form_of(type) != SW_JSON_FIELDS;
    if (!is_known && !json_is_object(json))
        return sw_json_expected(r, "an object", json);
    r->depth++;
    sw_code code = is_known ? sw_json_read_known(r, json, *message) : sw_json_read_fields(r, json, *message);
    r->depth--;
    return code;
}

sw_code sw_json_to_message(const ProtobufCMessageDescriptor *type, const json_t *json,
                           ProtobufCAllocator *allocator, ProtobufCMessage **message, sw_error *error)
{
    sw_json_reader r = {.allocator = allocator, .error = error};
    *message = NULL;
    sw_code code = sw_json_read_message(&r, type, json, message);
    if (code != SW_OK && *message != NULL) {
        protobuf_c_message_free_unpacked(*message, allocator);
        *message = NULL;
    }
    return code;
}

sw_code sw_json_parse(const ProtobufCMessageDescriptor *type, const char *json, size_t size,
                      ProtobufCAllocator *allocator, ProtobufCMessage **message, sw_error *error)
{
    json_error_t where;
    *message = NULL;
    json_t *root = json_loadb(json, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &where);
    if (root == NULL && where.text[0] == '\0') /* jansson reports nothing when out of memory */
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    if (root == NULL)
        return sw_fail(error, SW_INVALID_ARGUMENT, "JSON line %d, column %d: %s", where.line, where.column,
                       where.text);
    sw_code code = sw_json_to_message(type, root, allocator, message, error);
    json_decref(root);
    return code;
}
