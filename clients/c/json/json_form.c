/* Forms of messages in JSON, see json_form.h. */
#include "c/json/json_form.h"
#include "c/json/json_value.h"
#include "c/json/schema.h"
#include "c/json/schema_build.h"

#include <string.h>

/* What schema_layout.c has noted; NULL for generated descriptors. */
static const sw_schema_note *note_of(const ProtobufCMessageDescriptor *type)
{
    return type->reserved1;
}

static bool has(const ProtobufCMessageDescriptor *type, const char *name, ProtobufCLabel label,
                ProtobufCType of)
{
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(type, name);
    bool repeated = field != NULL && field->label == PROTOBUF_C_LABEL_REPEATED;
    return field != NULL && repeated == (label == PROTOBUF_C_LABEL_REPEATED) && field->type == of;
}

static bool has_one(const ProtobufCMessageDescriptor *type, const char *name, ProtobufCType of)
{
    return has(type, name, PROTOBUF_C_LABEL_OPTIONAL, of);
}

static bool is_struct(const ProtobufCMessageDescriptor *type)
{
    const ProtobufCFieldDescriptor *fields = protobuf_c_message_descriptor_get_field_by_name(type, "fields");
    return fields != NULL && sw_json_is_map(fields);
}

static bool is_value(const ProtobufCMessageDescriptor *type)
{
    return has_one(type, "null_value", PROTOBUF_C_TYPE_ENUM) &&
           has_one(type, "number_value", PROTOBUF_C_TYPE_DOUBLE) &&
           has_one(type, "string_value", PROTOBUF_C_TYPE_STRING) &&
           has_one(type, "bool_value", PROTOBUF_C_TYPE_BOOL) &&
           has_one(type, "struct_value", PROTOBUF_C_TYPE_MESSAGE) &&
           has_one(type, "list_value", PROTOBUF_C_TYPE_MESSAGE);
}

static bool is_time(const ProtobufCMessageDescriptor *type)
{
    return has_one(type, "seconds", PROTOBUF_C_TYPE_INT64) && has_one(type, "nanos", PROTOBUF_C_TYPE_INT32);
}

static bool is_wrapper(const ProtobufCMessageDescriptor *type)
{
    return type->n_fields == 1 && strcmp(type->fields[0].name, "value") == 0 &&
           type->fields[0].label != PROTOBUF_C_LABEL_REPEATED &&
           type->fields[0].type != PROTOBUF_C_TYPE_MESSAGE;
}

static bool is_mask(const ProtobufCMessageDescriptor *type)
{
    return has(type, "paths", PROTOBUF_C_LABEL_REPEATED, PROTOBUF_C_TYPE_STRING);
}

static bool is_list(const ProtobufCMessageDescriptor *type)
{
    return has(type, "values", PROTOBUF_C_LABEL_REPEATED, PROTOBUF_C_TYPE_MESSAGE);
}

static bool is_any(const ProtobufCMessageDescriptor *type)
{
    return note_of(type) != NULL && has_one(type, "type_url", PROTOBUF_C_TYPE_STRING) &&
           has_one(type, "value", PROTOBUF_C_TYPE_BYTES);
}

static const struct {
    const char *name; /* in google.protobuf */
    sw_json_form form;
    bool (*fits)(const ProtobufCMessageDescriptor *);
} forms[] = {
    {"Timestamp", SW_JSON_TIMESTAMP, is_time},    {"Duration", SW_JSON_DURATION, is_time},
    {"FieldMask", SW_JSON_MASK, is_mask},         {"DoubleValue", SW_JSON_WRAPPER, is_wrapper},
    {"FloatValue", SW_JSON_WRAPPER, is_wrapper},  {"Int64Value", SW_JSON_WRAPPER, is_wrapper},
    {"UInt64Value", SW_JSON_WRAPPER, is_wrapper}, {"Int32Value", SW_JSON_WRAPPER, is_wrapper},
    {"UInt32Value", SW_JSON_WRAPPER, is_wrapper}, {"BoolValue", SW_JSON_WRAPPER, is_wrapper},
    {"StringValue", SW_JSON_WRAPPER, is_wrapper}, {"BytesValue", SW_JSON_WRAPPER, is_wrapper},
    {"Struct", SW_JSON_STRUCT, is_struct},        {"ListValue", SW_JSON_LIST, is_list},
    {"Value", SW_JSON_VALUE, is_value},           {"Any", SW_JSON_ANY, is_any},
};

sw_json_form sw_json_form_of(const ProtobufCMessageDescriptor *type)
{
    static const char package[] = "google.protobuf.";
    if (strncmp(type->name, package, sizeof(package) - 1) != 0)
        return SW_JSON_FIELDS;
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
        if (strcmp(type->name + sizeof(package) - 1, forms[i].name) == 0)
            return forms[i].fits(type) ? forms[i].form : SW_JSON_FIELDS;
    return SW_JSON_FIELDS;
}

bool sw_json_takes_null(const ProtobufCFieldDescriptor *field)
{
    if (field->type == PROTOBUF_C_TYPE_ENUM)
        return strcmp(((const ProtobufCEnumDescriptor *)field->descriptor)->name, SW_JSON_NULL) == 0;
    return field->type == PROTOBUF_C_TYPE_MESSAGE && sw_json_form_of(field->descriptor) == SW_JSON_VALUE;
}

void sw_json_map_fields(const ProtobufCMessageDescriptor *entry, const ProtobufCFieldDescriptor **key,
                        const ProtobufCFieldDescriptor **value)
{
    *key = protobuf_c_message_descriptor_get_field_by_name(entry, "key");
    *value = protobuf_c_message_descriptor_get_field_by_name(entry, "value");
}

bool sw_json_is_map(const ProtobufCFieldDescriptor *field)
{
    if (field->label != PROTOBUF_C_LABEL_REPEATED || field->type != PROTOBUF_C_TYPE_MESSAGE)
        return false;
    const sw_schema_note *note = note_of(field->descriptor);
    return note != NULL && note->is_map_entry;
}

const char *sw_json_name(const ProtobufCFieldDescriptor *field)
{
    return field->reserved2;
}

const ProtobufCMessageDescriptor *sw_json_any_type(const ProtobufCMessage *any)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(any->descriptor, "type_url");
    const char *url = *(char *const *)sw_field_at(any, field),
               *slash = url != NULL ? strrchr(url, '/') : NULL;
    if (slash == NULL)
        return NULL;
    const sw_schema_type *type = sw_schema_type_find(note_of(any->descriptor)->schema, slash + 1);
    return type != NULL && type->message != NULL ? type->message_descriptor : NULL;
}
