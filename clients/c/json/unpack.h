/* Unpacking the messages of peers, which are validated first (wire/validate.h). Used by the
 * client and by programs in clients/. Thread-safe. */
#ifndef SW_CLIENT_UNPACK_H
#define SW_CLIENT_UNPACK_H

#include "base/view.h"
#include <protobuf-c/protobuf-c.h>
#include <sitewire/status.h>

/* DATA_LOSS says what is wrong with the bytes, RESOURCE_EXHAUSTED that there is no memory;
 * *message is then untouched. The caller frees *message with
 * protobuf_c_message_free_unpacked(message, allocator); an arena frees it by itself. */
sw_code sw_unpack(const ProtobufCMessageDescriptor *type, sw_view bytes, ProtobufCAllocator *allocator,
                  ProtobufCMessage **message, sw_error *error);

#endif
