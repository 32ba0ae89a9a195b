/* A walk over the wire bytes of a message, guided by its descriptor. */
#include "wire/validate.h"

#include "base/error.h"
#include "wire/protobuf.h"
#include <inttypes.h>
#include <stdio.h>

#define SINGLES_TRACKED 128 /* fields of a message whose repetition is noticed */

/* A message and the field of it that is being read; with its parents it makes the path of an
 * error. */
typedef struct level {
    const struct level *parent;
    const ProtobufCFieldDescriptor *field;
    uint32_t number; /* the field's number; printed if the descriptor does not know it */
    uint64_t index;  /* of the element, in a repeated field */
} level;

typedef struct {
    size_t elements_left; /* of repeated fields */
    size_t elements_max;
    sw_error *error;
} walk;

/* Writes the path to `at`, such as `filters[3].field`. Returns its length, which may exceed the
 * capacity. */
static size_t print_path(const level *at, char *text, size_t capacity)
{
    size_t used = at->parent == NULL ? 0 : print_path(at->parent, text, capacity);
    char *to = used < capacity ? text + used : NULL;
    size_t room = used < capacity ? capacity - used : 0;
    const char *dot = at->parent == NULL ? "" : ".";
    int length;
    if (at->field == NULL)
        length = snprintf(to, room, "%s#%" PRIu32, dot, at->number);
    else if (at->field->label == PROTOBUF_C_LABEL_REPEATED)
        length = snprintf(to, room, "%s%s[%" PRIu64 "]", dot, at->field->name, at->index);
    else
        length = snprintf(to, room, "%s%s", dot, at->field->name);
    return used + (length < 0 ? 0 : (size_t)length);
}

static bool fault(const walk *w, const level *at, const char *what)
{
    char path[SW_ERROR_FIELD_SIZE];
    print_path(at, path, sizeof(path));
    sw_fail_field(w->error, SW_INVALID_ARGUMENT, path, "%s: %s", path, what);
    return false;
}

static bool broken(const walk *w, const level *parent, const char *what)
{
    if (parent != NULL)
        return fault(w, parent, what);
    sw_fail(w->error, SW_INVALID_ARGUMENT, "the bytes are not such a message: %s", what);
    return false;
}

static sw_pb_type wire_type_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return SW_PB_FIXED32;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return SW_PB_FIXED64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return SW_PB_BYTES;
    default:
        return SW_PB_VARINT;
    }
}

static bool count_elements(walk *w, const level *at, size_t count)
{
    if (count > w->elements_left) {
        char path[SW_ERROR_FIELD_SIZE];
        print_path(at, path, sizeof(path));
        sw_fail_field(w->error, SW_INVALID_ARGUMENT, path,
                      "%s: the request has more than %zu repeated elements; send several requests", path,
                      w->elements_max);
        return false;
    }
    w->elements_left -= count;
    return true;
}

/* The elements of a packed field. */
static bool check_packed(walk *w, const level *at, sw_view bytes)
{
    sw_pb_type type = wire_type_of(at->field->type);
    size_t width = type == SW_PB_FIXED32 ? 4 : 8;
    if (type != SW_PB_VARINT)
        return bytes.size % width == 0 ? count_elements(w, at, bytes.size / width)
                                       : fault(w, at, "the packed values end in the middle of one");
    sw_pb_reader reader = sw_pb_read(bytes);
    size_t count = 0;
    for (uint64_t value; reader.at < reader.end; count++)
        if (!sw_pb_varint(&reader, SW_PB_VARINT_MAX, &value))
            return fault(w, at, "a packed value is not a number");
    return count_elements(w, at, count);
}

static bool check_message(walk *w, const ProtobufCMessageDescriptor *type, sw_view bytes, const level *parent,
                          int depth);

/* A length-delimited value of a known field. */
static bool check_bytes(walk *w, const level *at, sw_view bytes, int depth)
{
    switch (at->field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return sw_utf8_valid(bytes.data, bytes.size) ||
               fault(w, at, "text must be UTF-8 without NUL characters");
    case PROTOBUF_C_TYPE_BYTES:
        return true;
    case PROTOBUF_C_TYPE_MESSAGE:
        return check_message(w, at->field->descriptor, bytes, at, depth + 1);
    default:
        return check_packed(w, at, bytes);
    }
}

/* One value of a known field whose bytes are well-formed. */
static bool check_field(walk *w, const level *at, const sw_pb_field *value, int depth)
{
    bool repeated = at->field->label == PROTOBUF_C_LABEL_REPEATED;
    sw_pb_type expected = wire_type_of(at->field->type);
    bool packed = repeated && value->type == SW_PB_BYTES && expected != SW_PB_BYTES;
    if (value->type != expected && !packed)
        return fault(w, at, "the value has another type than the field");
    if (repeated && !packed && !count_elements(w, at, 1))
        return false;
    return value->type != SW_PB_BYTES || check_bytes(w, at, value->bytes, depth);
}

/* The field with that number, or NULL. Fields mostly come in the order of the descriptor: *next is
 * the index to look at first. */
static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *type, uint32_t number,
                                                  unsigned *next)
{
    while (*next < type->n_fields && type->fields[*next].id < number)
        ++*next;
    if (*next < type->n_fields && type->fields[*next].id == number)
        return &type->fields[*next];
    return protobuf_c_message_descriptor_get_field(type, number);
}

/* Numbers the elements of a repeated field for the path, as long as they stand together. */
static void enter_field(level *here, const ProtobufCFieldDescriptor *field, uint32_t number)
{
    here->index = here->field == field && field != NULL ? here->index + 1 : 0;
    here->field = field;
    here->number = number;
}

/* Marks a singular message field as seen; false if it was already. protobuf-c would merge the
 * two. */
static bool mark_single(uint64_t *seen, const ProtobufCMessageDescriptor *type,
                        const ProtobufCFieldDescriptor *field)
{
    size_t index = (size_t)(field - type->fields);
    if (field->label == PROTOBUF_C_LABEL_REPEATED || field->type != PROTOBUF_C_TYPE_MESSAGE ||
        index >= SINGLES_TRACKED)
        return true;
    uint64_t bit = UINT64_C(1) << index % 64;
    bool first = (seen[index / 64] & bit) == 0;
    seen[index / 64] |= bit;
    return first;
}

static bool check_message(walk *w, const ProtobufCMessageDescriptor *type, sw_view bytes, const level *parent,
                          int depth)
{
    if (depth > SW_MESSAGE_DEPTH_MAX)
        return broken(w, parent, "messages are nested too deep, 32 levels are the most");
    uint64_t seen[SINGLES_TRACKED / 64] = {0};
    unsigned next = 0;
    level here = {.parent = parent};
    sw_pb_field value;
    for (sw_pb_reader reader = sw_pb_read(bytes); reader.at < reader.end;) {
        if (!sw_pb_key(&reader, &value))
            return broken(w, parent, "a field's key is broken");
        enter_field(&here, find_field(type, value.number, &next), value.number);
        if (!sw_pb_value(&reader, &value))
            return fault(w, &here, "the value is cut short or broken");
        if (here.field == NULL)
            continue; /* an unknown field: proto3 says to skip it */
        if (!mark_single(seen, type, here.field))
            return fault(w, &here, "the field appears twice");
        if (!check_field(w, &here, &value, depth))
            return false;
    }
    return true;
}

sw_code sw_message_validate(const ProtobufCMessageDescriptor *type, const void *data, size_t size,
                            size_t elements_max, sw_error *error)
{
    walk w = {.elements_left = elements_max, .elements_max = elements_max, .error = error};
    return check_message(&w, type, (sw_view){data, size}, NULL, 1) ? SW_OK : SW_INVALID_ARGUMENT;
}
