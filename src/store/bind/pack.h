/* Rows of results as the bytes of messages, without building the messages. Used by reply.c. */
#ifndef SW_STORE_PACK_H
#define SW_STORE_PACK_H

#include "store/bind/bind.h"

typedef struct sw_pack {
    sw_arena *arena;
    uint8_t *data;
    size_t size, room;
} sw_pack;

/* `room` is the expected number of bytes. RESOURCE_EXHAUSTED when out of memory. */
sw_code sw_pack_init(sw_pack *pack, sw_arena *arena, size_t room, sw_error *error);
/* Appends the fields of a row of that type: the bytes that protobuf-c writes for the message that
 * sw_bind_row fills. */
sw_code sw_pack_row(sw_pack *pack, const PGresult *result, int row, const sw_column *columns, int count,
                    const ProtobufCMessageDescriptor *type, sw_error *error);
/* The same as an element of a repeated field. */
sw_code sw_pack_item(sw_pack *pack, const ProtobufCFieldDescriptor *items, const PGresult *result, int row,
                     const sw_column *columns, int count, sw_error *error);
/* Adds the bytes to a message, after the fields that are set in it. */
sw_code sw_pack_attach(const sw_pack *pack, ProtobufCMessage *message, sw_error *error);

#endif
