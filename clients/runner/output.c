/* Sends the spool in AppendLog calls, see output.h. */
#include "runner/output.h"

#include "base/clock.h"
#include <stdio.h>

#define PATIENCE_MS 25           /* between two AppendLog calls with little output */
#define PLENTY      (256U << 10) /* bytes that do not wait for that */

static void on_appended(ProtobufCMessage **reply, const sw_error *error, void *context)
{
    sw_output *output = context;
    char reason[512];
    sw_spool_acknowledge(&output->spool);
    if (*reply != NULL) {
        output->events->due(output->context);
    } else if (error->code == SW_ABORTED || error->code == SW_NOT_FOUND) {
        output->events->lost(error->message, output->context);
    } else {
        snprintf(reason, sizeof(reason), "output could not be stored: %.400s", error->message);
        output->closed = true;
        output->events->refused(reason, output->context);
        output->events->due(output->context);
    }
}

static void on_timer(void *context)
{
    sw_output *output = context;
    output->events->due(output->context);
}

sw_code sw_output_init(sw_output *output, sw_loop *loop, sw_client *client, int64_t offset)
{
    output->timer = sw_loop_timer(loop, on_timer, output);
    if (output->timer == NULL || sw_service_call_init(&output->append, loop, client, output) != SW_OK)
        return SW_RESOURCE_EXHAUSTED;
    return sw_spool_init(&output->spool, offset, NULL);
}

void sw_output_clear(sw_output *output)
{
    sw_service_call_clear(&output->append);
    sw_timer_destroy(&output->timer);
    sw_spool_clear(&output->spool);
}

static bool append(sw_output *output)
{
    size_t size;
    uint8_t *packed = sw_spool_take(&output->spool, output->deployment, output->fence, &size);
    output->next_ms = sw_now_ms() + PATIENCE_MS;
    if (packed != NULL && sw_service_call_start_packed(&output->append, &sw_method_append_log, packed, size,
                                                       on_appended) == SW_OK)
        return true;
    output->events->lost("out of memory", output->context);
    return false;
}

bool sw_output_send(sw_output *output, bool patient)
{
    size_t waiting = sw_spool_waiting(&output->spool);
    if (output->closed) {
        sw_spool_discard(&output->spool);
    } else if (!output->spool.in_flight && waiting > 0) {
        if (!patient || waiting >= PLENTY || sw_now_ms() >= output->next_ms)
            return append(output);
        sw_timer_start(output->timer, output->next_ms);
        return false;
    }
    return true;
}

bool sw_output_is_busy(const sw_output *output)
{
    return output->spool.in_flight && !output->closed;
}

void sw_output_close(sw_output *output)
{
    output->closed = true;
    sw_spool_discard(&output->spool);
}

void sw_output_cancel(sw_output *output)
{
    sw_service_call_cancel(&output->append);
}
