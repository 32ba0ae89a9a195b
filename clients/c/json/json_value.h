/* Values in proto3 JSON: base64, the two spellings of names, and access to fields by descriptor.
 * Used by json_read.c, json_write.c and the command line. Thread-safe. */
#ifndef SW_CLIENT_JSON_VALUE_H
#define SW_CLIENT_JSON_VALUE_H

#include "base/time_text.h"
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes that `size` characters decode to at most, and that `size` bytes encode to, NUL
 * included. */
#define SW_BASE64_DECODED(size) ((size) / 4 * 3 + 3)
#define SW_BASE64_ENCODED(size) (((size) + 2) / 3 * 4 + 1)
/* Decodes either alphabet, with or without padding. `to` has room for SW_BASE64_DECODED(size);
 * *length is what was written. False if the text is not base64. */
bool sw_base64_decode(const char *text, size_t size, uint8_t *to, size_t *length);
void sw_base64_encode(const uint8_t *from, size_t size, char *text);

/* The lowerCamel spelling of a name, cut to `size` bytes. */
void sw_name_to_camel(const char *name, char *camel, size_t size);
/* The snake_case spelling of a name in either spelling. Returns its length; it is cut to `size`
 * bytes. */
size_t sw_name_to_snake(const char *name, size_t length, char *snake, size_t size);

/* A field in its message. A field without presence counts as present if it is not zero. */
void *sw_field_at(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);
bool sw_field_present(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);
void sw_field_set_present(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);
/* The size of one element. */
size_t sw_field_size(const ProtobufCFieldDescriptor *field);

#endif
