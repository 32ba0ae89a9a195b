/* Checks the bytes of a message before protobuf-c unpacks them: protobuf-c recurses without bound,
 * does not check UTF-8, cuts strings at a NUL and cannot say which field is wrong. Used for
 * requests by the dispatch and for replies by the client. */
#ifndef SW_WIRE_VALIDATE_H
#define SW_WIRE_VALIDATE_H

#include <protobuf-c/protobuf-c.h>
#include <sitewire/status.h>
#include <stddef.h>

#define SW_MESSAGE_DEPTH_MAX    100   /* messages within messages, the outermost included */
#define SW_REQUEST_ELEMENTS_MAX 65536 /* elements of all repeated fields of a request together */

/* OK if every string is UTF-8 without NUL and protobuf_c_message_unpack(type, ...) can fail only
 * because memory runs out. Otherwise INVALID_ARGUMENT with the path of the wrong field, such as
 * `filters[3].field`. A group, a wire type that does not fit its field, a singular message that
 * appears twice and more than elements_max elements of repeated fields are errors too. Allocates
 * nothing. */
sw_code sw_message_validate(const ProtobufCMessageDescriptor *type, const void *data, size_t size,
                            size_t elements_max, sw_error *error);

#endif
