/* Rows of results as the bytes of messages (pack.h). Plain values are written directly; a composite
 * value is read into a message of its own, which protobuf-c writes.
 *
 * The bytes become an unknown field of a message, because protobuf-c writes unknown fields as they
 * are. */
#include "store/bind/pack.h"
#include "base/error.h"
#include "store/bind/time.h"
#include "wire/protobuf.h"
#include <string.h>

#define PLAIN_MAX (2 * SW_PB_VARINT_MAX + 16) /* of a plain value: its key and length, without its bytes */
#define LENGTH    2 /* bytes left for the length of an item: most have 128 to 16383 */

static sw_code fail_memory(sw_error *error)
{
    return sw_fail(error, SW_RESOURCE_EXHAUSTED, "the reply needs too much memory: ask for less at once");
}

static bool reserve(sw_pack *pack, size_t more)
{
    if (more <= pack->room - pack->size)
        return true;
    if (more > SIZE_MAX / 4)
        return false;
    size_t room = (pack->size + more) * 2;
    uint8_t *data = sw_arena_take(pack->arena, room);
    if (!data)
        return false;
    memcpy(data, pack->data, pack->size);
    pack->data = data;
    pack->room = room;
    return true;
}

sw_code sw_pack_init(sw_pack *pack, sw_arena *arena, size_t room, sw_error *error)
{
    *pack = (sw_pack){.arena = arena, .room = room};
    pack->data = sw_arena_take(arena, room);
    return pack->data ? SW_OK : fail_memory(error);
}

/* The number as protobuf writes it, sign-extended; false for types that it writes otherwise. */
static bool take_int(const ProtobufCFieldDescriptor *field, const char *data, int size, uint64_t *value)
{
    int64_t number;
    if (!sw_get_int(data, size, &number))
        return false;
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_ENUM:
        *value = (uint64_t)(int64_t)(int32_t)number;
        return true;
    case PROTOBUF_C_TYPE_UINT32:
        *value = (uint32_t)number;
        return true;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        *value = (uint64_t)number;
        return true;
    default:
        return false;
    }
}

/* google.protobuf.Timestamp, which omits what is 0. */
static uint8_t *put_time(uint8_t *at, uint32_t id, const char *data)
{
    int64_t seconds;
    int32_t nanos;
    if (!sw_time_to_parts((int64_t)sw_get_be(data, 8), &seconds, &nanos))
        return at;
    at = sw_pb_put_key(at, id, SW_PB_BYTES);
    uint8_t *start = at + 1, *end = start; /* the length is one byte: 17 are the most */
    if (seconds)
        end = sw_pb_put_varint(sw_pb_put_key(end, 1, SW_PB_VARINT), (uint64_t)seconds);
    if (nanos)
        end = sw_pb_put_varint(sw_pb_put_key(end, 2, SW_PB_VARINT), (uint64_t)nanos);
    *at = (uint8_t)(end - start);
    return end;
}

/* Writes a plain value; there is room for it. NULL if the value is not plain. */
static uint8_t *put_plain(uint8_t *at, const sw_column *column, const char *data, int size)
{
    const ProtobufCFieldDescriptor *field = column->field;
    uint64_t number;
    switch (column->bind) {
    case SW_BIND_TEXT:
    case SW_BIND_CAST:
    case SW_BIND_BYTES:
        return sw_pb_put_bytes(at, field->id, (sw_view){data, (size_t)size});
    case SW_BIND_INT:
        return take_int(field, data, size, &number)
                   ? sw_pb_put_varint(sw_pb_put_key(at, field->id, SW_PB_VARINT), number)
                   : NULL;
    case SW_BIND_BOOL:
        return size == 1 ? sw_pb_put_varint(sw_pb_put_key(at, field->id, SW_PB_VARINT), *data != 0) : NULL;
    case SW_BIND_TIME:
        return size == 8 ? put_time(at, field->id, data) : NULL;
    default:
        return NULL;
    }
}

/* Writes any other value through a message in which only this field is set. */
static bool put_other(sw_pack *pack, const sw_column *column, const char *data, int size,
                      const ProtobufCMessageDescriptor *type)
{
    ProtobufCMessage *message = sw_arena_alloc(pack->arena, type->sizeof_message);
    if (!message)
        return false;
    type->message_init(message);
    if (!sw_bind_value(data, size, column, message, pack->arena) ||
        !reserve(pack, protobuf_c_message_get_packed_size(message)))
        return false;
    pack->size += protobuf_c_message_pack(message, pack->data + pack->size);
    return true;
}

sw_code sw_pack_row(sw_pack *pack, const PGresult *result, int row, const sw_column *columns, int count,
                    const ProtobufCMessageDescriptor *type, sw_error *error)
{
    if (PQnfields(result) < count)
        return sw_fail(error, SW_INTERNAL, "the result has %d columns, not %d", PQnfields(result), count);
    for (int i = 0; i < count; i++) {
        int size = PQgetlength(result, row, i);
        if (!columns[i].field || (size == 0 && PQgetisnull(result, row, i)))
            continue;
        if (!reserve(pack, (size_t)size + PLAIN_MAX))
            return fail_memory(error);
        const char *data = size ? PQgetvalue(result, row, i) : "";
        uint8_t *end = put_plain(pack->data + pack->size, &columns[i], data, size);
        if (end)
            pack->size = (size_t)(end - pack->data);
        else if (!put_other(pack, &columns[i], data, size, type))
            return sw_fail(error, SW_INTERNAL, "column `%s` does not fit its field, or memory is short",
                           PQfname(result, i));
    }
    return SW_OK;
}

sw_code sw_pack_item(sw_pack *pack, const ProtobufCFieldDescriptor *items, const PGresult *result, int row,
                     const sw_column *columns, int count, sw_error *error)
{
    if (!reserve(pack, PLAIN_MAX))
        return fail_memory(error);
    pack->size = (size_t)(sw_pb_put_key(pack->data + pack->size, items->id, SW_PB_BYTES) - pack->data);
    size_t at = pack->size, start = at + LENGTH;
    pack->size = start;
    sw_code code = sw_pack_row(pack, result, row, columns, count, items->descriptor, error);
    if (code != SW_OK)
        return code;
    uint8_t length[SW_PB_VARINT_MAX];
    size_t size = pack->size - start, taken = (size_t)(sw_pb_put_varint(length, size) - length);
    if (!reserve(pack, SW_PB_VARINT_MAX))
        return fail_memory(error);
    if (taken != LENGTH)
        memmove(pack->data + at + taken, pack->data + start, size);
    memcpy(pack->data + at, length, taken);
    pack->size = at + taken + size;
    return SW_OK;
}

sw_code sw_pack_attach(const sw_pack *pack, ProtobufCMessage *message, sw_error *error)
{
    if (pack->size == 0)
        return SW_OK;
    ProtobufCMessageUnknownField *field = sw_arena_alloc(pack->arena, sizeof(*field));
    if (!field)
        return fail_memory(error);
    sw_pb_reader reader = {pack->data, pack->data + pack->size};
    sw_pb_field first;
    if (!sw_pb_key(&reader, &first))
        return sw_fail(error, SW_INTERNAL, "a packed row begins with a broken key");
    *field = (ProtobufCMessageUnknownField){.tag = first.number,
                                            .wire_type = (ProtobufCWireType)first.type,
                                            .len = (size_t)(reader.end - reader.at),
                                            .data = (uint8_t *)(uintptr_t)reader.at};
    message->n_unknown_fields = 1;
    message->unknown_fields = field;
    return SW_OK;
}
