/* Calls, and the pauses between their tries, see service_call.h. */
#include "runner/service_call.h"

#include "base/clock.h"
#include "c/call.h"
#include "c/json/unpack.h"
#include "runner/lease_clock.h"
#include <sitewire/deployment/v1/deployment.pb-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define TRY_MS       10000 /* timeout of one try; the client itself repeats within it */
#define PAUSE_MS     100   /* before the next try; it doubles with each failure */
#define PAUSE_MAX_MS 2000

#define METHOD(name, reply)                                                                                  \
    {                                                                                                        \
        "/sitewire.deployment.v1.Deployments/" name, &(reply)                                                \
    }
const sw_service_method sw_method_claim = METHOD("ClaimDeployment", sw__claim__descriptor),
                        sw_method_renew_lease = METHOD("RenewLease", sw__lease__descriptor),
                        sw_method_start_command =
                            METHOD("StartCommand", sw__deployment_command_result__descriptor),
                        sw_method_finish_command =
                            METHOD("FinishCommand", sw__deployment_command_result__descriptor),
                        sw_method_append_log = METHOD("AppendLog", sw__log_end__descriptor),
                        sw_method_finish_deployment = METHOD("FinishDeployment", sw__deployment__descriptor);

/* A full queue empties; a limit that a field of the request is over does not pass. */
static bool may_pass(const sw_reply *reply)
{
    return reply->code == SW_UNAVAILABLE || reply->code == SW_DEADLINE_EXCEEDED ||
           (reply->code == SW_RESOURCE_EXHAUSTED && (reply->error == NULL || *reply->error->field == '\0'));
}

static void try_again_later(sw_service_call *call)
{
    int64_t pause = call->failures < 5 ? (int64_t)PAUSE_MS << call->failures : PAUSE_MAX_MS;
    call->failures++;
    sw_timer_start(call->pause, sw_now_ms() + pause);
}

static void on_reply(const sw_reply *reply, void *context)
{
    sw_service_call *call = context;
    call->call_id = 0;
    if (may_pass(reply)) {
        try_again_later(call);
        return;
    }
    sw_error error = {0};
    if (reply->error != NULL)
        error = *reply->error;
    ProtobufCMessage *message = NULL;
    /* A reply that memory was too short for is asked for again: the service keeps it. */
    if (reply->code == SW_OK && sw_unpack(call->method->reply, (sw_view){reply->payload, reply->payload_size},
                                          NULL, &message, &error) == SW_RESOURCE_EXHAUSTED) {
        try_again_later(call);
        return;
    }
    call->active = false;
    free(call->payload);
    call->payload = NULL;
    call->fn(&message, &error, call->context);
    if (message != NULL)
        protobuf_c_message_free_unpacked(message, NULL);
}

static void try_call(void *context)
{
    sw_service_call *call = context;
    const sw_call_options options = {
        .size = sizeof(options), .timeout_ms = TRY_MS, .request_id = call->request_id};
    call->sent_ms = sw_lease_now_ms();
    if (sw_client_start_bytes(call->client, call->method->path, call->payload, call->size, &options, on_reply,
                              call, &call->call_id, NULL) != SW_OK)
        try_again_later(call);
}

sw_code sw_service_call_init(sw_service_call *call, sw_loop *loop, sw_client *client, void *context)
{
    *call = (sw_service_call){.client = client, .context = context};
    call->pause = sw_loop_timer(loop, try_call, call);
    return call->pause == NULL ? SW_RESOURCE_EXHAUSTED : SW_OK;
}

void sw_service_call_clear(sw_service_call *call)
{
    sw_service_call_cancel(call);
    sw_timer_destroy(&call->pause);
}

sw_code sw_service_call_start_packed(sw_service_call *call, const sw_service_method *method, uint8_t *payload,
                                     size_t size, sw_service_call_fn *fn)
{
    uint8_t id[16];
    if (payload == NULL)
        return SW_RESOURCE_EXHAUSTED;
    sw_service_call_cancel(call);
    call->method = method;
    call->fn = fn;
    call->payload = payload;
    call->size = size;
    call->active = true;
    call->failures = 0;
    call->started_ms = sw_lease_now_ms();
    if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id)) /* never happens for so few bytes */
        memset(id, 0, sizeof(id));
    for (size_t i = 0; i < sizeof(id); i++)
        snprintf(call->request_id + 2 * i, 3, "%02x", id[i]);
    try_call(call);
    return SW_OK;
}

sw_code sw_service_call_start(sw_service_call *call, const sw_service_method *method,
                              const ProtobufCMessage *request, sw_service_call_fn *fn)
{
    size_t size = protobuf_c_message_get_packed_size(request);
    uint8_t *payload = malloc(size + 1);
    if (payload != NULL)
        protobuf_c_message_pack(request, payload);
    return sw_service_call_start_packed(call, method, payload, size, fn);
}

void sw_service_call_cancel(sw_service_call *call)
{
    call->active = false;
    if (call->pause != NULL)
        sw_timer_stop(call->pause);
    if (call->call_id != 0)
        sw_client_forget(call->client, call->call_id);
    call->call_id = 0;
    free(call->payload);
    call->payload = NULL;
}
