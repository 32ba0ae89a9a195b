/* Messages to proto3 JSON, see json.h. */
#include "base/error.h"
#include "c/json/json.h"
#include "c/json/json_form.h"
#include "c/json/json_value.h"
#include "c/json/unpack.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *from_message(const ProtobufCMessage *message, unsigned depth);

static json_t *from_bytes(const ProtobufCBinaryData *bytes)
{
    char *text = malloc(SW_BASE64_ENCODED(bytes->len));
    if (text == NULL)
        return NULL;
    sw_base64_encode(bytes->data, bytes->len, text);
    json_t *json = json_string(text);
    free(text);
    return json;
}

static json_t *from_double(double number)
{
    if (isnan(number))
        return json_string("NaN");
    if (isinf(number))
        return json_string(number > 0 ? "Infinity" : "-Infinity");
    return json_real(number);
}

/* The shortest text that reads back as the same float: 0.1, not 0.10000000149011612. */
static json_t *from_float(float number)
{
    char text[32];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, (double)number);
        if (strtof(text, NULL) == number)
            break;
    }
    return from_double(isfinite(number) ? strtod(text, NULL) : (double)number);
}

/* A value of a map may be absent, which means an empty message. */
static json_t *from_submessage(const ProtobufCMessage *message, const ProtobufCMessageDescriptor *type,
                               unsigned depth)
{
    if (message != NULL)
        return from_message(message, depth);
    ProtobufCMessage *empty = calloc(1, type->sizeof_message);
    if (empty == NULL)
        return NULL;
    empty->descriptor = type;
    json_t *json = from_message(empty, depth);
    free(empty);
    return json;
}

static json_t *from_element(const void *at, const ProtobufCFieldDescriptor *field, unsigned depth)
{
    char text[24];
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return json_integer(*(const int32_t *)at);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return json_integer(*(const uint32_t *)at);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        snprintf(text, sizeof(text), "%lld", (long long)*(const int64_t *)at);
        return json_string(text);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        snprintf(text, sizeof(text), "%llu", (unsigned long long)*(const uint64_t *)at);
        return json_string(text);
    case PROTOBUF_C_TYPE_FLOAT:
        return from_float(*(const float *)at);
    case PROTOBUF_C_TYPE_DOUBLE:
        return from_double(*(const double *)at);
    case PROTOBUF_C_TYPE_BOOL:
        return json_boolean(*(const protobuf_c_boolean *)at);
    case PROTOBUF_C_TYPE_STRING:
        return json_string(*(char *const *)at != NULL ? *(char *const *)at : "");
    case PROTOBUF_C_TYPE_BYTES:
        return from_bytes(at);
    case PROTOBUF_C_TYPE_ENUM: {
        if (sw_json_takes_null(field))
            return json_null();
        const ProtobufCEnumValue *value =
            protobuf_c_enum_descriptor_get_value(field->descriptor, *(const int *)at);
        return value != NULL ? json_string(value->name) : json_integer(*(const int *)at);
    }
    case PROTOBUF_C_TYPE_MESSAGE:
        return from_submessage(*(ProtobufCMessage *const *)at, field->descriptor, depth + 1);
    }
    return NULL;
}

/* The name of a member: the key of an entry, as text. */
static char *key_text(const ProtobufCMessage *entry, const ProtobufCFieldDescriptor *key)
{
    json_t *json = from_element(sw_field_at(entry, key), key, 0);
    char *text = json_is_string(json) ? strdup(json_string_value(json)) : json_dumps(json, JSON_ENCODE_ANY);
    json_decref(json);
    return text;
}

static int add_entry(json_t *object, const ProtobufCMessage *entry, unsigned depth)
{
    const ProtobufCFieldDescriptor *key, *value;
    sw_json_map_fields(entry->descriptor, &key, &value);
    char *name = key_text(entry, key);
    int result = name == NULL ? -1
                              : json_object_set_new(object, name,
                                                    from_element(sw_field_at(entry, value), value, depth));
    free(name);
    return result;
}

static json_t *from_map(ProtobufCMessage *const *entries, size_t count, unsigned depth)
{
    json_t *object = json_object();
    for (size_t i = 0; object != NULL && i < count; i++) {
        if (add_entry(object, entries[i], depth + 1) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *from_field(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                          unsigned depth)
{
    if (field->label != PROTOBUF_C_LABEL_REPEATED)
        return from_element(sw_field_at(message, field), field, depth);
    size_t count = *(const size_t *)(const void *)((const char *)message + field->quantifier_offset);
    const char *at = *(char *const *)sw_field_at(message, field);
    if (sw_json_is_map(field))
        return from_map((ProtobufCMessage *const *)(const void *)at, count, depth);
    json_t *array = json_array();
    for (size_t i = 0; array != NULL && i < count; i++) {
        if (json_array_append_new(array, from_element(at + i * sw_field_size(field), field, depth)) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

/* --- Well-known types --- */

static int64_t number_of(const ProtobufCMessage *message, const char *name)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);
    if (field == NULL || field->label == PROTOBUF_C_LABEL_REPEATED)
        return 0;
    return sw_field_size(field) == 8 ? *(const int64_t *)sw_field_at(message, field)
                                     : *(const int32_t *)sw_field_at(message, field);
}

static json_t *from_time(const ProtobufCMessage *message, bool duration)
{
    char text[SW_TIME_TEXT_SIZE];
    int64_t seconds = number_of(message, "seconds");
    int32_t nanos = (int32_t)number_of(message, "nanos");
    bool good = duration ? sw_duration_print(seconds, nanos, text) : sw_timestamp_print(seconds, nanos, text);
    return good ? json_string(text) : json_null(); /* out of range: it has no text */
}

/* In snake_case like the names of fields, so that the mask can be copied into a request. */
static json_t *from_mask(const ProtobufCMessage *message)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, "paths");
    if (field == NULL || field->label != PROTOBUF_C_LABEL_REPEATED || field->type != PROTOBUF_C_TYPE_STRING)
        return NULL;
    size_t count = *(const size_t *)(const void *)((const char *)message + field->quantifier_offset),
           size = 1;
    char *const *paths = *(char **const *)sw_field_at(message, field);
    for (size_t i = 0; i < count; i++)
        size += strlen(paths[i]) + 1;
    char *text = malloc(size), *at = text;
    if (text == NULL)
        return NULL;
    *at = '\0';
    for (size_t i = 0; i < count; i++)
        at += sprintf(at, "%s%s", i > 0 ? "," : "", paths[i]);
    json_t *json = json_string(text);
    free(text);
    return json;
}

/* --- Values of any kind --- */

static const ProtobufCFieldDescriptor *field_of(const ProtobufCMessage *message, const char *name)
{
    return protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);
}

static json_t *from_member(const ProtobufCMessage *message, const char *name, unsigned depth)
{
    return from_field(message, field_of(message, name), depth);
}

static json_t *from_value(const ProtobufCMessage *message, unsigned depth)
{
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if (sw_field_present(message, field) && field->type != PROTOBUF_C_TYPE_ENUM)
            return from_field(message, field, depth);
    }
    return json_null();
}

/* --- Any --- */

/* Bytes of a type that the schema does not have, or that are not such a message. */
static json_t *from_unknown(const char *url, const ProtobufCBinaryData *value)
{
    json_t *object = json_object();
    json_object_set_new(object, "@type", json_string(url));
    if (json_object_set_new(object, "value", from_bytes(value)) != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *from_any(const ProtobufCMessage *any, unsigned depth)
{
    const char *url = *(char *const *)sw_field_at(any, field_of(any, "type_url"));
    const ProtobufCBinaryData *value = sw_field_at(any, field_of(any, "value"));
    const ProtobufCMessageDescriptor *type = sw_json_any_type(any);
    ProtobufCMessage *message;
    if (url == NULL || *url == '\0')
        return json_object();
    if (type == NULL ||
        sw_unpack(type, (sw_view){(const char *)value->data, value->len}, NULL, &message, NULL) != SW_OK)
        return from_unknown(url, value);
    json_t *content = from_message(message, depth + 1), *object = json_object();
    protobuf_c_message_free_unpacked(message, NULL);
    int result = json_object_set_new(object, "@type", json_string(url));
    if (result == 0)
        result = sw_json_form_of(type) == SW_JSON_FIELDS ? json_object_update(object, content)
                                                         : json_object_set(object, "value", content);
    json_decref(content);
    if (result == 0)
        return object;
    json_decref(object);
    return NULL;
}

/* --- Messages --- */

static json_t *from_fields(const ProtobufCMessage *message, unsigned depth)
{
    json_t *object = json_object();
    for (unsigned i = 0; object != NULL && i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if (!sw_field_present(message, field))
            continue;
        if (json_object_set_new(object, field->name, from_field(message, field, depth)) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *from_message(const ProtobufCMessage *message, unsigned depth)
{
    if (depth > SW_JSON_DEPTH_MAX)
        return NULL;
    switch (sw_json_form_of(message->descriptor)) {
    case SW_JSON_TIMESTAMP:
        return from_time(message, false);
    case SW_JSON_DURATION:
        return from_time(message, true);
    case SW_JSON_MASK:
        return from_mask(message);
    case SW_JSON_WRAPPER:
        return from_member(message, "value", depth);
    case SW_JSON_STRUCT:
        return from_member(message, "fields", depth);
    case SW_JSON_LIST:
        return from_member(message, "values", depth);
    case SW_JSON_VALUE:
        return from_value(message, depth);
    case SW_JSON_ANY:
        return from_any(message, depth);
    case SW_JSON_FIELDS:
        break;
    }
    return from_fields(message, depth);
}

json_t *sw_json_from_message(const ProtobufCMessage *message)
{
    return from_message(message, 1);
}

sw_code sw_json_from_bytes(const ProtobufCMessageDescriptor *type, sw_view bytes, char **text,
                           sw_error *error)
{
    ProtobufCMessage *message;
    sw_code code = sw_unpack(type, bytes, NULL, &message, error);
    if (code != SW_OK)
        return code;
    json_t *json = sw_json_from_message(message);
    protobuf_c_message_free_unpacked(message, NULL);
    *text = json != NULL ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    json_decref(json);
    return *text != NULL ? SW_OK : sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
}
