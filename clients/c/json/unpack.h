/* Unpacking the messages of peers: protobuf-c neither bounds the depth of nesting nor checks text, so the bytes are
 * checked first, without allocation. Used by the client and by programs in clients/. Thread-safe. */
#ifndef SW_CLIENT_UNPACK_H
#define SW_CLIENT_UNPACK_H

#include "wire/header.h"
#include <protobuf-c/protobuf-c.h>
#include <sitewire/status.h>

/* DATA_LOSS if sw_message_validate refuses the bytes, or without memory. The caller frees *message with
 * protobuf_c_message_free_unpacked(message, allocator); an arena frees it by itself. */
sw_code sw_unpack(const ProtobufCMessageDescriptor *type, sw_view bytes, ProtobufCAllocator *allocator,
                  ProtobufCMessage **message, sw_error *error);

#endif
