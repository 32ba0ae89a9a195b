/* Makes descriptors for messages that are known only at run time, in the form that protoc-c
 * generates, so that protobuf-c can pack, unpack and free the messages. Every singular field has
 * presence. See schema_build.h. */
#include "c/json/schema_build.h"

#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 4096 /* fields of a message, or values of an enum */

typedef Google__Protobuf__FieldDescriptorProto field_proto;

static const struct {
    ProtobufCType type;
    size_t size;
    bool packable;
} kinds[] = {
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_DOUBLE] = {PROTOBUF_C_TYPE_DOUBLE, 8, true},
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_FLOAT] = {PROTOBUF_C_TYPE_FLOAT, 4, true},
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_INT64] = {PROTOBUF_C_TYPE_INT64, 8, true},
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_UINT64] = {PROTOBUF_C_TYPE_UINT64, 8, true},
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_INT32] = {PROTOBUF_C_TYPE_INT32, 4, true},
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_FIXED64] = {PROTOBUF_C_TYPE_FIXED64, 8, true},
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_FIXED32] = {PROTOBUF_C_TYPE_FIXED32, 4, true},
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BOOL] = {PROTOBUF_C_TYPE_BOOL,
                                                                   sizeof(protobuf_c_boolean), true},
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING] = {PROTOBUF_C_TYPE_STRING, sizeof(char *),
                                                                     false},
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_MESSAGE] = {PROTOBUF_C_TYPE_MESSAGE, sizeof(void *),
                                                                      false},
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BYTES] = {PROTOBUF_C_TYPE_BYTES,
                                                                    sizeof(ProtobufCBinaryData), false},
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_UINT32] = {PROTOBUF_C_TYPE_UINT32, 4, true},
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_ENUM] = {PROTOBUF_C_TYPE_ENUM, sizeof(int), true},
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_SFIXED32] = {PROTOBUF_C_TYPE_SFIXED32, 4, true},
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_SFIXED64] = {PROTOBUF_C_TYPE_SFIXED64, 8, true},
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_SINT32] = {PROTOBUF_C_TYPE_SINT32, 4, true},
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_SINT64] = {PROTOBUF_C_TYPE_SINT64, 8, true},
};

static sw_code exhausted(sw_error *error)
{
    return sw_fail(error, SW_RESOURCE_EXHAUSTED, "the schema is too large");
}

const sw_schema_type *sw_schema_type_find(const sw_schema *schema, const char *name)
{
    size_t low = 0, high = schema->type_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(name, schema->types[middle].name);
        if (order == 0)
            return &schema->types[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* --- The layout of the struct --- */

typedef struct layout {
    size_t size;
    struct {
        unsigned case_offset, offset; /* 0: not laid out yet */
    } * oneofs;
} layout;

static unsigned reserve(layout *to, size_t size)
{
    size_t align = size < sizeof(void *) ? size : sizeof(void *);
    to->size = (to->size + align - 1) / align * align;
    size_t offset = to->size;
    to->size += size;
    return (unsigned)offset; /* at most FIELDS_MAX fields of 24 bytes */
}

static bool in_oneof(const field_proto *proto)
{
    return proto->has_oneof_index && !(proto->has_proto3_optional && proto->proto3_optional);
}

static void lay_out_field(layout *to, const field_proto *proto, size_t size, ProtobufCFieldDescriptor *field)
{
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        field->quantifier_offset = reserve(to, sizeof(size_t));
        field->offset = reserve(to, sizeof(void *));
    } else if (in_oneof(proto)) {
        /* To protobuf-c the members of a oneof are a union, so they share an offset. */
        int32_t index = proto->oneof_index;
        if (to->oneofs[index].offset == 0) {
            to->oneofs[index].case_offset = reserve(to, sizeof(uint32_t));
            to->oneofs[index].offset = reserve(to, sizeof(ProtobufCBinaryData));
        }
        field->flags |= PROTOBUF_C_FIELD_FLAG_ONEOF;
        field->quantifier_offset = to->oneofs[index].case_offset;
        field->offset = to->oneofs[index].offset;
    } else {
        /* A pointer that is not NULL is set, so it needs no flag. */
        if (field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_MESSAGE)
            field->quantifier_offset = reserve(to, sizeof(protobuf_c_boolean));
        field->offset = reserve(to, size);
    }
}

/* --- Fields --- */

static bool is_packed(const sw_schema_type *type, const field_proto *proto)
{
    if (proto->options != NULL && proto->options->has_packed)
        return proto->options->packed;
    return type->file->syntax != NULL && strcmp(type->file->syntax, "proto3") == 0;
}

static sw_code fill_field(const sw_schema *schema, const sw_schema_type *type, const field_proto *proto,
                          layout *to, ProtobufCFieldDescriptor *field, sw_error *error)
{
    size_t kind = proto->has_type ? (size_t)proto->type : 0;
    if (proto->name == NULL || !proto->has_number || proto->number < 1 || proto->number > 536870911 ||
        kind >= sizeof(kinds) / sizeof(kinds[0]) || kinds[kind].size == 0)
        return sw_fail(error, SW_INVALID_ARGUMENT,
                       "schema: message %s has a field without name, number or type", type->name);
    if (in_oneof(proto) &&
        (proto->oneof_index < 0 || (size_t)proto->oneof_index >= type->message->n_oneof_decl))
        return sw_fail(error, SW_INVALID_ARGUMENT, "schema: field %s.%s is in a oneof that does not exist",
                       type->name, proto->name);
    bool repeated =
        proto->has_label && proto->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED;
    *field =
        (ProtobufCFieldDescriptor){.name = proto->name,
                                   .id = (uint32_t)proto->number,
                                   .label = repeated ? PROTOBUF_C_LABEL_REPEATED : PROTOBUF_C_LABEL_OPTIONAL,
                                   .type = kinds[kind].type,
                                   .reserved2 = proto->json_name};
    if (repeated && kinds[kind].packable && is_packed(type, proto))
        field->flags |= PROTOBUF_C_FIELD_FLAG_PACKED;
    if (field->type == PROTOBUF_C_TYPE_MESSAGE || field->type == PROTOBUF_C_TYPE_ENUM) {
        const char *name = proto->type_name != NULL ? proto->type_name : "";
        const sw_schema_type *target = sw_schema_type_find(schema, name + (name[0] == '.'));
        bool enumeration = field->type == PROTOBUF_C_TYPE_ENUM;
        if (target == NULL || (target->enumeration != NULL) != enumeration)
            return sw_fail(error, SW_INVALID_ARGUMENT, "schema: the type '%s' of field %s.%s is missing",
                           name, type->name, proto->name);
        field->descriptor =
            enumeration ? (const void *)target->enum_descriptor : (const void *)target->message_descriptor;
    }
    lay_out_field(to, proto, kinds[kind].size, field);
    return SW_OK;
}

static int compare_fields(const void *a, const void *b)
{
    uint32_t one = ((const ProtobufCFieldDescriptor *)a)->id,
             other = ((const ProtobufCFieldDescriptor *)b)->id;
    return one < other ? -1 : one > other;
}

static int compare_names(const void *a, const void *b, void *context)
{
    const ProtobufCFieldDescriptor *fields = context;
    return strcmp(fields[*(const unsigned *)a].name, fields[*(const unsigned *)b].name);
}

/* The runs of consecutive numbers, followed by an entry that holds the total. */
static ProtobufCIntRange *make_ranges(sw_arena *arena, const int *numbers, unsigned count, unsigned *ranges)
{
    ProtobufCIntRange *range = sw_arena_alloc(arena, ((size_t)count + 1) * sizeof(*range));
    *ranges = 0;
    for (unsigned i = 0; range != NULL && i < count; i++)
        if (i == 0 || (int64_t)numbers[i] != (int64_t)numbers[i - 1] + 1)
            range[(*ranges)++] = (ProtobufCIntRange){numbers[i], i};
    if (range != NULL)
        range[*ranges] = (ProtobufCIntRange){0, count};
    return range;
}

static sw_code index_fields(sw_arena *arena, ProtobufCMessageDescriptor *descriptor,
                            ProtobufCFieldDescriptor *fields, sw_error *error)
{
    unsigned count = descriptor->n_fields;
    unsigned *by_name = sw_arena_alloc(arena, (count + 1) * sizeof(*by_name));
    int *numbers = sw_arena_alloc(arena, (count + 1) * sizeof(*numbers));
    if (by_name == NULL || numbers == NULL)
        return exhausted(error);
    qsort(fields, count, sizeof(*fields), compare_fields);
    for (unsigned i = 0; i < count; i++) {
        by_name[i] = i;
        numbers[i] = (int)fields[i].id;
        if (i > 0 && numbers[i] == numbers[i - 1])
            return sw_fail(error, SW_INVALID_ARGUMENT, "schema: message %s has field number %d twice",
                           descriptor->name, numbers[i]);
    }
    qsort_r(by_name, count, sizeof(*by_name), compare_names, fields);
    descriptor->fields = fields;
    descriptor->fields_sorted_by_name = by_name;
    descriptor->field_ranges = make_ranges(arena, numbers, count, &descriptor->n_field_ranges);
    return descriptor->field_ranges != NULL ? SW_OK : exhausted(error);
}

static const char *last_part(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot != NULL ? dot + 1 : name;
}

/* --- Messages --- */

static bool is_key(const ProtobufCFieldDescriptor *field)
{
    return field->type != PROTOBUF_C_TYPE_MESSAGE && field->type != PROTOBUF_C_TYPE_BYTES &&
           field->type != PROTOBUF_C_TYPE_FLOAT && field->type != PROTOBUF_C_TYPE_DOUBLE &&
           field->type != PROTOBUF_C_TYPE_ENUM;
}

/* An entry has these two fields, and no other. */
static bool is_map_entry(const Google__Protobuf__DescriptorProto *proto,
                         const ProtobufCMessageDescriptor *descriptor)
{
    const ProtobufCFieldDescriptor *key = protobuf_c_message_descriptor_get_field_by_name(descriptor, "key"),
                                   *value =
                                       protobuf_c_message_descriptor_get_field_by_name(descriptor, "value");
    return proto->options != NULL && proto->options->map_entry && descriptor->n_fields == 2 && key != NULL &&
           value != NULL && key->label != PROTOBUF_C_LABEL_REPEATED &&
           value->label != PROTOBUF_C_LABEL_REPEATED && is_key(key);
}

sw_code sw_schema_layout_message(sw_schema *schema, sw_schema_type *type, sw_error *error)
{
    const Google__Protobuf__DescriptorProto *proto = type->message;
    ProtobufCMessageDescriptor *descriptor = type->message_descriptor;
    if (proto->n_field > FIELDS_MAX || proto->n_oneof_decl > FIELDS_MAX)
        return sw_fail(error, SW_INVALID_ARGUMENT, "schema: message %s has more than %d fields", type->name,
                       FIELDS_MAX);
    layout to = {.size = sizeof(ProtobufCMessage)};
    ProtobufCFieldDescriptor *fields = sw_arena_alloc(schema->arena, (proto->n_field + 1) * sizeof(*fields));
    to.oneofs = sw_arena_alloc(schema->arena, (proto->n_oneof_decl + 1) * sizeof(*to.oneofs));
    sw_schema_note *note = sw_arena_alloc(schema->arena, sizeof(*note));
    if (fields == NULL || to.oneofs == NULL || note == NULL)
        return exhausted(error);
    for (size_t i = 0; i < proto->n_field; i++) {
        sw_code code = fill_field(schema, type, proto->field[i], &to, &fields[i], error);
        if (code != SW_OK)
            return code;
    }
    reserve(&to, sizeof(void *)); /* rounds the size up */
    *descriptor = (ProtobufCMessageDescriptor){.magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
                                               .name = type->name,
                                               .short_name = last_part(type->name),
                                               .c_name = last_part(type->name),
                                               .package_name = type->package,
                                               .sizeof_message = to.size,
                                               .n_fields = (unsigned)proto->n_field,
                                               .reserved1 = note};
    sw_code code = index_fields(schema->arena, descriptor, fields, error);
    if (code == SW_OK)
        *note = (sw_schema_note){.schema = schema, .is_map_entry = is_map_entry(proto, descriptor)};
    return code;
}

/* --- Enums --- */

static int compare_values(const void *a, const void *b)
{
    int one = ((const ProtobufCEnumValue *)a)->value, other = ((const ProtobufCEnumValue *)b)->value;
    return one < other ? -1 : one > other;
}

static int compare_value_names(const void *a, const void *b)
{
    return strcmp(((const ProtobufCEnumValueIndex *)a)->name, ((const ProtobufCEnumValueIndex *)b)->name);
}

sw_code sw_schema_layout_enum(sw_schema *schema, sw_schema_type *type, sw_error *error)
{
    const Google__Protobuf__EnumDescriptorProto *proto = type->enumeration;
    size_t count = proto->n_value;
    if (count < 1 || count > FIELDS_MAX)
        return sw_fail(error, SW_INVALID_ARGUMENT, "schema: enum %s must have 1 to %d values", type->name,
                       FIELDS_MAX);
    ProtobufCEnumValue *values = sw_arena_alloc(schema->arena, count * sizeof(*values));
    ProtobufCEnumValueIndex *names = sw_arena_alloc(schema->arena, count * sizeof(*names));
    int *numbers = sw_arena_alloc(schema->arena, count * sizeof(*numbers));
    if (values == NULL || names == NULL || numbers == NULL)
        return exhausted(error);
    for (size_t i = 0; i < count; i++) {
        if (proto->value[i]->name == NULL || !proto->value[i]->has_number)
            return sw_fail(error, SW_INVALID_ARGUMENT, "schema: enum %s has a value without name or number",
                           type->name);
        values[i] =
            (ProtobufCEnumValue){proto->value[i]->name, proto->value[i]->name, proto->value[i]->number};
    }
    qsort(values, count, sizeof(*values), compare_values);
    unsigned kept = 0; /* one alias stands for a number, but all are found by name */
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || values[i].value != values[kept - 1].value)
            values[kept++] = values[i];
        names[i] = (ProtobufCEnumValueIndex){values[i].name, kept - 1};
        numbers[kept - 1] = values[kept - 1].value;
    }
    qsort(names, count, sizeof(*names), compare_value_names);
    ProtobufCEnumDescriptor *descriptor = type->enum_descriptor;
    *descriptor = (ProtobufCEnumDescriptor){.magic = PROTOBUF_C__ENUM_DESCRIPTOR_MAGIC,
                                            .name = type->name,
                                            .short_name = last_part(type->name),
                                            .c_name = last_part(type->name),
                                            .package_name = type->package,
                                            .n_values = kept,
                                            .values = values,
                                            .n_value_names = (unsigned)count,
                                            .values_by_name = names};
    descriptor->value_ranges = make_ranges(schema->arena, numbers, kept, &descriptor->n_value_ranges);
    return descriptor->value_ranges != NULL ? SW_OK : exhausted(error);
}
