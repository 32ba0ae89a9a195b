/* Examples of messages: see example.h. */
#include "cli/schema/example.h"
#include "cli/schema/field.h"
#include "cli/schema/output.h"
#include "cli/schema/value.h"
#include <string.h>

#define DEPTH_MAX 3

/* Messages that JSON writes as one value. */
static const struct {
    const char *message, *text;
} known[] = {
    {"google.protobuf.Timestamp", "2027-01-31T12:00:00Z"},
    {"google.protobuf.FieldMask", "name,enabled"},
    {"google.protobuf.Duration", "1.500s"},
};

/* Fields that only an earlier reply or a time in the past can fill: a request with a made-up
 * value would be rejected. */
static bool is_for_later(const char *field)
{
    return strcmp(field, "page_token") == 0 || strcmp(field, "read_time") == 0;
}

static json_t *message_example(const ProtobufCMessageDescriptor *message, int depth);

static json_t *value_example(const ProtobufCFieldDescriptor *field, int depth)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return message_example(field->descriptor, depth + 1);
    if (field->type == PROTOBUF_C_TYPE_ENUM) {
        const ProtobufCEnumDescriptor *type = field->descriptor;
        return json_string(type->n_values > 0 ? type->values[type->n_values - 1].name : "");
    }
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL:
        return json_true();
    case PROTOBUF_C_TYPE_STRING:
        return json_string("...");
    case PROTOBUF_C_TYPE_BYTES:
        return json_string("YmFzZTY0");
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_SINT64:
        return json_string("1");
    default:
        return json_integer(1);
    }
}

static json_t *message_example(const ProtobufCMessageDescriptor *message, int depth)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (strcmp(message->name, known[i].message) == 0)
            return json_string(known[i].text);
    json_t *object = json_object();
    for (unsigned i = 0; depth < DEPTH_MAX && i < message->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->fields[i];
        if (field->id >= SW_FIELD_BOOKKEEPING || is_for_later(field->name))
            continue;
        json_t *value = value_example(field, depth);
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            json_t *list = json_array();
            json_array_append_new(list, value);
            value = list;
        }
        json_object_set_new(object, field->name, value);
    }
    return object;
}

json_t *sw_example(const ProtobufCMessageDescriptor *message)
{
    return message_example(message, 0);
}
