/* What the validation lets through, protobuf-c unpacks, and the result is sound: strings are UTF-8,
 * depth is bounded. Two types: a deep one and a wide one. */
#include "base/arena.h"
#include "echo.pb-c.h"
#include "sitewire/referential/v1/referential.pb-c.h"
#include "wire/validate.h"
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t size)
{
    sw_error error;
    if (sw_message_validate(type, data, size, SW_REQUEST_ELEMENTS_MAX, &error) != SW_OK) {
        if (error.code != SW_INVALID_ARGUMENT || error.message[0] == '\0')
            abort();
        return;
    }
    sw_arena *arena = sw_arena_new(0);
    ProtobufCMessage *message = protobuf_c_message_unpack(type, sw_arena_allocator(arena), size, data);
    if (message == NULL || !protobuf_c_message_check(message))
        abort();
    sw_arena_destroy(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try(&sw__echo_request__descriptor, data, size);
    try(&sw__list_websites_request__descriptor, data, size);
    try(&sw__update_domain_request__descriptor, data, size);
    return 0;
}
