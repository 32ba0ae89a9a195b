/* Starts calls, and waits for the synchronous ones. A request is packed here, encoded
 * (encode.c), sent when the link is up (send.c), and its reply is delivered (receive.c,
 * outcome.c). */
#include "c/call.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/utf8.h"
#include "c/client.h"
#include "c/encode.h"
#include "c/json/unpack.h"
#include "c/method.h"

#include <stdlib.h>
#include <string.h>

#define PATH_SIZE      384
#define REQUEST_ID_MAX 128
/* of a message: docs/protocol.md, section 8 */
#define PAYLOAD_MAX    ((64ULL << 20) - 2 * SW_HEADER_MAX)
#define CANCEL_WAIT_US 1000000  /* for the reply to a cancelled call */
#define TIMEOUT_MAX_MS 86400000 /* the broker's bound */

/* --- Checks --- */

static sw_code check_request_id(const char *id, sw_error *error)
{
    size_t length = strlen(id);
    bool good = length >= 1 && length <= REQUEST_ID_MAX;
    for (size_t i = 0; good && i < length; i++)
        good = id[i] >= 0x20 && id[i] <= 0x7e;
    return good ? SW_OK
                : sw_fail_field(error, SW_INVALID_ARGUMENT, "request_id",
                                "request_id must have 1 to %d printable ASCII characters", REQUEST_ID_MAX);
}

static sw_code take_metadata(const sw_call_options *options, sw_call_header *header, sw_error *error)
{
    if (options->metadata_count > SW_METADATA_MAX)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "metadata", "%zu entries of metadata; at most %d",
                             options->metadata_count, SW_METADATA_MAX);
    header->metadata_count = options->metadata_count;
    for (size_t i = 0; i < options->metadata_count; i++) {
        sw_pair *pair = &header->metadata[i];
        *pair = (sw_pair){sw_view_of(options->metadata[i].key), sw_view_of(options->metadata[i].value)};
        if (pair->key.size == 0 || !sw_utf8_valid(pair->key.data, pair->key.size) ||
            (pair->value.size > 0 && !sw_utf8_valid(pair->value.data, pair->value.size)))
            return sw_fail_field(error, SW_INVALID_ARGUMENT, "metadata",
                                 "metadata entry %zu must have a key, and key and value in UTF-8", i);
    }
    return SW_OK;
}

/* --- Starting --- */

/* Packs the request: a large one into a frame of its own, a small one into the scratch buffer. */
static sw_code pack(sw_client *client, const sw_call_spec *spec, sw_pending_call *call, sw_view *payload,
                    sw_error *error)
{
    size_t size =
        spec->request != NULL ? protobuf_c_message_get_packed_size(spec->request) : spec->payload.size;
    if (size > PAYLOAD_MAX)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED,
                       "the request has %zu bytes; at most %llu fit into a message", size, PAYLOAD_MAX);
    *payload = (sw_view){0};
    if (size > SW_COMPACT_INLINE) {
        zmq_msg_close(&call->payload);
        call->has_payload = zmq_msg_init_size(&call->payload, size) == 0;
        if (!call->has_payload) {
            zmq_msg_init(&call->payload);
            return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
        }
        if (spec->request != NULL)
            protobuf_c_message_pack(spec->request, zmq_msg_data(&call->payload));
        else
            memcpy(zmq_msg_data(&call->payload), spec->payload.data, size);
        return SW_OK;
    }
    if (spec->request == NULL) {
        *payload = spec->payload;
        return SW_OK;
    }
    protobuf_c_message_pack(spec->request, client->scratch);
    *payload = (sw_view){(const char *)client->scratch, size};
    return SW_OK;
}

static sw_code prepare(sw_client *client, const sw_call_spec *spec, const sw_call_options *options,
                       sw_pending_call *call, sw_error *error)
{
    char path[PATH_SIZE], uuid[SW_UUID_SIZE];
    const sw_method_row *known;
    sw_call_header header;
    sw_code code = sw_method_resolve(spec->method, path, sizeof(path), &known, error);
    if (code == SW_OK && options->request_id != NULL)
        code = check_request_id(options->request_id, error);
    if (code == SW_OK)
        code = take_metadata(options, &header, error);
    sw_view payload;
    if (code == SW_OK)
        code = pack(client, spec, call, &payload, error);
    if (code != SW_OK)
        return code;

    int64_t timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : client->options.timeout_ms;
    call->started_us = sw_now_us();
    call->deadline_us = call->started_us + (timeout_ms < TIMEOUT_MAX_MS ? timeout_ms : TIMEOUT_MAX_MS) * 1000;
    if (call->deadline_us > client->until_us)
        call->deadline_us = client->until_us > call->started_us ? client->until_us : call->started_us;
    call->credit = options->credit;
    call->streams = options->credit > 0;
    call->failures_max = options->no_retry ? 0 : client->options.retries;
    call->fn = spec->fn;
    call->context = spec->context;
    bool read_only = spec->read_only || (known != NULL && known->read_only);
    call->harmless = read_only || options->request_id != NULL;
    header.request_id = sw_view_of(options->request_id);
    if (options->request_id == NULL && !read_only) {
        sw_random_uuid(&client->random, uuid);
        header.request_id = (sw_view){uuid, sizeof(uuid) - 1};
    }
    header.method = sw_view_of(path);
    header.destination = sw_view_of(options->destination);
    header.call_id = sw_pending_tag(call);
    header.credit = options->credit;
    header.elsewhere = client->link.endpoints.count > 1;
    header.time_left_ms = sw_pending_time_left_ms(call, call->started_us);
    return sw_pending_encode(call, &header, payload, error);
}

sw_code sw_client_launch(sw_client *client, const sw_call_spec *spec, uint64_t *call_id, sw_error *error)
{
    sw_call_options options = {0};
    if (spec->options != NULL) {
        if (spec->options->size == 0)
            return sw_fail(error, SW_INVALID_ARGUMENT, "the size of sw_call_options is not set");
        size_t size = spec->options->size < sizeof(options) ? spec->options->size : sizeof(options);
        memcpy(&options, spec->options, size);
    }
    if (client->closing)
        return sw_fail(error, SW_FAILED_PRECONDITION, "the client is being closed");
    if (!client->busy && client->calls.count == 0)
        sw_link_resume(&client->link, sw_now_us());
    if (client->calls.count >= client->options.in_flight_max)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED,
                       "%zu calls are in flight, the most that in_flight_max allows; let some end first",
                       client->calls.count);
    sw_pending_call *call = sw_pending_take(&client->calls);
    if (call == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    sw_code code = prepare(client, spec, &options, call, error);
    if (code != SW_OK) {
        sw_pending_release(&client->calls, call);
        return code;
    }
    if ((call->json = spec->json) != NULL)
        client->calls.json_count++;
    if (call_id != NULL)
        *call_id = sw_pending_id(call);
    sw_pending_schedule(&client->calls, call, call->deadline_us);
    sw_pending_move(&client->calls, call, SW_PENDING_WAITING);
    if (!client->busy) /* in a callback: it leaves with others at the end of the round */
        sw_sender_flush(&client->sender, call->started_us);
    return SW_OK;
}

sw_code sw_client_start(sw_client *client, const char *method, const ProtobufCMessage *request,
                        const sw_call_options *options, sw_reply_fn *fn, void *context, uint64_t *call_id,
                        sw_error *error)
{
    sw_call_spec spec = {
        .method = method, .request = request, .options = options, .fn = fn, .context = context};
    return sw_client_launch(client, &spec, call_id, error);
}

sw_code sw_client_start_bytes(sw_client *client, const char *method, const void *payload, size_t size,
                              const sw_call_options *options, sw_reply_fn *fn, void *context,
                              uint64_t *call_id, sw_error *error)
{
    sw_call_spec spec = {
        .method = method, .payload = {payload, size}, .options = options, .fn = fn, .context = context};
    return sw_client_launch(client, &spec, call_id, error);
}

void sw_client_cancel(sw_client *client, uint64_t call_id)
{
    sw_pending_call *call = sw_pending_find(&client->calls, call_id);
    if (call == NULL || call->cancelled)
        return;
    call->cancelled = true;
    int64_t due = sw_now_us(); /* callbacks run in sw_client_process only */
    if (call->state == SW_PENDING_SENT) {
        sw_sender_cancel(&client->sender, call);
        due += CANCEL_WAIT_US;
    }
    sw_pending_schedule(&client->calls, call, due < call->deadline_us ? due : call->deadline_us);
}

static void ignore(const sw_reply *reply, void *context)
{
    (void)reply;
    (void)context;
}

void sw_client_forget(sw_client *client, uint64_t call_id)
{
    sw_pending_call *call = sw_pending_find(&client->calls, call_id);
    if (call == NULL)
        return;
    call->fn = ignore;
    sw_client_cancel(client, call_id);
}

void sw_client_credit(sw_client *client, uint64_t call_id, uint32_t messages)
{
    sw_pending_call *call = sw_pending_find(&client->calls, call_id);
    if (call == NULL || !call->streams || messages == 0)
        return;
    call->credit = messages > UINT32_MAX - call->credit ? UINT32_MAX : call->credit + messages;
    call->credited = true;
    if (call->state == SW_PENDING_SENT)
        sw_sender_credit(&client->sender, call, messages);
}

/* --- Waiting --- */

typedef struct waiting {
    sw_client *client;
    bool done;
    sw_code code;
    sw_take_fn *take;
    void *context;
    sw_error *error;
} waiting;

/* Keeps the reply for sw_client_last, without its payload. */
static void keep(sw_client *client, const sw_reply *reply)
{
    sw_last_reply *last = &client->last;
    free(last->text);
    *last = (sw_last_reply){.reply = *reply, .error = reply->error != NULL ? *reply->error : (sw_error){0}};
    last->reply.error = reply->error != NULL ? &last->error : NULL;
    last->reply.payload = "";
    last->reply.payload_size = 0;
    last->reply.trailers = NULL;
    last->reply.trailer_count = 0;
    if (reply->trailer_count == 0)
        return;
    /* The trailers' texts lie in one block, from the first key to the end of the last value. */
    const char *begin = reply->trailers[0].key;
    const char *end = strchr(reply->trailers[reply->trailer_count - 1].value, '\0') + 1;
    size_t table = reply->trailer_count * sizeof(sw_metadata), size = (size_t)(end - begin);
    if ((last->text = malloc(table + size)) == NULL)
        return;
    sw_metadata *trailers = (sw_metadata *)(void *)last->text;
    char *text = memcpy(last->text + table, begin, size);
    for (size_t i = 0; i < reply->trailer_count; i++)
        trailers[i] =
            (sw_metadata){text + (reply->trailers[i].key - begin), text + (reply->trailers[i].value - begin)};
    last->reply.trailers = trailers;
    last->reply.trailer_count = reply->trailer_count;
}

static void finish(const sw_reply *reply, void *context)
{
    waiting *wait = context;
    wait->done = true;
    wait->code = reply->code;
    if (reply->code != SW_OK && wait->error != NULL)
        *wait->error = *reply->error;
    if (reply->code == SW_OK && wait->take != NULL)
        wait->code = wait->take(reply, wait->context, wait->error);
    keep(wait->client, reply);
}

sw_code sw_client_wait(sw_client *client, const sw_call_spec *spec, sw_take_fn *take, void *context,
                       sw_error *error)
{
    if (client->busy)
        return sw_fail(error, SW_FAILED_PRECONDITION,
                       "a synchronous call cannot be made from a callback; start an asynchronous one");
    if (spec->options != NULL && spec->options->size > offsetof(sw_call_options, credit) &&
        spec->options->credit > 0)
        return sw_fail(error, SW_INVALID_ARGUMENT, "a stream (credit > 0) needs an asynchronous call");
    waiting wait = {.client = client, .take = take, .context = context, .error = error};
    sw_call_spec mine = *spec;
    mine.fn = finish;
    mine.context = &wait;
    sw_code code = sw_client_launch(client, &mine, NULL, error);
    if (code != SW_OK)
        return code;
    while (!wait.done)
        sw_client_process(client, -1);
    return wait.code;
}

typedef struct target {
    const ProtobufCMessageDescriptor *type;
    ProtobufCMessage **message;
} target;

static sw_code take_message(const sw_reply *reply, void *context, sw_error *error)
{
    const target *to = context;
    return sw_unpack(to->type, (sw_view){reply->payload, reply->payload_size}, NULL, to->message, error);
}

sw_code sw_client_call(sw_client *client, const char *method, const ProtobufCMessage *request,
                       const ProtobufCMessageDescriptor *reply_type, ProtobufCMessage **reply,
                       const sw_call_options *options, sw_error *error)
{
    sw_call_spec spec = {.method = method, .request = request, .options = options};
    target to = {reply_type, reply};
    if (reply != NULL)
        *reply = NULL;
    return sw_client_wait(client, &spec, reply != NULL ? take_message : NULL, &to, error);
}

const sw_reply *sw_client_last(const sw_client *client)
{
    return &client->last.reply;
}
