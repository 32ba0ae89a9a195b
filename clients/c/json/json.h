/* Conversion between proto3 JSON and protobuf-c messages, by descriptor, on top of jansson.
 * Field names are printed as in the .proto, and read as such or as their json_name. The messages of
 * google.protobuf have the forms of https://protobuf.dev/programming-guides/json/; maps and Any
 * have them in schemas that were read at run time. Used by JSON calls and the command line.
 * Thread-safe. */
#ifndef SW_CLIENT_JSON_H
#define SW_CLIENT_JSON_H

#include "wire/header.h"
#include <jansson.h>
#include <protobuf-c/protobuf-c.h>
#include <sitewire/status.h>

#define SW_JSON_DEPTH_MAX 100 /* levels of nested messages */

/* Makes a message from JSON. INVALID_ARGUMENT names the field that is unknown, of the wrong type
 * or out of range. RESOURCE_EXHAUSTED: out of memory, but jansson may report that as a syntax
 * error, which is INVALID_ARGUMENT. The caller frees *message with
 * protobuf_c_message_free_unpacked(message, allocator); it is NULL on failure. */
sw_code sw_json_parse(const ProtobufCMessageDescriptor *type, const char *json, size_t size,
                      ProtobufCAllocator *allocator, ProtobufCMessage **message, sw_error *error);
sw_code sw_json_to_message(const ProtobufCMessageDescriptor *type, const json_t *json,
                           ProtobufCAllocator *allocator, ProtobufCMessage **message, sw_error *error);
/* An object of the fields that are present, in the order of the descriptor. A new reference for
 * the caller; NULL when out of memory. */
json_t *sw_json_from_message(const ProtobufCMessage *message);
/* The JSON text of an encoded message; malloc'ed for the caller. DATA_LOSS: the bytes are not
 * such a message. */
sw_code sw_json_from_bytes(const ProtobufCMessageDescriptor *type, sw_view bytes, char **text,
                           sw_error *error);

#endif
