/* Fields of messages, found by what people type. */
#ifndef SW_CLI_FIELD_H
#define SW_CLI_FIELD_H

#include <protobuf-c/protobuf-c.h>
#include <sitewire/status.h>

/* Fields from this number on are set by the registry (revision, created_at ...). A table shows them only if asked for. */
#define SW_FIELD_BOOKKEEPING 100

/* A field of a message by snake_case, kebab-case or camelCase name; INVALID_ARGUMENT suggests the nearest. */
sw_code sw_field_find(const ProtobufCMessageDescriptor *message, const char *name, size_t length,
                      const ProtobufCFieldDescriptor **field, sw_error *error);

#endif
