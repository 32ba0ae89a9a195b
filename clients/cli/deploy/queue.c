/* The place in the queue: see queue.h. */
#include "cli/deploy/queue.h"
#include "base/clock.h"
#include <stdio.h>

#define EVERY_US 2000000

static void on_plan(const sw_reply *reply, void *context)
{
    sw_place *place = context;
    place->asking = false;
    json_t *plan = reply->code == SW_OK ? json_loadb(reply->payload, reply->payload_size, 0, NULL) : NULL;
    if (plan == NULL) /* it is asked again */
        return;
    json_decref(place->behind);
    place->behind = json_incref(json_object_get(plan, "behind"));
    json_decref(plan);
}

void sw_place_look(sw_place *place)
{
    char request[48];
    const sw_call_options options = {.size = sizeof(options), .no_retry = true};
    int64_t now_us = sw_now_us();
    if (place->due_us == 0) /* it was told a moment ago */
        place->due_us = now_us + EVERY_US;
    if (place->asking || now_us < place->due_us || place->cli->client == NULL)
        return;
    place->due_us = now_us + EVERY_US;
    snprintf(request, sizeof(request), "{\"id\":%lld}", (long long)place->id);
    place->asking = sw_client_start_json(place->cli->client, "Deployments/GetDeploymentPlan", request,
                                         &options, on_plan, place, NULL, NULL) == SW_OK;
}

void sw_place_close(sw_place *place)
{
    if (place->asking) /* its callback must not come later */
        sw_client_close(&place->cli->client);
    json_decref(place->behind);
    place->behind = NULL;
}
