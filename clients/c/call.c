/* Starting calls, and the synchronous form of waiting for one. The way of a request from here: packed,
 * encoded (send.c), sent when the link is up, and delivered by outcome.c. */
#include "base/utf8.h"
#include "c/core.h"

#include <stdlib.h>
#include <string.h>

#define PATH_SIZE      384
#define REQUEST_ID_MAX 128
#define PAYLOAD_MAX    ((64ULL << 20) - 2 * SW_HEADER_MAX) /* of a message: docs/protocol.md, section 8 */
#define CANCEL_WAIT_US 1000000                             /* for the reply to a cancelled call */
#define TIMEOUT_MAX_MS 86400000                            /* the broker's bound */

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

/* The request's bytes: in a frame of their own, or in the scratch buffer from where they are encoded. */
static sw_code pack(sw_client *client, const sw_call_spec *spec, sw_flight *flight, sw_view *payload,
                    sw_error *error)
{
    size_t size =
        spec->request != NULL ? protobuf_c_message_get_packed_size(spec->request) : spec->payload.size;
    if (size > PAYLOAD_MAX)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED,
                       "the request has %zu bytes; at most %llu fit into a message", size, PAYLOAD_MAX);
    *payload = (sw_view){0};
    if (size > SW_COMPACT_INLINE) {
        zmq_msg_close(&flight->payload);
        flight->has_payload = zmq_msg_init_size(&flight->payload, size) == 0;
        if (!flight->has_payload) {
            zmq_msg_init(&flight->payload);
            return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
        }
        if (spec->request != NULL)
            protobuf_c_message_pack(spec->request, zmq_msg_data(&flight->payload));
        else
            memcpy(zmq_msg_data(&flight->payload), spec->payload.data, size);
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
                       sw_flight *flight, sw_error *error)
{
    char path[PATH_SIZE], uuid[37];
    const sw_method_row *known;
    sw_call_header header;
    sw_code code = sw_method_resolve(spec->method, path, sizeof(path), &known, error);
    if (code == SW_OK && options->request_id != NULL)
        code = check_request_id(options->request_id, error);
    if (code == SW_OK)
        code = take_metadata(options, &header, error);
    sw_view payload;
    if (code == SW_OK)
        code = pack(client, spec, flight, &payload, error);
    if (code != SW_OK)
        return code;

    int64_t timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : client->options.timeout_ms;
    flight->started_us = sw_now_us();
    flight->deadline_us =
        flight->started_us + (timeout_ms < TIMEOUT_MAX_MS ? timeout_ms : TIMEOUT_MAX_MS) * 1000;
    flight->credit = options->credit;
    flight->streams = options->credit > 0;
    flight->failures_max = options->no_retry ? 0 : client->options.retries;
    flight->fn = spec->fn;
    flight->context = spec->context;
    bool read_only = spec->read_only || (known != NULL && known->read_only);
    flight->harmless = read_only || options->request_id != NULL;
    header.request_id = sw_view_of(options->request_id);
    if (options->request_id == NULL && !read_only) {
        sw_client_uuid(client, uuid);
        header.request_id = (sw_view){uuid, sizeof(uuid) - 1};
    }
    header.method = sw_view_of(path);
    header.destination = sw_view_of(options->destination);
    header.call_id = sw_flight_tag(flight);
    header.credit = options->credit;
    header.time_left_ms = sw_flight_time_left_ms(flight, flight->started_us);
    return sw_flight_encode(flight, &header, payload, error);
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
    if (!client->busy && client->in_flight == 0)
        sw_link_resume(client, sw_now_us());
    sw_flight *flight = client->in_flight < client->options.in_flight_max ? sw_flight_take(client) : NULL;
    if (flight == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED,
                       "%zu calls are in flight, the most that in_flight_max allows; let some end first",
                       client->in_flight);
    sw_code code = prepare(client, spec, &options, flight, error);
    if (code != SW_OK) {
        sw_flight_release(client, flight);
        return code;
    }
    if ((flight->json = spec->json) != NULL)
        client->json_in_flight++;
    if (call_id != NULL)
        *call_id = sw_flight_id(flight);
    sw_flight_schedule(client, flight, flight->deadline_us);
    sw_flight_move(client, flight, SW_FLIGHT_WAITING);
    if (!client->busy) /* started by a callback, it leaves with others at the end of the round */
        sw_client_flush(client, flight->started_us);
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
    sw_flight *flight = sw_flight_of_id(client, call_id);
    if (flight == NULL || flight->cancelled)
        return;
    flight->cancelled = true;
    int64_t due = sw_now_us(); /* the callback comes from sw_client_process, never from here */
    if (flight->state == SW_FLIGHT_SENT) {
        sw_flight_send_cancel(client, flight);
        due += CANCEL_WAIT_US;
    }
    sw_flight_schedule(client, flight, due < flight->deadline_us ? due : flight->deadline_us);
}

static void ignore(const sw_reply *reply, void *context)
{
    (void)reply;
    (void)context;
}

void sw_client_forget(sw_client *client, uint64_t call_id)
{
    sw_flight *flight = sw_flight_of_id(client, call_id);
    if (flight == NULL)
        return;
    flight->fn = ignore;
    sw_client_cancel(client, call_id);
}

void sw_client_credit(sw_client *client, uint64_t call_id, uint32_t messages)
{
    sw_flight *flight = sw_flight_of_id(client, call_id);
    if (flight == NULL || !flight->streams || messages == 0)
        return;
    flight->credit = messages > UINT32_MAX - flight->credit ? UINT32_MAX : flight->credit + messages;
    flight->credited = true;
    if (flight->state == SW_FLIGHT_SENT)
        sw_flight_send_credit(client, flight, messages);
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

/* Keeps what sw_client_last tells: all but the payload. */
static void keep(sw_client *client, const sw_reply *reply)
{
    sw_last *last = &client->last;
    free(last->text);
    *last = (sw_last){.reply = *reply, .error = reply->error != NULL ? *reply->error : (sw_error){0}};
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
