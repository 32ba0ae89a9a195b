/* An example of a message as JSON, by its descriptor. Used by describe. */
#ifndef SW_CLI_EXAMPLE_H
#define SW_CLI_EXAMPLE_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

/* Every field with a value of its type; fields that the registry sets (from SW_FIELD_BOOKKEEPING on) are left
 * out. A new reference. */
json_t *sw_example(const ProtobufCMessageDescriptor *message);

#endif
