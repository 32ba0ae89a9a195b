/* Values between text and JSON: see value.h. */
#include "cli/schema/value.h"
#include "base/error.h"
#include "c/json/json_form.h"
#include "c/json/json_value.h"
#include "cli/run/cli.h"
#include "cli/run/file.h"
#include "cli/schema/field.h"
#include "cli/schema/name.h"
#include "cli/schema/resource.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Integer types. In proto3 JSON the 64-bit ones are strings. */
typedef struct integer_type {
    ProtobufCType type;
    const char *name;
    bool is_signed, wide;
} integer_type;

static const integer_type integers[] = {
    {PROTOBUF_C_TYPE_INT32, "int32", true, false},       {PROTOBUF_C_TYPE_SINT32, "sint32", true, false},
    {PROTOBUF_C_TYPE_SFIXED32, "sfixed32", true, false}, {PROTOBUF_C_TYPE_INT64, "int64", true, true},
    {PROTOBUF_C_TYPE_SINT64, "sint64", true, true},      {PROTOBUF_C_TYPE_SFIXED64, "sfixed64", true, true},
    {PROTOBUF_C_TYPE_UINT32, "uint32", false, false},    {PROTOBUF_C_TYPE_FIXED32, "fixed32", false, false},
    {PROTOBUF_C_TYPE_UINT64, "uint64", false, true},     {PROTOBUF_C_TYPE_FIXED64, "fixed64", false, true},
};

static const integer_type *integer_of(const ProtobufCFieldDescriptor *field)
{
    for (size_t i = 0; i < sizeof(integers) / sizeof(*integers); i++)
        if (integers[i].type == field->type)
            return &integers[i];
    return NULL;
}

bool sw_word_is_number(const ProtobufCFieldDescriptor *field)
{
    return field->label != PROTOBUF_C_LABEL_REPEATED &&
           (integer_of(field) != NULL || field->type == PROTOBUF_C_TYPE_DOUBLE ||
            field->type == PROTOBUF_C_TYPE_FLOAT);
}

static const char *message_name(const ProtobufCFieldDescriptor *field)
{
    return sw_short_name(((const ProtobufCMessageDescriptor *)field->descriptor)->name);
}

static bool is_timestamp(const ProtobufCFieldDescriptor *field)
{
    return field->type == PROTOBUF_C_TYPE_MESSAGE &&
           strcmp(((const ProtobufCMessageDescriptor *)field->descriptor)->name,
                  "google.protobuf.Timestamp") == 0;
}

static const char *map_name(const ProtobufCFieldDescriptor *field, char *text, size_t size)
{
    char of_key[32], of_value[160];
    const ProtobufCFieldDescriptor *key, *value;
    sw_json_map_fields(field->descriptor, &key, &value);
    snprintf(text, size, "map<%s, %s>", sw_word_type_name(key, of_key, sizeof(of_key)),
             sw_word_type_name(value, of_value, sizeof(of_value)));
    return text;
}

const char *sw_word_type_name(const ProtobufCFieldDescriptor *field, char *text, size_t size)
{
    if (sw_json_is_map(field))
        return map_name(field, text, size);
    const integer_type *integer = integer_of(field);
    const char *name = integer != NULL                         ? integer->name
                       : field->type == PROTOBUF_C_TYPE_STRING ? "string"
                       : field->type == PROTOBUF_C_TYPE_BYTES  ? "bytes"
                       : field->type == PROTOBUF_C_TYPE_BOOL   ? "bool"
                       : field->type == PROTOBUF_C_TYPE_DOUBLE ? "double"
                       : field->type == PROTOBUF_C_TYPE_FLOAT  ? "float"
                       : field->type == PROTOBUF_C_TYPE_ENUM
                           ? sw_short_name(((const ProtobufCEnumDescriptor *)field->descriptor)->name)
                           : message_name(field);
    snprintf(text, size, "%s%s", field->label == PROTOBUF_C_LABEL_REPEATED ? "repeated " : "", name);
    return text;
}

static sw_code wrong(const ProtobufCFieldDescriptor *field, const char *text, const char *expected,
                     sw_error *error)
{
    return sw_fail_field(error, SW_INVALID_ARGUMENT, field->name, "%s is %s, not '%.100s'", field->name,
                         expected, text);
}

static sw_code parse_integer(const ProtobufCFieldDescriptor *field, const integer_type *type,
                             const char *text, json_t **value, sw_error *error)
{
    char *end;
    bool good;
    errno = 0;
    bool digits = isdigit((unsigned char)text[*text == '-' && type->is_signed ? 1 : 0]) != 0;
    if (type->is_signed) {
        long long n = strtoll(text, &end, 10);
        good = type->wide || (n >= INT32_MIN && n <= INT32_MAX);
    } else {
        unsigned long long n = strtoull(text, &end, 10);
        good = type->wide || n <= UINT32_MAX;
    }
    if (!digits || !good || errno != 0 || *end != '\0')
        return wrong(field, text, type->is_signed ? "a whole number" : "a whole number from 0", error);
    *value = type->wide ? json_string(text) : json_integer(strtoll(text, NULL, 10));
    return SW_OK;
}

static sw_code parse_bool(const ProtobufCFieldDescriptor *field, const char *text, json_t **value,
                          sw_error *error)
{
    static const char *const words[][2] = {{"false", "true"}, {"no", "yes"}, {"0", "1"}, {"off", "on"}};
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        for (int truth = 0; truth < 2; truth++)
            if (strcasecmp(text, words[i][truth]) == 0) {
                *value = json_boolean(truth);
                return SW_OK;
            }
    return wrong(field, text, "true or false", error);
}

static sw_code parse_enum(const ProtobufCFieldDescriptor *field, const char *text, json_t **value,
                          sw_error *error)
{
    const ProtobufCEnumDescriptor *type = field->descriptor;
    char names[256] = "one of";
    for (unsigned i = 0; i < type->n_values; i++) {
        char number[16];
        snprintf(number, sizeof(number), "%d", type->values[i].value);
        if (strcasecmp(type->values[i].name, text) == 0 || strcmp(number, text) == 0) {
            *value = json_string(type->values[i].name);
            return SW_OK;
        }
        size_t used = strlen(names);
        snprintf(names + used, sizeof(names) - used, " %s", type->values[i].name);
    }
    return wrong(field, text, names, error);
}

/* A date becomes its midnight in UTC. Other text is checked by the JSON codec. */
static sw_code parse_timestamp(const ProtobufCFieldDescriptor *field, const char *text, json_t **value,
                               sw_error *error)
{
    unsigned year, month, day;
    int end = 0;
    if (sscanf(text, "%4u-%2u-%2u%n", &year, &month, &day, &end) != 3 || end != 10 ||
        (text[10] != '\0' && text[10] != 'T' && text[10] != 't' && text[10] != ' '))
        return wrong(field, text, "a time such as 2027-01-31 or 2027-01-31T12:00:00Z", error);
    *value = text[10] == '\0' ? json_sprintf("%sT00:00:00Z", text) : json_string(text);
    return SW_OK;
}

static sw_code parse_base64(const ProtobufCFieldDescriptor *field, const char *text, json_t **value,
                            sw_error *error)
{
    if (strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=") != strlen(text))
        return wrong(field, text, "base64", error);
    *value = json_string(text);
    return SW_OK;
}

sw_code sw_word_parse(const ProtobufCFieldDescriptor *field, const char *text, json_t **value,
                      sw_error *error)
{
    const integer_type *integer = integer_of(field);
    sw_code code = SW_OK;
    *value = NULL;
    if (integer != NULL) {
        code = parse_integer(field, integer, text, value, error);
    } else if (field->type == PROTOBUF_C_TYPE_BOOL) {
        code = parse_bool(field, text, value, error);
    } else if (field->type == PROTOBUF_C_TYPE_ENUM) {
        code = parse_enum(field, text, value, error);
    } else if (field->type == PROTOBUF_C_TYPE_BYTES) {
        code = parse_base64(field, text, value, error);
    } else if (field->type == PROTOBUF_C_TYPE_DOUBLE || field->type == PROTOBUF_C_TYPE_FLOAT) {
        char *end;
        double number = strtod(text, &end);
        if (end == text || *end != '\0' || !isfinite(number))
            return wrong(field, text, "a number", error);
        *value = json_real(number);
    } else if (is_timestamp(field)) {
        code = parse_timestamp(field, text, value, error);
    } else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        *value = json_loads(text, JSON_DECODE_ANY, NULL);
        if (*value == NULL)
            return wrong(field, text, "a JSON value", error);
    } else {
        *value = json_string(text);
        if (*value == NULL)
            return wrong(field, "...", "UTF-8 text", error);
    }
    if (code == SW_OK && *value == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    return code;
}

bool sw_word_is_assignment(const char *word)
{
    size_t length = strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return length > 0 && word[length] == '=' && isalpha((unsigned char)word[0]);
}

/* Appends the comma-separated values of `text` to a list. */
static sw_code assign_list(const ProtobufCFieldDescriptor *field, const char *text, json_t *list,
                           sw_error *error)
{
    while (*text != '\0') {
        size_t length = strcspn(text, ",");
        char *part = strndup(text, length);
        json_t *value = NULL;
        sw_code code = part == NULL ? sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory")
                                    : sw_word_parse(field, part, &value, error);
        free(part);
        if (code != SW_OK)
            return code;
        json_array_append_new(list, value);
        text += length + (text[length] == ',');
    }
    return SW_OK;
}

static sw_code assign(const ProtobufCFieldDescriptor *field, const char *text, json_t *object,
                      sw_error *error)
{
    if (*text == '\0') {
        json_object_del(object, field->name);
        return SW_OK;
    }
    json_t *value = NULL;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        json_t *list = json_object_get(object, field->name);
        if (list == NULL) {
            list = json_array();
            json_object_set_new(object, field->name, list);
        }
        return assign_list(field, text, list, error);
    }
    sw_code code = sw_word_parse(field, text, &value, error);
    if (code == SW_OK)
        json_object_set_new(object, field->name, value);
    return code;
}

sw_code sw_word_assign(const ProtobufCMessageDescriptor *message, const char *word, json_t *object,
                       const ProtobufCFieldDescriptor **field, sw_error *error)
{
    const char *text = strchr(word, '=');
    if (text == NULL)
        return sw_fail(error, SW_INVALID_ARGUMENT, "'%s' is not of the form field=value", word);
    sw_code code = sw_field_find(message, word, (size_t)(text - word), field, error);
    if (code != SW_OK)
        return code;
    text++;
    if (text[0] != '@' || text[1] == '@')
        return assign(*field, text + (text[0] == '@'), object, error);
    char *content;
    size_t size;
    code = sw_cli_read_file(text + 1, &content, &size, error);
    if (code != SW_OK)
        return code;
    if (strlen(content) != size)
        code = sw_fail_field(error, SW_INVALID_ARGUMENT, (*field)->name,
                             "%s is not text: it contains NUL bytes", text + 1);
    else
        code = assign(*field, content, object, error);
    free(content);
    return code;
}

void sw_word_upper(char *to, size_t size, const char *text, size_t length)
{
    size_t used = 0;
    for (; used < length && used + 1 < size && text[used] != '\0'; used++)
        to[used] = (char)(text[used] == '-' ? '_' : toupper((unsigned char)text[used]));
    to[used] = '\0';
}

static char *list_text(const json_t *list)
{
    char *text = strdup("");
    for (size_t i = 0; text != NULL && i < json_array_size(list); i++) {
        char *part = sw_cell_text(json_array_get(list, i)), *joined = NULL;
        if (part == NULL || asprintf(&joined, "%s%s%s", text, i > 0 ? "," : "", part) < 0)
            joined = NULL;
        free(part);
        free(text);
        text = joined;
    }
    return text;
}

const char *sw_json_text(const json_t *object, const char *field)
{
    const char *text = json_string_value(json_object_get(object, field));
    return text != NULL ? text : "";
}

uint64_t sw_json_number(const json_t *object, const char *field)
{
    const json_t *value = json_object_get(object, field);
    if (json_is_string(value))
        return strtoull(json_string_value(value), NULL, 10);
    return json_integer_value(value) > 0 ? (uint64_t)json_integer_value(value) : 0;
}

int64_t sw_json_time_us(const json_t *object, const char *field)
{
    int64_t seconds;
    int32_t nanos;
    if (!sw_timestamp_parse(sw_json_text(object, field), &seconds, &nanos))
        return 0;
    return seconds * 1000000 + nanos / 1000;
}

char *sw_cell_text(const json_t *value)
{
    if (value == NULL || json_is_null(value))
        return strdup("");
    if (json_is_string(value))
        return strdup(json_string_value(value));
    if (json_is_array(value))
        return list_text(value);
    return json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
}
