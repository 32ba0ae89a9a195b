/* Texts of values in proto3 JSON: base64, names of fields, and access to fields by descriptor.
 * Used by json_read.c and json_write.c. */
#ifndef SW_CLIENT_JSON_VALUE_H
#define SW_CLIENT_JSON_VALUE_H

#include "base/time_text.h"
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for what size characters decode to, and size bytes encode to (NUL included). */
#define SW_BASE64_DECODED(size) ((size) / 4 * 3 + 3)
#define SW_BASE64_ENCODED(size) (((size) + 2) / 3 * 4 + 1)
/* Either alphabet, padding or not. */
bool sw_base64_decode(const char *text, size_t size, uint8_t *to, size_t *length);
void sw_base64_encode(const uint8_t *from, size_t size, char *text);

/* lowerCamel spelling of a field name, cut to size. */
void sw_name_to_camel(const char *name, char *camel, size_t size);
/* snake_case of a lowerCamel or snake_case name; returns the length, written as far as it fits. */
size_t sw_name_to_snake(const char *name, size_t length, char *snake, size_t size);

/* A field in its message. Presence means set, or for fields without it (proto3 of others), not zero. */
void *sw_field_at(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);
bool sw_field_present(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);
void sw_field_set_present(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);
size_t sw_field_size(const ProtobufCFieldDescriptor *field); /* of one element */

#endif
