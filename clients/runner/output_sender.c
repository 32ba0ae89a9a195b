/* Sends the spool in AppendLog calls, see output_sender.h. */
#include "runner/output_sender.h"

#include "base/clock.h"
#include <stdio.h>

/* between two AppendLog calls with little output; the service announces as many in the long run */
#define PATIENCE_MS 50
#define PLENTY      (256U << 10) /* bytes that do not wait for that */

static void on_appended(ProtobufCMessage **reply, const sw_error *error, void *context)
{
    sw_output_sender *sender = context;
    char reason[512];
    sw_spool_acknowledge(&sender->spool);
    if (*reply != NULL) {
        sender->events->due(sender->context);
    } else if (error->code == SW_ABORTED || error->code == SW_NOT_FOUND) {
        sender->events->lost(error->message, sender->context);
    } else if (error->code == SW_RESOURCE_EXHAUSTED) {
        sw_output_sender_close(sender);
        sender->spool.full = true;
        sender->events->full(error->message, sender->context);
        sender->events->due(sender->context);
    } else {
        snprintf(reason, sizeof(reason), "output could not be stored: %.400s", error->message);
        sender->closed = true;
        sender->events->refused(reason, sender->context);
        sender->events->due(sender->context);
    }
}

static void on_timer(void *context)
{
    sw_output_sender *sender = context;
    sender->events->due(sender->context);
}

sw_code sw_output_sender_init(sw_output_sender *sender, sw_loop *loop, sw_client *client, int64_t offset)
{
    sender->timer = sw_loop_timer(loop, on_timer, sender);
    if (sender->timer == NULL || sw_service_call_init(&sender->append, loop, client, sender) != SW_OK)
        return SW_RESOURCE_EXHAUSTED;
    return sw_spool_init(&sender->spool, offset, NULL);
}

void sw_output_sender_clear(sw_output_sender *sender)
{
    sw_service_call_clear(&sender->append);
    sw_timer_destroy(&sender->timer);
    sw_spool_clear(&sender->spool);
}

static bool append(sw_output_sender *sender)
{
    size_t size;
    uint8_t *packed = sw_spool_take(&sender->spool, sender->deployment, sender->fence, &size);
    sender->next_ms = sw_now_ms() + PATIENCE_MS;
    if (packed != NULL && sw_service_call_start_packed(&sender->append, &sw_method_append_log, packed, size,
                                                       on_appended) == SW_OK)
        return true;
    sender->events->lost("out of memory", sender->context);
    return false;
}

bool sw_output_sender_send(sw_output_sender *sender, bool patient)
{
    size_t waiting = sw_spool_waiting(&sender->spool);
    if (sender->closed) {
        sw_spool_discard(&sender->spool);
    } else if (!sender->spool.in_flight && waiting > 0) {
        if (!patient || waiting >= PLENTY || sw_now_ms() >= sender->next_ms)
            return append(sender);
        sw_timer_start(sender->timer, sender->next_ms);
        return false;
    }
    return true;
}

bool sw_output_sender_is_busy(const sw_output_sender *sender)
{
    return sender->spool.in_flight && !sender->closed;
}

void sw_output_sender_close(sw_output_sender *sender)
{
    sender->closed = true;
    sw_spool_discard(&sender->spool);
}

void sw_output_sender_cancel(sw_output_sender *sender)
{
    sw_service_call_cancel(&sender->append);
}
