/* Calls by method name with JSON. They need a schema, which is fetched from the broker's
 * Reflection and from that of every service it knows. Used by the command line and by programs
 * without generated code. */
#include "c/json_call.h"
#include "base/clock.h"
#include "base/error.h"
#include "c/call.h"
#include "c/client.h"
#include "c/json/json.h"
#include <sitewire/rpc/v1/rpc.pb-c.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GET_SCHEMA  "/sitewire.rpc.v1.Reflection/GetSchema"
#define RPC_PACKAGE "sitewire.rpc.v1."
#define PROBE_MS    5000 /* for the schema of one service */
#define SCHEMA_MAX  (16U << 20)

/* --- The schema --- */

typedef struct collection {
    uint8_t *bytes; /* FileDescriptorSets in a row, which is their union */
    size_t size;
    sw_error gap; /* why one is missing; code OK: none is */
} collection;

static sw_code add_schema(collection *all, const Sw__GetSchemaResponse *reply, sw_error *error)
{
    const ProtobufCBinaryData *set = &reply->file_descriptor_set;
    uint8_t *bytes =
        set->len <= SCHEMA_MAX - all->size ? realloc(all->bytes, all->size + set->len + 1) : NULL;
    if (bytes == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "the schema is too large");
    all->bytes = bytes;
    if (set->len > 0)
        memcpy(bytes + all->size, set->data, set->len);
    all->size += set->len;
    return SW_OK;
}

static sw_code ask_schema(sw_client *client, const sw_call_options *options, Sw__GetSchemaResponse **reply,
                          sw_error *error)
{
    const Sw__GetSchemaRequest request = SW__GET_SCHEMA_REQUEST__INIT;
    return sw_client_call(client, GET_SCHEMA, &request.base, &sw__get_schema_response__descriptor,
                          (ProtobufCMessage **)reply, options, error);
}

static int64_t probe_ms(const sw_client *client)
{
    return client->options.timeout_ms < PROBE_MS ? client->options.timeout_ms : PROBE_MS;
}

/* Asks one service after the other: there are few. A service that does not answer leaves a gap,
 * which is reported when a method is not found. */
static void collect_services(sw_client *client, const Sw__GetSchemaResponse *broker, collection *all)
{
    for (size_t i = 0; i < broker->n_services; i++) {
        const char *service = broker->services[i];
        if (strncmp(service, RPC_PACKAGE, strlen(RPC_PACKAGE)) == 0)
            continue;
        sw_call_options options = {
            .size = sizeof(options), .timeout_ms = probe_ms(client), .destination = service};
        Sw__GetSchemaResponse *reply = NULL;
        sw_error error;
        if (ask_schema(client, &options, &reply, &error) != SW_OK || add_schema(all, reply, &error) != SW_OK)
            all->gap = error;
        if (reply != NULL)
            protobuf_c_message_free_unpacked(&reply->base, NULL);
    }
}

/* A broker without all of our services has just started, or is cut off from them. */
static bool names_our_services(const Sw__GetSchemaResponse *broker)
{
    static const char *const ours[] = {"sitewire.referential.v1.Referential", "sitewire.user.v1.Users",
                                       "sitewire.deployment.v1.Deployments"};
    size_t found = 0;
    for (size_t i = 0; i < broker->n_services; i++)
        for (size_t k = 0; k < sizeof(ours) / sizeof(ours[0]); k++)
            found += strcmp(broker->services[i], ours[k]) == 0;
    return found == sizeof(ours) / sizeof(ours[0]);
}

/* Asks the brokers of the list in turn for one that has all of our services; otherwise the last one
 * counts. */
static sw_code ask_brokers(sw_client *client, Sw__GetSchemaResponse **broker, sw_error *error)
{
    sw_code code = ask_schema(client, NULL, broker, error);
    for (size_t i = 1; i < client->link.endpoints.count && code == SW_OK && !names_our_services(*broker) &&
                       sw_mover_leave(&client->mover, sw_now_us());
         i++) {
        protobuf_c_message_free_unpacked(&(*broker)->base, NULL);
        *broker = NULL;
        code = ask_schema(client, NULL, broker, error);
    }
    return code;
}

/* The broker's Reflection names all services, also to callers without any access right. */
static sw_code fetch_schema(sw_client *client, sw_error *error)
{
    collection all = {0};
    Sw__GetSchemaResponse *broker = NULL;
    sw_schema *schema = NULL;
    sw_code code = ask_brokers(client, &broker, error);
    if (code == SW_OK)
        code = add_schema(&all, broker, error);
    if (code == SW_OK)
        collect_services(client, broker, &all);
    if (code == SW_OK)
        code = sw_schema_new(all.bytes, all.size, &schema, error);
    if (code == SW_OK && !sw_schema_cache_replace(&client->schemas, schema, client->calls.json_count > 0)) {
        sw_schema_destroy(&schema);
        code = sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    }
    if (code == SW_OK)
        client->schemas.gap = all.gap;
    if (broker != NULL)
        protobuf_c_message_free_unpacked(&broker->base, NULL);
    free(all.bytes);
    return code;
}

sw_code sw_client_schema(sw_client *client, bool refresh, const sw_schema **schema, sw_error *error)
{
    sw_code code = SW_OK;
    if (client->schemas.schema == NULL || refresh)
        code = fetch_schema(client, error);
    *schema = client->schemas.schema;
    return code;
}

/* --- Calls --- */

/* A missing method may belong to a service that was started since, so the schema is fetched once
 * more. */
static sw_code find_method(sw_client *client, const char *name, const sw_schema_method **method,
                           sw_error *error)
{
    const sw_schema *schema;
    bool had = client->schemas.schema != NULL;
    if (name == NULL)
        return sw_fail(error, SW_INVALID_ARGUMENT, "no method is given");
    if (!had && client->busy)
        return sw_fail(error, SW_FAILED_PRECONDITION,
                       "the first JSON call cannot be started from a callback: it fetches the schema");
    sw_code code = sw_client_schema(client, false, &schema, error);
    *method = code == SW_OK ? sw_schema_find_method(schema, name) : NULL;
    if (code == SW_OK && *method == NULL && had && !client->busy) {
        code = sw_client_schema(client, true, &schema, error);
        *method = code == SW_OK ? sw_schema_find_method(schema, name) : NULL;
    }
    if (code != SW_OK || *method != NULL)
        return code;
    if (client->schemas.gap.code != SW_OK) {
        if (error != NULL)
            *error = client->schemas.gap;
        return client->schemas.gap.code;
    }
    return sw_fail(error, SW_UNIMPLEMENTED, "no method '%.128s', or several; see `sitewire describe`", name);
}

/* Fills in the call; its payload is malloc'ed for the caller. */
static sw_code make_spec(sw_client *client, const char *name, const char *json, sw_call_spec *spec,
                         sw_error *error)
{
    const sw_schema_method *method;
    ProtobufCMessage *message;
    sw_code code = find_method(client, name, &method, error);
    if (code == SW_OK)
        code = sw_json_parse(method->request, json, strlen(json), NULL, &message, error);
    if (code != SW_OK)
        return code;
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *payload = malloc(size + 1);
    if (payload != NULL)
        protobuf_c_message_pack(message, payload);
    protobuf_c_message_free_unpacked(message, NULL);
    if (payload == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    spec->method = method->path;
    spec->payload = (sw_view){(const char *)payload, size};
    spec->json = method->reply;
    spec->read_only = method->read_only;
    return SW_OK;
}

sw_code sw_client_start_json(sw_client *client, const char *method, const char *json,
                             const sw_call_options *options, sw_reply_fn *fn, void *context,
                             uint64_t *call_id, sw_error *error)
{
    sw_call_spec spec = {.options = options, .fn = fn, .context = context};
    sw_code code = make_spec(client, method, json, &spec, error);
    if (code == SW_OK)
        code = sw_client_launch(client, &spec, call_id, error);
    free((char *)(uintptr_t)spec.payload.data);
    return code;
}

static sw_code take_text(const sw_reply *reply, void *context, sw_error *error)
{
    char **text = context;
    *text = strdup(reply->payload);
    return *text != NULL ? SW_OK : sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
}

sw_code sw_client_call_json(sw_client *client, const char *method, const char *request, char **json,
                            const sw_call_options *options, sw_error *error)
{
    sw_call_spec spec = {.options = options};
    if (json != NULL)
        *json = NULL;
    sw_code code = client->busy ? sw_fail(error, SW_FAILED_PRECONDITION,
                                          "a synchronous call cannot be made from a callback")
                                : make_spec(client, method, request, &spec, error);
    if (code == SW_OK)
        code = sw_client_wait(client, &spec, json != NULL ? take_text : NULL, json, error);
    free((char *)(uintptr_t)spec.payload.data);
    return code;
}
