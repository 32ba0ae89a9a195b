/* The lease of a deployment: when it is renewed, and what follows from the answers. The
 * test replaces the calls. */
#include "runner/lease.h"

#include <setjmp.h>
#include <sitewire/deployment/v1/deployment.pb-c.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

const sw_service_method sw_method_renew_lease = {.path = "RenewLease"};
static int64_t now_ms = 1000000;
static int asked, aborted, renewed, lost;

int64_t sw_lease_now_ms(void)
{
    return now_ms;
}

sw_code sw_service_call_init(sw_service_call *call, sw_loop *loop, sw_client *client, void *context)
{
    (void)loop;
    *call = (sw_service_call){.client = client, .context = context};
    return SW_OK;
}

sw_code sw_service_call_start(sw_service_call *call, const sw_service_method *method,
                              const ProtobufCMessage *request, sw_service_call_fn *fn)
{
    (void)request;
    assert_ptr_equal(method, &sw_method_renew_lease);
    assert_false(call->active);
    call->active = true;
    call->fn = fn;
    call->sent_ms = now_ms;
    asked++;
    return SW_OK;
}

void sw_service_call_cancel(sw_service_call *call)
{
    call->active = false;
}

void sw_service_call_clear(sw_service_call *call)
{
    call->active = false;
}

static void on_renewed(void *context)
{
    (void)context;
    renewed++;
}

static void on_lost(const char *reason, void *context)
{
    (void)reason;
    (void)context;
    lost++;
}

static void on_abort(const char *reason, void *context)
{
    (void)context;
    assert_string_equal(reason, "stop");
    aborted++;
}

static const sw_lease_events events = {.renewed = on_renewed, .lost = on_lost, .abort = on_abort};

static void answer(sw_lease *lease, bool abort)
{
    Sw__Lease told = SW__LEASE__INIT;
    ProtobufCMessage *reply = &told.base;
    told.has_abort = told.abort = abort;
    told.abort_reason = abort ? (char *)"stop" : NULL;
    assert_true(lease->renewal.active);
    lease->renewal.active = false;
    lease->renewal.fn(&reply, NULL, lease->renewal.context);
}

static void start(sw_lease *lease, sw_loop *loop)
{
    asked = aborted = renewed = lost = 0;
    *lease = (sw_lease){.id = 1, .fence = 1, .length_ms = 30000, .pause_ms = 5000};
    assert_int_equal(sw_lease_start(lease, loop, NULL, &events, NULL, now_ms), SW_OK);
}

/* An event announces an abort while a renewal that was sent before it is under way. */
static void test_asked_during_a_renewal(void **state)
{
    (void)state;
    sw_lease lease;
    sw_loop *loop = sw_loop_new();
    start(&lease, loop);
    sw_lease_ask(&lease);
    sw_lease_ask(&lease);
    sw_lease_ask(&lease);
    assert_int_equal(asked, 1);
    answer(&lease, false);
    assert_int_equal(asked, 2); /* at once, not with the next renewal in seconds */
    answer(&lease, true);
    assert_int_equal(asked, 2);
    assert_int_equal(aborted, 1);
    assert_int_equal(renewed, 2);
    sw_lease_ask(&lease);
    sw_lease_ask(&lease);
    answer(&lease, true); /* it is known */
    assert_int_equal(asked, 3);
    sw_lease_ask(&lease);
    sw_lease_ask(&lease);
    sw_lease_lose(&lease, "gone");
    assert_int_equal(lost, 1);
    sw_lease_ask(&lease);
    assert_int_equal(asked, 4);
    sw_lease_clear(&lease);
    sw_loop_destroy(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_asked_during_a_renewal)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
