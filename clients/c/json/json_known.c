/* Reading the messages that have a JSON form of their own (json_form.h). See json_reader.h. */
#include "base/error.h"
#include "c/json/json_form.h"
#include "c/json/json_reader.h"
#include "wire/validate.h"

#include <stdio.h>
#include <string.h>

/* --- Time and masks --- */

static void set_number(ProtobufCMessage *message, const char *name, int64_t number)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);
    if (field == NULL || field->label == PROTOBUF_C_LABEL_REPEATED)
        return;
    sw_field_set_present(message, field);
    if (sw_field_size(field) == 8)
        *(int64_t *)sw_field_at(message, field) = number;
    else
        *(int32_t *)sw_field_at(message, field) = (int32_t)number;
}

static sw_code read_time(sw_json_reader *r, const json_t *json, bool duration, ProtobufCMessage *message)
{
    const char *text = json_string_value(json);
    int64_t seconds;
    int32_t nanos;
    if (text == NULL ||
        !(duration ? sw_duration_parse(text, &seconds, &nanos) : sw_timestamp_parse(text, &seconds, &nanos)))
        return sw_json_expected(
            r, duration ? "a duration such as \"1.5s\"" : "a time such as \"2026-01-31T12:00:00Z\"", json);
    set_number(message, "seconds", seconds);
    set_number(message, "nanos", nanos);
    return SW_OK;
}

/* A list of names such as `name,code_repository_url`, in either spelling. */
static sw_code read_mask(sw_json_reader *r, const json_t *json, ProtobufCMessage *message)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, "paths");
    if (!json_is_string(json) || field == NULL || field->label != PROTOBUF_C_LABEL_REPEATED ||
        field->type != PROTOBUF_C_TYPE_STRING)
        return sw_json_expected(r, "field names in a string, comma-separated", json);
    const char *text = json_string_value(json);
    size_t count = 1, *used = (size_t *)(void *)((char *)message + field->quantifier_offset);
    if (*text == '\0')
        return SW_OK;
    for (const char *at = text; (at = strchr(at, ',')) != NULL; at++)
        count++;
    char **paths = sw_json_allocate(r, count * sizeof(*paths));
    if (paths == NULL)
        return sw_json_exhausted(r);
    *(char ***)sw_field_at(message, field) = paths;
    for (size_t i = 0; i < count; i++, text = strchrnul(text, ',') + 1) {
        char snake[256];
        size_t length = sw_name_to_snake(text, (size_t)(strchrnul(text, ',') - text), snake, sizeof(snake));
        if (length == 0 || length > sizeof(snake))
            return sw_json_fail(r, "path %zu of the mask is %s", i, length == 0 ? "empty" : "too long");
        sw_code code = sw_json_copy_text(r, snake, length, &paths[i]);
        if (code != SW_OK)
            return code;
        *used = i + 1;
    }
    return SW_OK;
}

/* --- Values of any kind --- */

static const ProtobufCFieldDescriptor *field_of(const ProtobufCMessage *message, const char *name)
{
    return protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);
}

static sw_code read_member(sw_json_reader *r, const char *name, const json_t *json, ProtobufCMessage *message)
{
    const ProtobufCFieldDescriptor *field = field_of(message, name);
    sw_field_set_present(message, field);
    return sw_json_read_element(r, field, json, sw_field_at(message, field));
}

static sw_code read_value(sw_json_reader *r, const json_t *json, ProtobufCMessage *message)
{
    static const char *const members[] = {
        [JSON_OBJECT] = "struct_value",  [JSON_ARRAY] = "list_value",  [JSON_STRING] = "string_value",
        [JSON_INTEGER] = "number_value", [JSON_REAL] = "number_value", [JSON_TRUE] = "bool_value",
        [JSON_FALSE] = "bool_value",     [JSON_NULL] = "null_value",
    };
    return read_member(r, members[json_typeof(json)], json, message);
}

/* --- Any --- */

static sw_code pack(sw_json_reader *r, const ProtobufCMessage *from, ProtobufCMessage *any)
{
    ProtobufCBinaryData *value = sw_field_at(any, field_of(any, "value"));
    size_t size = protobuf_c_message_get_packed_size(from);
    if ((value->data = sw_json_allocate(r, size)) == NULL)
        return sw_json_exhausted(r);
    value->len = protobuf_c_message_pack(from, value->data);
    sw_field_set_present(any, field_of(any, "value"));
    return SW_OK;
}

/* The message beside "@type": its fields, or in "value" if it has a form of its own. */
static sw_code read_packed(sw_json_reader *r, const ProtobufCMessageDescriptor *type, const json_t *json,
                           ProtobufCMessage *any)
{
    bool is_known = sw_json_form_of(type) != SW_JSON_FIELDS;
    if (is_known && json_object_get(json, "value") == NULL)
        return sw_json_fail(r, "a %s in an Any is given as \"value\"", type->short_name);
    json_t *content =
        is_known ? json_incref(json_object_get(json, "value")) : json_copy((json_t *)(uintptr_t)json);
    if (content == NULL)
        return sw_json_exhausted(r);
    if (!is_known)
        json_object_del(content, "@type");
    ProtobufCMessage *message = NULL;
    sw_code code = sw_json_read_message(r, type, content, &message);
    if (code == SW_OK)
        code = pack(r, message, any);
    if (message != NULL)
        protobuf_c_message_free_unpacked(message, r->allocator);
    json_decref(content);
    return code;
}

static sw_code read_any(sw_json_reader *r, const json_t *json, ProtobufCMessage *any)
{
    const json_t *url = json_object_get(json, "@type");
    if (!json_is_object(json) || (url == NULL && json_object_size(json) > 0) ||
        (url != NULL && !json_is_string(url)))
        return sw_json_expected(
            r, "an object with \"@type\", such as \"type.googleapis.com/package.Message\"", json);
    if (url == NULL)
        return SW_OK;
    sw_code code = read_member(r, "type_url", url, any);
    if (code != SW_OK)
        return code;
    const ProtobufCMessageDescriptor *type = sw_json_any_type(any);
    if (type != NULL)
        return read_packed(r, type, json, any);
    if (json_object_size(json) != 2 || !json_is_string(json_object_get(json, "value")))
        return sw_json_fail(r, "the schema has no message \"%.128s\": give its bytes as \"value\", in base64",
                            json_string_value(url));
    return read_member(r, "value", json_object_get(json, "value"), any);
}

/* --- All of them --- */

sw_code sw_json_read_known(sw_json_reader *r, const json_t *json, ProtobufCMessage *message)
{
    switch (sw_json_form_of(message->descriptor)) {
    case SW_JSON_TIMESTAMP:
        return read_time(r, json, false, message);
    case SW_JSON_DURATION:
        return read_time(r, json, true, message);
    case SW_JSON_MASK:
        return read_mask(r, json, message);
    case SW_JSON_WRAPPER:
        return read_member(r, "value", json, message);
    case SW_JSON_STRUCT:
        return sw_json_read_repeated(r, message, field_of(message, "fields"), json);
    case SW_JSON_LIST:
        return sw_json_read_repeated(r, message, field_of(message, "values"), json);
    case SW_JSON_VALUE:
        return read_value(r, json, message);
    case SW_JSON_ANY:
        return read_any(r, json, message);
    case SW_JSON_FIELDS:
        break;
    }
    return sw_json_read_fields(r, json, message);
}
