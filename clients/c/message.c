/* The message in a reply, unpacked into memory that serves for the next reply:
 * sw_client_message. */
#include "base/error.h"
#include "c/client.h"
#include "c/json/unpack.h"

/* bytes of the arena's first block; twice what a page of 1,000 rows takes */
#define KEPT   ((size_t)1 << 20)
#define FACTOR 8 /* bytes of memory for each byte of reply_max; only hostile messages need more */

static sw_code read_message(sw_client *client, const sw_reply *reply, const ProtobufCMessageDescriptor *type,
                            ProtobufCMessage **message, sw_error *error)
{
    if (reply != client->delivered)
        return sw_fail(error, SW_FAILED_PRECONDITION, "a message is read in the callback of its reply");
    if (reply->code != SW_OK) {
        if (error != NULL)
            *error = *reply->error;
        return reply->code;
    }
    size_t most = client->options.reply_max * FACTOR + KEPT;
    if (client->messages == NULL)
        client->messages = sw_arena_new_with(KEPT, most);
    if (client->messages == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    sw_view bytes = {reply->payload, reply->payload_size};
    sw_code code = sw_unpack(type, bytes, sw_arena_allocator(client->messages), message, error);
    if (code != SW_OK && sw_arena_is_short(client->messages))
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory: a %s takes more than %zu bytes",
                       type->name, most);
    return code;
}

const void *sw_client_message(sw_client *client, const sw_reply *reply,
                              const ProtobufCMessageDescriptor *type, sw_error *error)
{
    ProtobufCMessage *message;
    return read_message(client, reply, type, &message, error) == SW_OK ? message : NULL;
}
