/* A walk over the wire bytes of a request, led by its descriptor. */
#include "rpc/validate.h"

#include "base/error.h"
#include "base/utf8.h"
#include <inttypes.h>
#include <stdio.h>

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

#define SINGLES_TRACKED 128 /* fields of a message whose second appearance is noticed; by index */

/* A message on the way down, and the field of it that is being read: the path of an error. */
typedef struct level {
    const struct level *parent;
    const ProtobufCFieldDescriptor *field;
    uint32_t number; /* of a field that the descriptor does not know */
    uint64_t index;  /* which element, of a repeated field */
} level;

typedef struct {
    size_t elements; /* of repeated fields so far */
    sw_error *error;
} walk;

/* Appends to text what leads to `at`: `filters[3].field`. Returns the length, which may be beyond the
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
    sw_fail(w->error, SW_INVALID_ARGUMENT, "the payload is no such message: %s", what);
    return false;
}

static bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (*at == end)
            return false;
        uint8_t byte = *(*at)++;
        if (shift == 63 && byte > 1)
            return false;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

/* A key or a length: protobuf-c takes no longer form than five bytes. */
static bool read_short(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
    const uint8_t *start = *at;
    return read_varint(at, end, value) && *at - start <= 5;
}

static unsigned wire_type_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return FIXED32;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return FIXED64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return BYTES;
    default:
        return VARINT;
    }
}

static bool count_elements(walk *w, const level *at, size_t count)
{
    if (count > SW_REPEATED_COUNT_MAX - w->elements) {
        char path[SW_ERROR_FIELD_SIZE];
        print_path(at, path, sizeof(path));
        sw_fail_field(w->error, SW_INVALID_ARGUMENT, path,
                      "%s: the request has more than %d repeated elements; send several requests", path,
                      SW_REPEATED_COUNT_MAX);
        return false;
    }
    w->elements += count;
    return true;
}

/* The elements of a packed field. */
static bool check_packed(walk *w, const level *at, const uint8_t *data, size_t size)
{
    unsigned type = wire_type_of(at->field->type);
    size_t width = type == FIXED32 ? 4 : 8;
    if (type != VARINT)
        return size % width == 0 ? count_elements(w, at, size / width)
                                 : fault(w, at, "the packed values end in the middle of one");
    const uint8_t *end = data + size;
    size_t count = 0;
    for (uint64_t value; data < end; count++)
        if (!read_varint(&data, end, &value))
            return fault(w, at, "a packed value is no number");
    return count_elements(w, at, count);
}

static bool check_message(walk *w, const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t size,
                          const level *parent, int depth);

/* A length-delimited value of a known field. */
static bool check_bytes(walk *w, const level *at, const uint8_t *data, size_t size, int depth)
{
    switch (at->field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return sw_utf8_valid((const char *)data, size) ||
               fault(w, at, "text must be UTF-8 without NUL characters");
    case PROTOBUF_C_TYPE_BYTES:
        return true;
    case PROTOBUF_C_TYPE_MESSAGE:
        return check_message(w, at->field->descriptor, data, size, at, depth + 1);
    default:
        return check_packed(w, at, data, size);
    }
}

/* Reads one value: *data and *size get the bytes of a length-delimited one. */
static bool read_value(unsigned type, const uint8_t **at, const uint8_t *end, const uint8_t **data,
                       size_t *size)
{
    uint64_t number;
    switch (type) {
    case VARINT:
        return read_varint(at, end, &number);
    case BYTES:
        if (!read_short(at, end, &number) || number > (uint64_t)(end - *at))
            return false;
        *data = *at;
        *size = (size_t)number;
        *at += number;
        return true;
    case FIXED32:
    case FIXED64:
        number = type == FIXED32 ? 4 : 8;
        if (number > (uint64_t)(end - *at))
            return false;
        *at += number;
        return true;
    default: /* groups and what is not assigned */
        return false;
    }
}

/* One value of a known field whose bytes are well-formed. */
static bool check_field(walk *w, const level *at, unsigned type, const uint8_t *data, size_t size, int depth)
{
    bool repeated = at->field->label == PROTOBUF_C_LABEL_REPEATED;
    unsigned expected = wire_type_of(at->field->type);
    bool packed = repeated && type == BYTES && expected != BYTES;
    if (type != expected && !packed)
        return fault(w, at, "the value has another type than the field");
    if (repeated && !packed && !count_elements(w, at, 1))
        return false;
    return type != BYTES || check_bytes(w, at, data, size, depth);
}

/* Elements of repeated fields are numbered for the path, as long as a field's elements stand together. */
static void number_element(level *here, const ProtobufCFieldDescriptor *field)
{
    here->index = here->field == field && field != NULL ? here->index + 1 : 0;
    here->field = field;
}

/* Marks a singular message field as seen; false if it was already. protobuf-c would merge the two. */
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

static bool check_message(walk *w, const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t size,
                          const level *parent, int depth)
{
    if (depth > SW_MESSAGE_DEPTH_MAX)
        return broken(w, parent, "messages are nested too deep, 32 levels are the most");
    const uint8_t *at = data, *end = data + size;
    uint64_t seen[SINGLES_TRACKED / 64] = {0};
    level here = {.parent = parent};
    while (at < end) {
        uint64_t key;
        if (!read_short(&at, end, &key) || key >> 3 == 0 || key >> 3 > 0x1fffffff)
            return broken(w, parent, "a field's key is broken");
        unsigned wire = key & 7;
        here.number = (uint32_t)(key >> 3);
        number_element(&here, protobuf_c_message_descriptor_get_field(type, here.number));
        const uint8_t *value = NULL;
        size_t length = 0;
        if (!read_value(wire, &at, end, &value, &length))
            return fault(w, &here, "the value is cut short or broken");
        if (here.field == NULL)
            continue; /* an unknown field is skipped, as proto3 says */
        if (!mark_single(seen, type, here.field))
            return fault(w, &here, "the field appears twice");
        if (!check_field(w, &here, wire, value, length, depth))
            return false;
    }
    return true;
}

sw_code sw_message_validate(const ProtobufCMessageDescriptor *type, const void *data, size_t size,
                            sw_error *error)
{
    walk w = {.error = error};
    if (size == 0)
        return SW_OK;
    return check_message(&w, type, data, size, NULL, 1) ? SW_OK : SW_INVALID_ARGUMENT;
}
