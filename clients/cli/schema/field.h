/* Fields of messages, found by what people type. */
#ifndef SW_CLI_SCHEMA_FIELD_H
#define SW_CLI_SCHEMA_FIELD_H

#include <protobuf-c/protobuf-c.h>
#include <sitewire/status.h>

/* The registry sets fields from this number on (revision, created_at ...). Tables show them only
 * if asked for. */
#define SW_FIELD_BOOKKEEPING 100

/* Finds a field by its name in snake_case, kebab-case or camelCase. INVALID_ARGUMENT suggests
 * the nearest names. */
sw_code sw_field_find(const ProtobufCMessageDescriptor *message, const char *name, size_t length,
                      const ProtobufCFieldDescriptor **field, sw_error *error);
/* True if `name` is the name of a field, in any of these spellings, or near one. */
bool sw_field_is_like(const ProtobufCMessageDescriptor *message, const char *name, size_t length);

#endif
