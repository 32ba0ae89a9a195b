/* A FileDescriptorSet from a peer: descriptors are built from it, and an empty message of each type
 * is packed, unpacked and printed. */
#include "c/json/json.h"
#include "c/json/schema.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sw_schema *schema;
    sw_error error;
    if (sw_schema_new(data, size, &schema, &error) != SW_OK)
        return 0;
    const ProtobufCMessageDescriptor *const *types;
    size_t count = sw_schema_messages(schema, &types);
    for (size_t i = 0; i < count; i++) {
        ProtobufCMessage *message = protobuf_c_message_unpack(types[i], NULL, 0, NULL);
        if (message == NULL)
            abort();
        json_decref(sw_json_from_message(message));
        protobuf_c_message_free_unpacked(message, NULL);
        message = protobuf_c_message_unpack(types[i], NULL, size, data); /* bytes of some other type */
        if (message != NULL) {
            json_decref(sw_json_from_message(message));
            protobuf_c_message_free_unpacked(message, NULL);
        }
        sw_schema_comment(schema, types[i], NULL);
    }
    sw_schema_destroy(&schema);
    return 0;
}
