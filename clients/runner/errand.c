/* Calls and pauses between them (errand.h). */
#include "runner/errand.h"

#include "base/clock.h"
#include "c/call.h"
#include "c/json/unpack.h"
#include <sitewire/deployment/v1/deployment.pb-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define TRY_MS       10000 /* of one call; the client tries again within it */
#define PAUSE_MS     100   /* before the next call, doubling */
#define PAUSE_MAX_MS 2000

#define METHOD(name, reply)                                                                                  \
    {                                                                                                        \
        "/sitewire.deployment.v1.Deployments/" name, &(reply)                                                \
    }
const sw_errand_method sw_errand_claim = METHOD("ClaimDeployment", sw__claim__descriptor),
                       sw_errand_renew = METHOD("RenewLease", sw__lease__descriptor),
                       sw_errand_start_command =
                           METHOD("StartCommand", sw__deployment_command_result__descriptor),
                       sw_errand_finish_command =
                           METHOD("FinishCommand", sw__deployment_command_result__descriptor),
                       sw_errand_append = METHOD("AppendLog", sw__log_end__descriptor),
                       sw_errand_finish = METHOD("FinishDeployment", sw__deployment__descriptor);

int64_t sw_lease_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool passes(sw_code code)
{
    return code == SW_UNAVAILABLE || code == SW_DEADLINE_EXCEEDED || code == SW_RESOURCE_EXHAUSTED;
}

static void try_again_later(sw_errand *errand)
{
    int64_t pause = errand->failures < 5 ? (int64_t)PAUSE_MS << errand->failures : PAUSE_MAX_MS;
    errand->failures++;
    sw_timer_start(errand->pause, sw_now_ms() + pause);
}

static void on_reply(const sw_reply *reply, void *context)
{
    sw_errand *errand = context;
    errand->call = 0;
    if (passes(reply->code)) {
        try_again_later(errand);
        return;
    }
    errand->active = false;
    free(errand->payload);
    errand->payload = NULL;
    sw_error error = {0};
    if (reply->error != NULL)
        error = *reply->error;
    ProtobufCMessage *message = NULL;
    if (reply->code == SW_OK)
        sw_unpack(errand->method->reply, (sw_view){reply->payload, reply->payload_size}, NULL, &message,
                  &error);
    errand->fn(&message, &error, errand->context);
    if (message != NULL)
        protobuf_c_message_free_unpacked(message, NULL);
}

static void make_call(void *context)
{
    sw_errand *errand = context;
    const sw_call_options options = {
        .size = sizeof(options), .timeout_ms = TRY_MS, .request_id = errand->request_id};
    errand->sent_ms = sw_lease_now_ms();
    if (sw_client_start_bytes(errand->client, errand->method->path, errand->payload, errand->size, &options,
                              on_reply, errand, &errand->call, NULL) != SW_OK)
        try_again_later(errand);
}

sw_code sw_errand_init(sw_errand *errand, sw_loop *loop, sw_client *client, void *context)
{
    *errand = (sw_errand){.client = client, .context = context};
    errand->pause = sw_loop_timer(loop, make_call, errand);
    return errand->pause == NULL ? SW_RESOURCE_EXHAUSTED : SW_OK;
}

void sw_errand_clear(sw_errand *errand)
{
    sw_errand_cancel(errand);
    sw_timer_destroy(&errand->pause);
}

sw_code sw_errand_start_packed(sw_errand *errand, const sw_errand_method *method, uint8_t *payload,
                               size_t size, sw_errand_fn *fn)
{
    uint8_t id[16];
    if (payload == NULL)
        return SW_RESOURCE_EXHAUSTED;
    sw_errand_cancel(errand);
    errand->method = method;
    errand->fn = fn;
    errand->payload = payload;
    errand->size = size;
    errand->active = true;
    errand->failures = 0;
    errand->began_ms = sw_lease_now_ms();
    if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id)) /* never, for so few */
        memset(id, 0, sizeof(id));
    for (size_t i = 0; i < sizeof(id); i++)
        snprintf(errand->request_id + 2 * i, 3, "%02x", id[i]);
    make_call(errand);
    return SW_OK;
}

sw_code sw_errand_start(sw_errand *errand, const sw_errand_method *method, const ProtobufCMessage *request,
                        sw_errand_fn *fn)
{
    size_t size = protobuf_c_message_get_packed_size(request);
    uint8_t *payload = malloc(size + 1);
    if (payload != NULL)
        protobuf_c_message_pack(request, payload);
    return sw_errand_start_packed(errand, method, payload, size, fn);
}

void sw_errand_cancel(sw_errand *errand)
{
    errand->active = false;
    if (errand->pause != NULL)
        sw_timer_stop(errand->pause);
    if (errand->call != 0)
        sw_client_forget(errand->client, errand->call);
    errand->call = 0;
    free(errand->payload);
    errand->payload = NULL;
}
