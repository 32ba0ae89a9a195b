/* An example of a message as JSON, by its descriptor. Used by describe. */
#ifndef SW_CLI_SCHEMA_EXAMPLE_H
#define SW_CLI_SCHEMA_EXAMPLE_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

/* Each field gets a value of its type. Fields that the registry sets (from SW_FIELD_BOOKKEEPING
 * on) are left out. A new reference. */
json_t *sw_example(const ProtobufCMessageDescriptor *message);

#endif
