/* proto3 JSON to messages, see json.h. Errors name the path of the field, what was expected, and
 * what to do. */
#include "base/error.h"
#include "base/nearest.h"
#include "base/utf8.h"
#include "c/json/json.h"
#include "c/json/json_value.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_SIZE 160 /* of all fields, for an error */
#define NAME_SIZE  128

typedef struct reader {
    ProtobufCAllocator *allocator;
    sw_error *error;
    char path[SW_ERROR_FIELD_SIZE];
    size_t path_length;
    unsigned depth;
} reader;

static sw_code read_message(reader *r, const ProtobufCMessageDescriptor *type, const json_t *json,
                            ProtobufCMessage **message);

/* --- Memory and errors --- */

static void *allocate(reader *r, size_t size)
{
    size += size == 0;
    return r->allocator != NULL ? r->allocator->alloc(r->allocator->allocator_data, size) : malloc(size);
}

static sw_code exhausted(reader *r)
{
    return sw_fail(r->error, SW_RESOURCE_EXHAUSTED, "out of memory");
}

static sw_code __attribute__((format(printf, 2, 3))) fail(reader *r, const char *format, ...)
{
    char text[SW_ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return sw_fail_field(r->error, SW_INVALID_ARGUMENT, r->path, "%s%s%s", r->path,
                         r->path_length > 0 ? ": " : "", text);
}

static const char *kind_of(const json_t *json)
{
    static const char *const kinds[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a number",  [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null",
    };
    return kinds[json_typeof(json)];
}

static sw_code expected(reader *r, const char *what, const json_t *json)
{
    if (json_is_string(json))
        return fail(r, "expected %s, not \"%.60s\"", what, json_string_value(json));
    return fail(r, "expected %s, not %s", what, kind_of(json));
}

/* Appends a field or an element to the path, which is cut at its end. Returns the length to
 * restore afterwards. */
static size_t enter(reader *r, const char *name, size_t index)
{
    size_t before = r->path_length, left = sizeof(r->path) - before;
    int length = name != NULL ? snprintf(r->path + before, left, "%s%s", before > 0 ? "." : "", name)
                              : snprintf(r->path + before, left, "[%zu]", index);
    r->path_length = length > 0 && (size_t)length < left ? before + (size_t)length : sizeof(r->path) - 1;
    return before;
}

static void leave(reader *r, size_t before)
{
    r->path_length = before;
    r->path[before] = '\0';
}

/* --- Numbers --- */

/* Reads a JSON integer, a string that holds one, or a real number without a fraction. The result
 * is signed, or unsigned if it is too large for that. */
static bool take_integer(const json_t *json, bool is_signed, int64_t *number, uint64_t *natural)
{
    *number = 0;
    *natural = 0;
    if (json_is_integer(json)) {
        *number = json_integer_value(json);
    } else if (json_is_real(json)) {
        double real = json_real_value(json);
        if (real != floor(real) ||
            fabs(real) > 9007199254740992.0) /* 2^53: up to here whole numbers are exact */
            return false;
        *number = (int64_t)real;
    } else if (json_is_string(json)) {
        const char *text = json_string_value(json), *digits = text + (*text == '-');
        char *end;
        if (*digits < '0' || *digits > '9')
            return false;
        errno = 0;
        if (is_signed || *text == '-')
            *number = strtoll(text, &end, 10);
        else
            *natural = strtoull(text, &end, 10);
        if (errno != 0 || *end != '\0')
            return false;
        if (!is_signed && *text != '-')
            return true;
    } else {
        return false;
    }
    if (!is_signed && *number < 0)
        return false;
    *natural = (uint64_t)*number;
    return true;
}

static sw_code read_integer(reader *r, const json_t *json, ProtobufCType type, void *to)
{
    bool wide = type == PROTOBUF_C_TYPE_INT64 || type == PROTOBUF_C_TYPE_SINT64 ||
                type == PROTOBUF_C_TYPE_SFIXED64 || type == PROTOBUF_C_TYPE_UINT64 ||
                type == PROTOBUF_C_TYPE_FIXED64;
    bool natural_type = type == PROTOBUF_C_TYPE_UINT32 || type == PROTOBUF_C_TYPE_FIXED32 ||
                        type == PROTOBUF_C_TYPE_UINT64 || type == PROTOBUF_C_TYPE_FIXED64;
    int64_t number;
    uint64_t natural;
    bool good = take_integer(json, !natural_type, &number, &natural);
    if (!wide && natural_type)
        good = good && natural <= UINT32_MAX;
    else if (!wide)
        good = good && number >= INT32_MIN && number <= INT32_MAX;
    if (!good)
        return expected(r,
                        natural_type ? (wide ? "a whole number from 0 to 18446744073709551615"
                                             : "a whole number from 0 to 4294967295")
                                     : (wide ? "a whole number of 64 bits"
                                             : "a whole number from -2147483648 to 2147483647"),
                        json);
    if (wide)
        *(uint64_t *)to = natural;
    else
        *(uint32_t *)to = (uint32_t)natural;
    return SW_OK;
}

static sw_code read_real(reader *r, const json_t *json, ProtobufCType type, void *to)
{
    double number = 0;
    bool good = json_is_number(json);
    if (good) {
        number = json_number_value(json);
    } else if (json_is_string(json)) {
        const char *text = json_string_value(json);
        char *end;
        good = true;
        if (strcmp(text, "NaN") == 0)
            number = (double)NAN;
        else if (strcmp(text, "Infinity") == 0 || strcmp(text, "-Infinity") == 0)
            number = text[0] == '-' ? -(double)INFINITY : (double)INFINITY;
        else {
            number = strtod(text, &end);
            good = end != text && *end == '\0' && isfinite(number) &&
                   strspn(text, "+-.0123456789eE") == strlen(text);
        }
    }
    if (good && type == PROTOBUF_C_TYPE_FLOAT && isfinite(number) && fabs(number) > (double)FLT_MAX)
        good = false;
    if (!good)
        return expected(r, "a number, \"NaN\" or \"Infinity\"", json);
    if (type == PROTOBUF_C_TYPE_FLOAT)
        *(float *)to = (float)number;
    else
        *(double *)to = number;
    return SW_OK;
}

/* --- Text, bytes, enums --- */

static sw_code copy_text(reader *r, const char *text, size_t size, char **to)
{
    if (memchr(text, '\0', size) != NULL || !sw_utf8_valid(text, size))
        return fail(r, "the text is not UTF-8, or holds a NUL character");
    if ((*to = allocate(r, size + 1)) == NULL)
        return exhausted(r);
    memcpy(*to, text, size);
    (*to)[size] = '\0';
    return SW_OK;
}

static sw_code read_bytes(reader *r, const json_t *json, ProtobufCBinaryData *to)
{
    if (!json_is_string(json))
        return expected(r, "base64 in a string", json);
    size_t size = json_string_length(json), length;
    uint8_t *data = allocate(r, SW_BASE64_DECODED(size));
    if (data == NULL)
        return exhausted(r);
    *to = (ProtobufCBinaryData){.data = data};
    if (!sw_base64_decode(json_string_value(json), size, data, &length))
        return expected(r, "base64", json);
    to->len = length;
    return SW_OK;
}

static sw_code read_enum(reader *r, const json_t *json, const ProtobufCEnumDescriptor *type, void *to)
{
    if (json_is_integer(json))
        return read_integer(r, json, PROTOBUF_C_TYPE_INT32, to);
    if (!json_is_string(json))
        return expected(r, "the name of a value", json);
    const char *name = json_string_value(json);
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value_by_name(type, name);
    if (value != NULL) {
        *(int *)to = value->value;
        return SW_OK;
    }
    char list[256] = "";
    for (unsigned i = 0; i < type->n_values; i++) {
        size_t length = strlen(list);
        snprintf(list + length, sizeof(list) - length, "%s%s", i > 0 ? ", " : "", type->values[i].name);
    }
    return fail(r, "\"%.60s\" is not one of %s", name, list);
}

/* --- Elements and fields --- */

static sw_code read_element(reader *r, const ProtobufCFieldDescriptor *field, const json_t *json, void *to)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        return read_real(r, json, field->type, to);
    case PROTOBUF_C_TYPE_BOOL:
        if (!json_is_boolean(json))
            return expected(r, "true or false", json);
        *(protobuf_c_boolean *)to = json_is_true(json);
        return SW_OK;
    case PROTOBUF_C_TYPE_ENUM:
        return read_enum(r, json, field->descriptor, to);
    case PROTOBUF_C_TYPE_STRING:
        if (!json_is_string(json))
            return expected(r, "a string", json);
        return copy_text(r, json_string_value(json), json_string_length(json), to);
    case PROTOBUF_C_TYPE_BYTES:
        return read_bytes(r, json, to);
    case PROTOBUF_C_TYPE_MESSAGE:
        return read_message(r, field->descriptor, json, to);
    default:
        return read_integer(r, json, field->type, to);
    }
}

static sw_code read_array(reader *r, ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                          const json_t *json)
{
    if (!json_is_array(json))
        return expected(r, "an array", json);
    size_t count = json_array_size(json), size = sw_field_size(field);
    if (count == 0)
        return SW_OK;
    char *elements = allocate(r, count * size);
    if (elements == NULL)
        return exhausted(r);
    memset(elements, 0, count * size);
    size_t *used = (size_t *)(void *)((char *)message + field->quantifier_offset);
    *(void **)sw_field_at(message, field) = elements;
    for (size_t i = 0; i < count; i++) {
        size_t before = enter(r, NULL, i);
        sw_code code = json_is_null(json_array_get(json, i))
                           ? fail(r, "an element of an array must not be null")
                           : read_element(r, field, json_array_get(json, i), elements + i * size);
        *used = i + 1; /* so that a half-read element is freed, too */
        if (code != SW_OK)
            return code;
        leave(r, before);
    }
    return SW_OK;
}

static bool other_member_set(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
           *(const uint32_t *)(const void *)((const char *)message + field->quantifier_offset) != 0;
}

static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *type, const char *name)
{
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(type, name);
    for (unsigned i = 0; field == NULL && i < type->n_fields; i++) {
        char camel[NAME_SIZE];
        sw_name_to_camel(type->fields[i].name, camel, sizeof(camel));
        if (strcmp(camel, name) == 0)
            field = &type->fields[i];
    }
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

static sw_code unknown_field(reader *r, const ProtobufCMessageDescriptor *type, const char *name)
{
    sw_nearest nearest;
    sw_nearest_init(&nearest, name, strlen(name));
    for (unsigned i = 0; i < type->n_fields; i++)
        sw_nearest_offer(&nearest, type->fields[i].name);
    enter(r, name, 0);
    if (nearest.count > 0)
        return fail(r, "%s has no such field; did you mean '%s'?", type->short_name, nearest.best[0].name);
    char names[NAMES_SIZE];
    return list_fields(type, names) ? fail(r, "%s has no such field; it has %s", type->short_name, names)
                                    : fail(r, "%s has no such field", type->short_name);
}

static sw_code read_fields(reader *r, const json_t *json, ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)json, name, value)
    {
        const ProtobufCFieldDescriptor *field = find_field(type, name);
        if (field == NULL)
            return unknown_field(r, type, name);
        size_t before = enter(r, field->name, 0);
        if (strcmp(name, field->name) != 0 && json_object_get(json, field->name) != NULL)
            return fail(r, "given twice, also as '%s'", name);
        sw_code code = SW_OK;
        if (json_is_null(value)) { /* null means absent */
        } else if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            code = read_array(r, message, field, value);
        } else if (other_member_set(message, field)) {
            code = fail(r, "only one member of a oneof can be set");
        } else {
            void *to = sw_field_at(message, field);
            const void *fallback = field->type == PROTOBUF_C_TYPE_STRING ? *(void **)to : NULL;
            sw_field_set_present(message, field);
            code = read_element(r, field, value, to);
            if (code != SW_OK && field->type == PROTOBUF_C_TYPE_STRING && *(void **)to == NULL)
                *(const void **)to = fallback;
        }
        if (code != SW_OK)
            return code;
        leave(r, before);
    }
    return SW_OK;
}

/* --- Well-known types --- */

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

static sw_code read_time(reader *r, const json_t *json, bool duration, ProtobufCMessage *message)
{
    const char *text = json_string_value(json);
    int64_t seconds;
    int32_t nanos;
    if (text == NULL ||
        !(duration ? sw_duration_parse(text, &seconds, &nanos) : sw_timestamp_parse(text, &seconds, &nanos)))
        return expected(
            r, duration ? "a duration such as \"1.5s\"" : "a time such as \"2026-01-31T12:00:00Z\"", json);
    set_number(message, "seconds", seconds);
    set_number(message, "nanos", nanos);
    return SW_OK;
}

/* A list of names such as `name,code_repository_url`, in either spelling. */
static sw_code read_mask(reader *r, const json_t *json, ProtobufCMessage *message)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, "paths");
    if (!json_is_string(json) || field == NULL || field->label != PROTOBUF_C_LABEL_REPEATED ||
        field->type != PROTOBUF_C_TYPE_STRING)
        return expected(r, "field names in a string, comma-separated", json);
    const char *text = json_string_value(json);
    size_t count = 1, *used = (size_t *)(void *)((char *)message + field->quantifier_offset);
    if (*text == '\0')
        return SW_OK;
    for (const char *at = text; (at = strchr(at, ',')) != NULL; at++)
        count++;
    char **paths = allocate(r, count * sizeof(*paths));
    if (paths == NULL)
        return exhausted(r);
    *(char ***)sw_field_at(message, field) = paths;
    for (size_t i = 0; i < count; i++, text = strchrnul(text, ',') + 1) {
        char snake[256];
        size_t length = sw_name_to_snake(text, (size_t)(strchrnul(text, ',') - text), snake, sizeof(snake));
        if (length == 0 || length > sizeof(snake))
            return fail(r, "path %zu of the mask is %s", i, length == 0 ? "empty" : "too long");
        sw_code code = copy_text(r, snake, length, &paths[i]);
        if (code != SW_OK)
            return code;
        *used = i + 1;
    }
    return SW_OK;
}

/* --- Messages --- */

static ProtobufCMessage *new_message(reader *r, const ProtobufCMessageDescriptor *type)
{
    ProtobufCMessage *message = allocate(r, type->sizeof_message);
    if (message == NULL)
        return NULL;
    if (type->message_init != NULL) {
        protobuf_c_message_init(type, message);
    } else { /* its schema was read at run time: all zeros means that nothing is set */
        memset(message, 0, type->sizeof_message);
        message->descriptor = type;
    }
    return message;
}

/* Sets *message also on failure, so that the caller can free it. */
static sw_code read_message(reader *r, const ProtobufCMessageDescriptor *type, const json_t *json,
                            ProtobufCMessage **message)
{
    const char *name = strncmp(type->name, "google.protobuf.", 16) == 0 ? type->name + 16 : "";
    if (r->depth == SW_JSON_DEPTH_MAX)
        return fail(r, "nested deeper than %d messages", SW_JSON_DEPTH_MAX);
    if ((*message = new_message(r, type)) == NULL)
        return exhausted(r);
    if (strcmp(name, "Timestamp") == 0 || strcmp(name, "Duration") == 0)
        return read_time(r, json, name[0] == 'D', *message);
    if (strcmp(name, "FieldMask") == 0)
        return read_mask(r, json, *message);
    if (!json_is_object(json))
        return expected(r, "an object", json);
    r->depth++;
    sw_code code = read_fields(r, json, *message);
    r->depth--;
    return code;
}

sw_code sw_json_to_message(const ProtobufCMessageDescriptor *type, const json_t *json,
                           ProtobufCAllocator *allocator, ProtobufCMessage **message, sw_error *error)
{
    reader r = {.allocator = allocator, .error = error};
    *message = NULL;
    sw_code code = read_message(&r, type, json, message);
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
