/* JSON from outside into messages and back: what was read must be printed and read again, the same.
 * The first byte chooses the type. */
#include "c/json/json.h"

#include <google/protobuf/descriptor.pb-c.h>
#include <sitewire/referential/v1/referential.pb-c.h>
#include <sitewire/rpc/v1/rpc.pb-c.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const types[] = {
    &sw__website__descriptor,
    &sw__update_website_request__descriptor,
    &sw__list_websites_request__descriptor,
    &sw__get_stats_response__descriptor,
    &sw__get_schema_response__descriptor,
    &google__protobuf__file_descriptor_set__descriptor,
};

static char *print(const ProtobufCMessage *message)
{
    json_t *json = sw_json_from_message(message);
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const ProtobufCMessageDescriptor *type = types[data[0] % (sizeof(types) / sizeof(types[0]))];
    ProtobufCMessage *one, *other;
    sw_error error = {0};
    if (sw_json_parse(type, (const char *)data + 1, size - 1, NULL, &one, &error) != SW_OK) {
        if (one != NULL || error.code != SW_INVALID_ARGUMENT || error.message[0] == '\0')
            abort();
        return 0;
    }
    char *text = print(one);
    if (text == NULL || sw_json_parse(type, text, strlen(text), NULL, &other, &error) != SW_OK)
        abort();
    char *again = print(other);
    if (again == NULL || strcmp(text, again) != 0)
        abort();
    free(text);
    free(again);
    protobuf_c_message_free_unpacked(one, NULL);
    protobuf_c_message_free_unpacked(other, NULL);
    return 0;
}
