/* The position in the queue: see queue.h. */
#include "cli/deploy/queue.h"
#include "base/clock.h"
#include <stdio.h>

#define EVERY_US 2000000

static void on_plan(const sw_reply *reply, void *context)
{
    sw_queue_position *position = context;
    position->asking = false;
    json_t *plan = reply->code == SW_OK ? json_loadb(reply->payload, reply->payload_size, 0, NULL) : NULL;
    if (plan == NULL) /* the next refresh tries again */
        return;
    json_decref(position->behind);
    position->behind = json_incref(json_object_get(plan, "behind"));
    json_decref(plan);
}

void sw_queue_position_refresh(sw_queue_position *position)
{
    char request[48];
    const sw_call_options options = {.size = sizeof(options), .no_retry = true};
    int64_t now_us = sw_now_us();
    if (position->due_us == 0) /* the plan was read a moment ago */
        position->due_us = now_us + EVERY_US;
    if (position->asking || now_us < position->due_us || position->cli->client == NULL)
        return;
    position->due_us = now_us + EVERY_US;
    snprintf(request, sizeof(request), "{\"id\":%lld}", (long long)position->id);
    position->asking = sw_client_start_json(position->cli->client, "Deployments/GetDeploymentPlan", request,
                                            &options, on_plan, position, NULL, NULL) == SW_OK;
}

void sw_queue_position_close(sw_queue_position *position)
{
    if (position->asking) /* its callback must not be called any more */
        sw_client_close(&position->cli->client);
    json_decref(position->behind);
    position->behind = NULL;
}
