/* Values that are not messages, memory and errors of reading proto3 JSON. See json_reader.h. */
#include "base/error.h"
#include "base/utf8.h"
#include "c/json/json_form.h"
#include "c/json/json_reader.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Memory and errors --- */

void *sw_json_allocate(sw_json_reader *r, size_t size)
{
    size += size == 0;
    return r->allocator != NULL ? r->allocator->alloc(r->allocator->allocator_data, size) : malloc(size);
}

sw_code sw_json_exhausted(sw_json_reader *r)
{
    return sw_fail(r->error, SW_RESOURCE_EXHAUSTED, "out of memory");
}

sw_code sw_json_fail(sw_json_reader *r, const char *format, ...)
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

sw_code sw_json_expected(sw_json_reader *r, const char *what, const json_t *json)
{
    if (json_is_string(json))
        return sw_json_fail(r, "sw_json_expected %s, not \"%.60s\"", what, json_string_value(json));
    return sw_json_fail(r, "sw_json_expected %s, not %s", what, kind_of(json));
}

size_t sw_json_enter(sw_json_reader *r, const char *name, size_t index)
{
    size_t before = r->path_length, left = sizeof(r->path) - before;
    int length = name != NULL ? snprintf(r->path + before, left, "%s%s", before > 0 ? "." : "", name)
                              : snprintf(r->path + before, left, "[%zu]", index);
    r->path_length = length > 0 && (size_t)length < left ? before + (size_t)length : sizeof(r->path) - 1;
    return before;
}

void sw_json_leave(sw_json_reader *r, size_t before)
{
    r->path_length = before;
    r->path[before] = '\0';
}

ProtobufCMessage *sw_json_new_message(sw_json_reader *r, const ProtobufCMessageDescriptor *type)
{
    ProtobufCMessage *message = sw_json_allocate(r, type->sizeof_message);
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

static sw_code read_integer(sw_json_reader *r, const json_t *json, ProtobufCType type, void *to)
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
        return sw_json_expected(r,
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

static sw_code read_real(sw_json_reader *r, const json_t *json, ProtobufCType type, void *to)
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
        return sw_json_expected(r, "a number, \"NaN\" or \"Infinity\"", json);
    if (type == PROTOBUF_C_TYPE_FLOAT)
        *(float *)to = (float)number;
    else
        *(double *)to = number;
    return SW_OK;
}

/* --- Text, bytes, enums --- */

sw_code sw_json_copy_text(sw_json_reader *r, const char *text, size_t size, char **to)
{
    if (memchr(text, '\0', size) != NULL || !sw_utf8_valid(text, size))
        return sw_json_fail(r, "the text is not UTF-8, or holds a NUL character");
    if ((*to = sw_json_allocate(r, size + 1)) == NULL)
        return sw_json_exhausted(r);
    memcpy(*to, text, size);
    (*to)[size] = '\0';
    return SW_OK;
}

static sw_code read_bytes(sw_json_reader *r, const json_t *json, ProtobufCBinaryData *to)
{
    if (!json_is_string(json))
        return sw_json_expected(r, "base64 in a string", json);
    size_t size = json_string_length(json), length;
    uint8_t *data = sw_json_allocate(r, SW_BASE64_DECODED(size));
    if (data == NULL)
        return sw_json_exhausted(r);
    *to = (ProtobufCBinaryData){.data = data};
    if (!sw_base64_decode(json_string_value(json), size, data, &length))
        return sw_json_expected(r, "base64", json);
    to->len = length;
    return SW_OK;
}

static sw_code read_enum(sw_json_reader *r, const json_t *json, const ProtobufCEnumDescriptor *type, void *to)
{
    if (json_is_integer(json))
        return read_integer(r, json, PROTOBUF_C_TYPE_INT32, to);
    if (json_is_null(json) && strcmp(type->name, SW_JSON_NULL) == 0) {
        *(int *)to = 0;
        return SW_OK;
    }
    if (!json_is_string(json))
        return sw_json_expected(r, "the name of a value", json);
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
    return sw_json_fail(r, "\"%.60s\" is not one of %s", name, list);
}

/* --- All of them --- */

sw_code sw_json_read_scalar(sw_json_reader *r, const ProtobufCFieldDescriptor *field, const json_t *json,
                            void *to)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        return read_real(r, json, field->type, to);
    case PROTOBUF_C_TYPE_BOOL:
        if (!json_is_boolean(json))
            return sw_json_expected(r, "true or false", json);
        *(protobuf_c_boolean *)to = json_is_true(json);
        return SW_OK;
    case PROTOBUF_C_TYPE_ENUM:
        return read_enum(r, json, field->descriptor, to);
    case PROTOBUF_C_TYPE_STRING:
        if (!json_is_string(json))
            return sw_json_expected(r, "a string", json);
        return sw_json_copy_text(r, json_string_value(json), json_string_length(json), to);
    case PROTOBUF_C_TYPE_BYTES:
        return read_bytes(r, json, to);
    default:
        return read_integer(r, json, field->type, to);
    }
}

sw_code sw_json_read_key(sw_json_reader *r, const ProtobufCFieldDescriptor *field, const char *name, void *to)
{
    bool is_true = strcmp(name, "true") == 0, is_bool = field->type == PROTOBUF_C_TYPE_BOOL;
    json_t *json =
        is_bool && (is_true || strcmp(name, "false") == 0) ? json_boolean(is_true) : json_string(name);
    if (json == NULL)
        return sw_json_exhausted(r);
    sw_code code = sw_json_read_scalar(r, field, json, to);
    json_decref(json);
    return code;
}
