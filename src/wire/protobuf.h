/* The wire format of protobuf: what every hand-written codec here is made of (the RPC headers,
 * events, rows of results, the validation of messages). Nothing allocates; views point into the
 * bytes that are read.
 *
 * One strictness for all readers, that of Google's C++ parser: a key or a length has at most 5
 * bytes, any other varint at most 10 and 64 bits, field numbers are 1 to 2^29-1, and groups are
 * refused. */
#ifndef SW_WIRE_PROTOBUF_H
#define SW_WIRE_PROTOBUF_H

#include "base/utf8.h"
#include "base/view.h"
#include <stdint.h>

typedef enum { SW_PB_VARINT = 0, SW_PB_FIXED64 = 1, SW_PB_BYTES = 2, SW_PB_FIXED32 = 5 } sw_pb_type;

#define SW_PB_NUMBER_MAX 0x1fffffffU /* of a field */
#define SW_PB_VARINT_MAX 10          /* bytes of a varint */
#define SW_PB_KEY_MAX    5           /* bytes of a key or a length */

/* --- Reading --- */

typedef struct sw_pb_reader {
    const uint8_t *at, *end; /* `at` is NULL once the bytes have turned out to be broken */
} sw_pb_reader;

typedef struct sw_pb_field {
    uint32_t number;
    uint32_t type;  /* sw_pb_type */
    uint64_t value; /* of SW_PB_VARINT */
    sw_view bytes;  /* of SW_PB_BYTES */
} sw_pb_field;

static inline sw_pb_reader sw_pb_read(sw_view bytes)
{
    const uint8_t *data = (const uint8_t *)(bytes.size == 0 ? "" : bytes.data);
    return (sw_pb_reader){data, data + bytes.size};
}

/* A varint of at most `bytes_max` bytes. False if it is longer, cut off or over 64 bits. */
bool sw_pb_long_varint(sw_pb_reader *reader, unsigned bytes_max, uint64_t *value);

static inline bool sw_pb_varint(sw_pb_reader *reader, unsigned bytes_max, uint64_t *value)
{
    if (reader->at == reader->end || *reader->at >= 0x80)
        return sw_pb_long_varint(reader, bytes_max, value);
    *value = *reader->at++;
    return true;
}

/* The key of the next field: its number and type. False if it is broken; there must be bytes
 * left. */
static inline bool sw_pb_key(sw_pb_reader *reader, sw_pb_field *field)
{
    uint64_t key;
    if (!sw_pb_varint(reader, SW_PB_KEY_MAX, &key) || key >> 3 == 0 || key >> 3 > SW_PB_NUMBER_MAX)
        return false;
    *field = (sw_pb_field){.number = (uint32_t)(key >> 3), .type = key & 7};
    return true;
}

static inline bool sw_pb_skip(sw_pb_reader *reader, uint64_t size)
{
    if (size > (uint64_t)(reader->end - reader->at))
        return false;
    reader->at += size;
    return true;
}

/* The value that belongs to the key just read. False if it is cut off, or its type is not
 * assigned. */
static inline bool sw_pb_value(sw_pb_reader *reader, sw_pb_field *field)
{
    uint64_t size;
    switch (field->type) {
    case SW_PB_VARINT:
        return sw_pb_varint(reader, SW_PB_VARINT_MAX, &field->value);
    case SW_PB_BYTES:
        if (!sw_pb_varint(reader, SW_PB_KEY_MAX, &size))
            return false;
        field->bytes = (sw_view){(const char *)reader->at, (size_t)size};
        return sw_pb_skip(reader, size);
    case SW_PB_FIXED64:
        return sw_pb_skip(reader, 8);
    case SW_PB_FIXED32:
        return sw_pb_skip(reader, 4);
    default:
        return false;
    }
}

/* The next field. False at the end, and for broken bytes: sw_pb_good tells which. */
static inline bool sw_pb_next(sw_pb_reader *reader, sw_pb_field *field)
{
    if (reader->at == reader->end)
        return false;
    if (sw_pb_key(reader, field) && sw_pb_value(reader, field))
        return true;
    reader->at = NULL;
    return false;
}

/* After the last sw_pb_next: whether everything could be read. */
static inline bool sw_pb_good(const sw_pb_reader *reader)
{
    return reader->at != NULL;
}

/* A field's value in the type that the caller expects. False if the field has another wire type. */

/* UTF-8 without NUL. */
static inline bool sw_pb_text(const sw_pb_field *field, sw_view *text)
{
    *text = field->bytes;
    return field->type == SW_PB_BYTES && sw_utf8_valid(field->bytes.data, field->bytes.size);
}

static inline bool sw_pb_u64(const sw_pb_field *field, uint64_t *value)
{
    *value = field->value;
    return field->type == SW_PB_VARINT;
}

/* Two's complement, as int64 and int32 are encoded. */
static inline bool sw_pb_i64(const sw_pb_field *field, int64_t *value)
{
    *value = (int64_t)field->value;
    return field->type == SW_PB_VARINT;
}

/* The low 32 bits of a longer number, as protobuf requires. */
static inline bool sw_pb_u32(const sw_pb_field *field, uint32_t *value)
{
    *value = (uint32_t)field->value;
    return field->type == SW_PB_VARINT;
}

/* --- Writing: there must be room; each returns the end of what it wrote --- */

static inline size_t sw_pb_varint_size(uint64_t value)
{
    return ((size_t)(63 - __builtin_clzll(value | 1)) * 9 + 73) / 64; /* one byte for each 7 bits */
}

static inline uint8_t *sw_pb_put_varint(uint8_t *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

static inline uint8_t *sw_pb_put_key(uint8_t *at, uint32_t number, sw_pb_type type)
{
    return sw_pb_put_varint(at, (uint64_t)number << 3 | type);
}

static inline uint8_t *sw_pb_put_bytes(uint8_t *at, uint32_t number, sw_view bytes)
{
    at = sw_pb_put_varint(sw_pb_put_key(at, number, SW_PB_BYTES), bytes.size);
    if (bytes.size > 0)
        memcpy(at, bytes.data, bytes.size);
    return at + bytes.size;
}

#endif
