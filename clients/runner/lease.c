/* Renewals, and the end of a lease, see lease.h. */
#include "runner/lease.h"

#include "base/clock.h"
#include <sitewire/deployment/v1/deployment.pb-c.h>

#define MARGIN 20 /* the runner gives up a twentieth of the lease early */

/* The end of a lease that was asked for at `asked_ms`: early enough for everything to be dead
 * before the service gives the deployment to another runner. */
static int64_t end_of(const sw_lease *lease, int64_t asked_ms)
{
    return asked_ms + lease->length_ms - lease->length_ms / MARGIN;
}

static void set_timer(sw_lease *lease)
{
    int64_t left = lease->until_ms - sw_lease_now_ms(), pause = lease->length_ms / 3;
    if (pause > lease->pause_ms)
        pause = lease->pause_ms;
    if (lease->renewal.active || pause > left) /* wait for the answer, or the end */
        pause = left;
    sw_timer_start(lease->timer, sw_now_ms() + pause);
}

void sw_lease_lose(sw_lease *lease, const char *reason)
{
    if (lease->lost || lease->ended)
        return;
    lease->lost = true;
    sw_timer_stop(lease->timer);
    sw_service_call_cancel(&lease->renewal);
    lease->events->lost(reason, lease->context);
}

static void on_renewed(ProtobufCMessage **reply, const sw_error *error, void *context)
{
    sw_lease *lease = context;
    if (*reply == NULL) {
        sw_lease_lose(lease, error->message);
        return;
    }
    const Sw__Lease *answer = (Sw__Lease *)*reply;
    int64_t until = end_of(lease, lease->renewal.sent_ms);
    if (until > lease->until_ms)
        lease->until_ms = until;
    set_timer(lease);
    bool again = lease->again && !answer->abort;
    lease->again = false;
    if (answer->abort)
        lease->events->abort(answer->abort_reason == NULL ? "" : answer->abort_reason, lease->context);
    lease->events->renewed(lease->context);
    if (again)
        sw_lease_ask(lease);
}

void sw_lease_ask(sw_lease *lease)
{
    if (lease->lost || lease->ended)
        return;
    if (lease->renewal.active) {
        lease->again = true;
        return;
    }
    Sw__RenewLeaseRequest request = SW__RENEW_LEASE_REQUEST__INIT;
    request.has_id = request.has_fence = request.has_lease_ms = true;
    request.id = lease->id;
    request.fence = lease->fence;
    request.lease_ms = lease->length_ms;
    sw_service_call_start(&lease->renewal, &sw_method_renew_lease, &request.base, on_renewed);
    set_timer(lease); /* when out of memory: asks again then, or ends */
}

static void on_timer(void *context)
{
    sw_lease *lease = context;
    if (sw_lease_now_ms() >= lease->until_ms)
        sw_lease_lose(lease, "the lease ran out: it could not be renewed in time");
    else
        sw_lease_ask(lease);
}

sw_code sw_lease_start(sw_lease *lease, sw_loop *loop, sw_client *client, const sw_lease_events *events,
                       void *context, int64_t asked_ms)
{
    lease->lost = lease->ended = lease->again = false;
    lease->events = events;
    lease->context = context;
    lease->until_ms = end_of(lease, asked_ms);
    lease->timer = sw_loop_timer(loop, on_timer, lease);
    if (lease->timer == NULL || sw_service_call_init(&lease->renewal, loop, client, lease) != SW_OK) {
        sw_timer_destroy(&lease->timer);
        return SW_RESOURCE_EXHAUSTED;
    }
    set_timer(lease);
    return SW_OK;
}

void sw_lease_end(sw_lease *lease)
{
    lease->ended = true;
    if (lease->timer != NULL)
        sw_timer_stop(lease->timer);
    sw_service_call_cancel(&lease->renewal);
}

void sw_lease_clear(sw_lease *lease)
{
    sw_lease_end(lease);
    sw_service_call_clear(&lease->renewal);
    sw_timer_destroy(&lease->timer);
}
