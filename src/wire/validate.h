/* Judges the bytes of a request before protobuf-c sees them: protobuf-c recurses without bound, checks no
 * UTF-8, cuts strings at a NUL and cannot say which field is wrong. Used by rpc/dispatch.c. */
#ifndef SW_RPC_VALIDATE_H
#define SW_RPC_VALIDATE_H

#include <protobuf-c/protobuf-c.h>
#include <sitewire/status.h>

#define SW_MESSAGE_DEPTH_MAX  32    /* messages within messages */
#define SW_REPEATED_COUNT_MAX 65536 /* elements of all repeated fields together */

/* OK if protobuf_c_message_unpack(type, ...) can only fail for want of memory, and every string is UTF-8
 * without NUL. Else INVALID_ARGUMENT with the path of the field at fault. A group, a wire type that does not
 * fit its field, and a singular message that appears twice are errors too. */
sw_code sw_message_validate(const ProtobufCMessageDescriptor *type, const void *data, size_t size,
                            sw_error *error);

#endif
