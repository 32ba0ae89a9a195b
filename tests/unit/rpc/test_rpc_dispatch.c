/* Dispatch over a transport that records: methods, errors, deadlines, cancellation, credit,
 * abandoned transports, pooled calls, and the built-in services. */
#include "base/clock.h"
#include "echo.h"
#include "echo.pb-c.h"
#include "rpc/builtin.h"
#include "rpc/reply.h"
#include "rpc/transport.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ECHO "/sitewire.test.v1.Echo/"
#define RPC  "/sitewire.rpc.v1."

/* What the transport was last given, and how often. */
typedef struct {
    sw_transport transport; /* first */
    unsigned partials, finals;
    uint64_t tag, call_id;
    uint32_t code;
    char message[256], field[128], trailer[64];
    sw_timing timing;
    uint8_t payload[65536];
    size_t payload_size;
    bool refuse; /* as if the reply could not be encoded */
} recorder;

typedef struct {
    sw_loop *loop;
    sw_dispatch *dispatch;
    echo echo;
    recorder out;
} fixture;

static bool record(sw_transport *transport, const sw_route *route, bool final, const sw_reply_header *header,
                   const ProtobufCMessage *message)
{
    recorder *r = (recorder *)transport;
    if (r->refuse) {
        r->refuse = false;
        return false;
    }
    *(final ? &r->finals : &r->partials) += 1;
    r->tag = route->tag;
    r->call_id = header->call_id;
    r->code = header->code;
    r->timing = header->timing;
    snprintf(r->message, sizeof(r->message), "%.*s", (int)header->message.size, header->message.data);
    r->field[0] = r->trailer[0] = '\0';
    if (header->detail_count > 0 && header->details[0].kind == SW_DETAIL_FIELD)
        snprintf(r->field, sizeof(r->field), "%.*s", (int)header->details[0].field.size,
                 header->details[0].field.data);
    if (header->trailer_count > 0)
        snprintf(r->trailer, sizeof(r->trailer), "%.*s=%.*s", (int)header->trailers[0].key.size,
                 header->trailers[0].key.data, (int)header->trailers[0].value.size,
                 header->trailers[0].value.data);
    r->payload_size = message == NULL ? 0 : protobuf_c_message_get_packed_size(message);
    assert_true(r->payload_size <= sizeof(r->payload));
    if (message != NULL)
        protobuf_c_message_pack(message, r->payload);
    return true;
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    sw_error error;
    f->loop = sw_loop_new();
    f->dispatch = sw_dispatch_new();
    f->echo = (echo){.loop = f->loop, .instance = "here"};
    f->out.transport.send = record;
    assert_int_equal(echo_add(f->dispatch, &f->echo, &error), SW_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    sw_dispatch_destroy(&f->dispatch);
    sw_loop_destroy(&f->loop);
    free(f);
    return 0;
}

/* Feeds a call in; its call id is its tag. */
static void call_bytes(fixture *f, uint64_t tag, const char *method, const void *payload, size_t size,
                       uint32_t credit, uint32_t time_left_ms)
{
    uint8_t room[512];
    sw_call_header header = {.method = sw_view_of(method), .call_id = tag, .credit = credit};
    size_t length = sw_call_header_encode(&header, room, sizeof(room));
    const sw_incoming incoming = {
        .transport = &f->out.transport,
        .route = {.tag = tag},
        .header = {(char *)room, length},
        .payload = {payload, size},
        .handover = {.caller = SW_VIEW("ann"), .queue_us = 7, .time_left_ms = time_left_ms}};
    sw_dispatch_call(f->dispatch, &incoming);
    memset(room, 0xee, sizeof(room)); /* the frame is gone */
}

static void call(fixture *f, uint64_t tag, const char *method, const ProtobufCMessage *request,
                 uint32_t credit, uint32_t time_left_ms)
{
    uint8_t room[4096];
    size_t size = protobuf_c_message_pack(request, room);
    call_bytes(f, tag, method, room, size, credit, time_left_ms);
    memset(room, 0xee, sizeof(room));
}

static void test_reply(void **state)
{
    fixture *f = *state;
    Sw__EchoRequest request = SW__ECHO_REQUEST__INIT;
    request.text = (char *)"hello";
    for (uint64_t tag = 1; tag <= 3; tag++) { /* the second one runs on the call of the first */
        call(f, tag, ECHO "Echo", &request.base, 0, 1000);
        assert_int_equal(f->out.finals, tag);
        assert_int_equal(f->out.tag, tag);
        assert_int_equal(f->out.call_id, tag);
        assert_int_equal(f->out.code, SW_OK);
        assert_int_equal(f->out.timing.queue_us, 7);
        Sw__EchoReply *reply = sw__echo_reply__unpack(NULL, f->out.payload_size, f->out.payload);
        assert_string_equal(reply->text, "hello");
        assert_string_equal(reply->caller, "ann");
        sw__echo_reply__free_unpacked(reply, NULL);
    }
    assert_int_equal(sw_dispatch_in_flight(f->dispatch), 0);
    assert_true(sw_dispatch_deadline_ms(f->dispatch) == SW_NEVER);
}

static void expect(const fixture *f, uint32_t code, const char *field)
{
    assert_int_equal(f->out.code, code);
    assert_string_equal(f->out.field, field);
    assert_int_equal(f->out.payload_size, 0);
}

static void test_bad_requests(void **state)
{
    fixture *f = *state;
    call_bytes(f, 1, "/sitewire.test.v1.Echo/Nothing", "", 0, 0, 0);
    expect(f, SW_UNIMPLEMENTED, "");
    call_bytes(f, 2, "", "", 0, 0, 0);
    expect(f, SW_UNIMPLEMENTED, "");
    call_bytes(f, 3, ECHO "Echo", "\x0a\x01\xff", 3, 0, 0);
    expect(f, SW_INVALID_ARGUMENT, "text");
    sw_dispatch_set_bounds(f->dispatch, 4, 0);
    call_bytes(f, 4, ECHO "Echo", "\x0a\x03two", 5, 0, 0);
    expect(f, SW_RESOURCE_EXHAUSTED, "");
    const sw_incoming broken = {
        .transport = &f->out.transport, .route = {.tag = 5}, .header = SW_VIEW("\xff\xff\xff")};
    sw_dispatch_call(f->dispatch, &broken);
    expect(f, SW_INVALID_ARGUMENT, "");
    assert_int_equal(f->out.finals, 5);
}

static void test_failure(void **state)
{
    fixture *f = *state;
    Sw__FailRequest request = SW__FAIL_REQUEST__INIT;
    request.has_code = true;
    request.code = SW_ABORTED;
    request.message = (char *)"changed";
    request.field = (char *)"website.code";
    call(f, 1, ECHO "Fail", &request.base, 0, 0);
    expect(f, SW_ABORTED, "website.code");
    assert_string_equal(f->out.message, "changed");
    request.code = 99; /* no code at all */
    call(f, 2, ECHO "Fail", &request.base, 0, 0);
    assert_int_equal(f->out.code, SW_INTERNAL);
}

static void start_delay(fixture *f, uint64_t tag, uint32_t time_left_ms)
{
    Sw__DelayRequest request = SW__DELAY_REQUEST__INIT;
    request.has_delay_ms = true;
    request.delay_ms = 60000;
    call(f, tag, ECHO "Delay", &request.base, 0, time_left_ms);
}

static int64_t stopped_us(void)
{
    return INT64_C(1000000000);
}

static void test_deadline(void **state)
{
    fixture *f = *state;
    sw_clock_set(stopped_us);
    int64_t before = sw_now_ms();
    for (uint64_t tag = 1; tag <= 1000; tag++) /* more than the table's first size */
        start_delay(f, tag, (uint32_t)(1000 + (tag * 7919) % 1000));
    assert_int_equal(sw_dispatch_in_flight(f->dispatch), 1000);
    int64_t first = sw_dispatch_deadline_ms(f->dispatch);
    assert_int_equal(first, before + 1000);
    sw_dispatch_expire(f->dispatch, first - 1);
    assert_int_equal(f->out.finals, 0);
    sw_dispatch_expire(f->dispatch, first + 500);
    assert_int_equal(f->out.finals, 501); /* each of these times once, from 0 to 999 */
    expect(f, SW_DEADLINE_EXCEEDED, "");
    assert_true(sw_dispatch_deadline_ms(f->dispatch) > first + 500);
    sw_dispatch_expire(f->dispatch, first + 60000);
    assert_int_equal(f->out.finals, 1000);
    assert_int_equal(sw_dispatch_in_flight(f->dispatch), 0);
    sw_clock_set(NULL);
}

static void test_cancel(void **state)
{
    fixture *f = *state;
    start_delay(f, 1, 1000);
    start_delay(f, 2, 1000);
    sw_dispatch_cancel(f->dispatch, &f->out.transport, &(sw_route){.tag = 3}); /* nobody */
    sw_dispatch_cancel(f->dispatch, &f->out.transport, &(sw_route){.address = SW_VIEW("2")});
    assert_int_equal(f->out.finals, 0);
    sw_dispatch_cancel(f->dispatch, &f->out.transport, &(sw_route){.tag = 2});
    assert_int_equal(f->out.finals, 1);
    assert_int_equal(f->out.tag, 2);
    expect(f, SW_CANCELLED, "");
    sw_dispatch_abandon(f->dispatch, &f->out.transport);
    assert_int_equal(f->out.finals, 1); /* nobody to tell */
    assert_int_equal(f->echo.cancelled, 2);
    assert_int_equal(sw_dispatch_in_flight(f->dispatch), 0);
}

/* A handler that does not hear of the cancel ends its call later; the reply of an abandoned one
 * goes nowhere. */
static sw_call *held;

static void hold(sw_call *c, const ProtobufCMessage *request, void *context)
{
    (void)request;
    (void)context;
    held = c;
}

static void test_deaf_handler(void **state)
{
    fixture *f = *state;
    sw_error error;
    sw_dispatch *dispatch = sw_dispatch_new();
    const sw_method method = {&sw__echo__descriptor, "Echo", hold, NULL};
    assert_int_equal(sw_dispatch_add(dispatch, &method, &error), SW_OK);
    assert_int_equal(sw_dispatch_add(dispatch, &method, &error), SW_INTERNAL);
    assert_int_equal(sw_dispatch_check(dispatch, &error), SW_FAILED_PRECONDITION);
    const sw_method unknown = {&sw__echo__descriptor, "Nothing", hold, NULL};
    assert_int_equal(sw_dispatch_add(dispatch, &unknown, &error), SW_INTERNAL);
    sw_dispatch *ours = f->dispatch;
    f->dispatch = dispatch;
    for (uint64_t tag = 1; tag <= 2; tag++) {
        call_bytes(f, tag, ECHO "Echo", "", 0, 0, 1000);
        assert_int_equal(sw_call_cancel_code(held), SW_OK);
        assert_string_equal(sw_call_method(held)->name, "Echo");
        if (tag == 1)
            sw_dispatch_expire(dispatch, sw_call_deadline_ms(held));
        else
            sw_dispatch_abandon(dispatch, &f->out.transport);
        assert_true(sw_call_is_cancelled(held));
        assert_int_equal(sw_dispatch_in_flight(dispatch), 1);
        sw_call_add_trailer(held, "etag", "5");
        sw_call_reply(held, NULL);
        assert_int_equal(sw_dispatch_in_flight(dispatch), 0);
        assert_int_equal(f->out.finals, 1); /* of the first */
    }
    assert_string_equal(f->out.trailer, "etag=5");
    call_bytes(f, 3, ECHO "Echo", "", 0, 0, 1000); /* left in flight: destroyed with the dispatch */
    f->dispatch = ours;
    sw_dispatch_destroy(&dispatch);
}

/* Calls that end each other while their transport is abandoned: each must be cancelled once, in any
 * order. */
typedef struct {
    sw_call *calls[4]; /* by their position in the queue, the newest last; NULL: ended */
    size_t count, cancelled;
} chain;

static void fail_cancelled(chain *c, size_t index)
{
    const sw_error error = {.code = SW_CANCELLED};
    sw_call *call = c->calls[index];
    c->calls[index] = NULL;
    sw_call_on_cancel(call, NULL, NULL);
    sw_call_fail(call, &error);
}

/* Ends the call, and with it the one that arrived before it. */
static void end_two(sw_call *call, void *context)
{
    chain *c = context;
    c->cancelled++;
    for (size_t i = 1; i < c->count; i++)
        if (c->calls[i] == call) {
            fail_cancelled(c, i - 1);
            fail_cancelled(c, i);
            return;
        }
    fail_msg("a call was cancelled that had ended");
}

static void join_chain(sw_call *call, const ProtobufCMessage *request, void *context)
{
    (void)request;
    chain *c = context;
    c->calls[c->count++] = call;
    sw_call_on_cancel(call, end_two, c);
}

static void test_calls_end_each_other(void **state)
{
    fixture *f = *state;
    chain c = {0};
    sw_error error;
    sw_dispatch *ours = f->dispatch;
    f->dispatch = sw_dispatch_new();
    const sw_method method = {&sw__echo__descriptor, "Echo", join_chain, &c};
    assert_int_equal(sw_dispatch_add(f->dispatch, &method, &error), SW_OK);
    for (uint64_t tag = 1; tag <= 4; tag++)
        call_bytes(f, tag, ECHO "Echo", "", 0, 0, 1000);
    sw_dispatch_abandon(f->dispatch, &f->out.transport); /* looks at the newest first */
    assert_int_equal(c.cancelled, 2);
    for (size_t i = 0; i < c.count; i++)
        assert_null(c.calls[i]);
    assert_int_equal(sw_dispatch_in_flight(f->dispatch), 0);
    assert_true(sw_dispatch_deadline_ms(f->dispatch) == SW_NEVER);
    sw_dispatch_destroy(&f->dispatch);
    f->dispatch = ours;
}

static void test_stream(void **state)
{
    fixture *f = *state;
    Sw__StreamRequest request = SW__STREAM_REQUEST__INIT;
    request.has_count = request.has_size = true;
    request.count = 10;
    request.size = 16;
    call(f, 1, ECHO "Stream", &request.base, 3, 1000);
    assert_int_equal(f->out.partials, 3);
    sw_dispatch_credit(f->dispatch, &f->out.transport, &(sw_route){.tag = 1}, 4);
    assert_int_equal(f->out.partials, 7);
    assert_int_equal(f->out.finals, 0);
    sw_dispatch_credit(f->dispatch, &f->out.transport, &(sw_route){.tag = 1}, UINT32_MAX);
    assert_int_equal(f->out.partials, 10);
    assert_int_equal(f->out.finals, 1);
    assert_int_equal(sw_dispatch_in_flight(f->dispatch), 0);
    call(f, 2, ECHO "Stream", &request.base, 100, 1000); /* all at once */
    assert_int_equal(f->out.partials, 20);
    assert_int_equal(f->out.finals, 2);
    f->out.refuse = true; /* a message that cannot be encoded ends the stream */
    call(f, 3, ECHO "Stream", &request.base, 100, 1000);
    assert_int_equal(f->out.partials, 20);
    assert_int_equal(f->out.finals, 3);
    assert_int_equal(f->out.code, SW_RESOURCE_EXHAUSTED);
}

static void test_reply_too_large(void **state)
{
    fixture *f = *state;
    f->out.refuse = true;
    call_bytes(f, 1, ECHO "Echo", "", 0, 0, 1000);
    assert_int_equal(f->out.finals, 1);
    expect(f, SW_RESOURCE_EXHAUSTED, "");
}

/* --- the built-in services --- */

static Sw__HealthCheckResponse__ServingStatus serving = SW__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;

static bool health(void *context, const char *service, Sw__HealthCheckResponse *reply)
{
    (void)context;
    reply->status = serving;
    reply->reason =
        serving == SW__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING ? NULL : (char *)"no database";
    return service[0] == '\0' || strcmp(service, "sitewire.test.v1.Echo") == 0;
}

static Sw__HealthCheckResponse *health_reply(const fixture *f)
{
    Sw__HealthCheckResponse *reply =
        sw__health_check_response__unpack(NULL, f->out.payload_size, f->out.payload);
    assert_non_null(reply);
    return reply;
}

static void expect_health(const fixture *f, Sw__HealthCheckResponse__ServingStatus status)
{
    Sw__HealthCheckResponse *reply = health_reply(f);
    assert_int_equal(reply->status, status);
    sw__health_check_response__free_unpacked(reply, NULL);
}

static void test_health(void **state)
{
    fixture *f = *state;
    sw_builtin *builtin;
    sw_error error;
    const sw_builtin_options options = {
        .process = "test", .health = health, .watches_max = 2, .schema = "set", .schema_size = 3};
    assert_int_equal(sw_builtin_new(f->dispatch, &options, &builtin, &error), SW_OK);
    serving = SW__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    Sw__HealthCheckRequest request = SW__HEALTH_CHECK_REQUEST__INIT;
    call(f, 1, RPC "Health/Check", &request.base, 0, 0);
    expect_health(f, serving);
    request.service = (char *)"nobody";
    call(f, 2, RPC "Health/Check", &request.base, 0, 0);
    expect(f, SW_NOT_FOUND, "service");
    request.service = (char *)"sitewire.test.v1.Echo";
    call(f, 3, RPC "Health/Watch", &request.base, 0, 0);
    expect(f, SW_INVALID_ARGUMENT, "");
    f->out.finals = 0;
    call(f, 4, RPC "Health/Watch", &request.base, 1, 1000);
    assert_int_equal(f->out.partials, 1);
    sw_builtin_changed(builtin); /* it has not */
    serving = SW__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
    sw_builtin_changed(builtin); /* no credit */
    assert_int_equal(f->out.partials, 1);
    sw_dispatch_credit(f->dispatch, &f->out.transport, &(sw_route){.tag = 4}, 2);
    assert_int_equal(f->out.partials, 2);
    expect_health(f, serving);
    request.service = (char *)"nobody"; /* may come one day */
    call(f, 5, RPC "Health/Watch", &request.base, 5, 1000);
    expect_health(f, SW__HEALTH_CHECK_RESPONSE__SERVING_STATUS__UNKNOWN);
    call(f, 6, RPC "Health/Watch", &request.base, 5,
         1000); /* one too many: others need the places of calls */
    expect(f, SW_RESOURCE_EXHAUSTED, "");
    sw_dispatch_cancel(f->dispatch, &f->out.transport, &(sw_route){.tag = 5});
    assert_int_equal(f->out.code, SW_CANCELLED);
    call(f, 7, RPC "Health/Watch", &request.base, 5, 1000);
    expect_health(f, SW__HEALTH_CHECK_RESPONSE__SERVING_STATUS__UNKNOWN);
    sw_dispatch_cancel(f->dispatch, &f->out.transport, &(sw_route){.tag = 7});
    sw_builtin_end_watches(builtin);
    assert_int_equal(f->out.tag, 4);
    assert_int_equal(f->out.code, SW_UNAVAILABLE);
    assert_int_equal(f->out.finals, 4);
    assert_int_equal(sw_dispatch_in_flight(f->dispatch), 0);
    sw_builtin_destroy(&builtin);
}

static uint32_t drain_asked(void *context, uint32_t timeout_ms)
{
    *(uint32_t *)context = timeout_ms;
    return 5;
}

static void test_stats(void **state)
{
    fixture *f = *state;
    sw_builtin *builtin;
    sw_error error;
    uint32_t drained = 0;
    uint64_t counter = 42;
    const sw_builtin_options options = {.process = "test",
                                        .instance = "test-1",
                                        .schema = "set",
                                        .schema_size = 3,
                                        .drain = drain_asked,
                                        .context = &drained};
    assert_int_equal(sw_builtin_new(f->dispatch, &options, &builtin, &error), SW_OK);
    assert_true(sw_builtin_add_counter(builtin, "things", &counter));
    assert_int_equal(sw_dispatch_check(f->dispatch, &error), SW_OK);
    call_bytes(f, 1, ECHO "Echo", "", 0, 0, 0);
    call_bytes(f, 2, ECHO "Echo", "\x80", 1, 0, 0);
    call_bytes(f, 3, "/no/Such", "", 0, 0, 0);
    call_bytes(f, 4, RPC "Stats/GetStats", "", 0, 0, 0);
    Sw__GetStatsResponse *stats = sw__get_stats_response__unpack(NULL, f->out.payload_size, f->out.payload);
    assert_string_equal(stats->process, "test");
    assert_string_equal(stats->instance, "test-1");
    assert_true(stats->resident_bytes > 100000);
    assert_true(stats->started_at->seconds > 0);
    assert_int_equal(stats->n_methods, 1);
    assert_string_equal(stats->methods[0]->method, ECHO "Echo");
    assert_int_equal(stats->methods[0]->calls, 2);
    assert_int_equal(stats->methods[0]->n_codes, SW_CODE_COUNT);
    assert_int_equal(stats->methods[0]->codes[SW_OK], 1);
    assert_int_equal(stats->methods[0]->codes[SW_INVALID_ARGUMENT], 1);
    uint64_t sum = 0;
    for (size_t i = 0; i < stats->methods[0]->n_latency; i++)
        sum += stats->methods[0]->latency[i];
    assert_int_equal(sum, 2);
    assert_int_equal(stats->n_counters, 2);
    assert_string_equal(stats->counters[0]->name, "unknown_methods");
    assert_int_equal(stats->counters[0]->value, 1);
    assert_int_equal(stats->counters[1]->value, 42);
    sw__get_stats_response__free_unpacked(stats, NULL);
    call_bytes(f, 5, RPC "Reflection/GetSchema", "", 0, 0, 0);
    Sw__GetSchemaResponse *schema =
        sw__get_schema_response__unpack(NULL, f->out.payload_size, f->out.payload);
    assert_int_equal(schema->file_descriptor_set.len, 3);
    assert_int_equal(schema->n_services, 1); /* the built-in ones go without saying */
    assert_string_equal(schema->services[0], "sitewire.test.v1.Echo");
    sw__get_schema_response__free_unpacked(schema, NULL);
    call_bytes(f, 6, RPC "Drain/Drain", "\x08\x64", 2, 0, 0);
    assert_int_equal(drained, 100);
    assert_int_equal(f->out.code, SW_OK);
    sw_builtin_destroy(&builtin);
}

static void test_encoding(void **state)
{
    (void)state;
    zmq_msg_t frame, payload;
    int count;
    Sw__EchoReply message = SW__ECHO_REPLY__INIT;
    char *text = calloc(1, 8193);
    memset(text, 'x', 8192);
    message.text = text;
    sw_reply_header header = {.call_id = 9, .message = sw_view_of(text)}; /* a long header */
    assert_true(sw_reply_encode_compact(5, true, &header, &message.base, NULL, &frame, &payload, &count));
    assert_int_equal(count, 2);
    assert_int_equal(zmq_msg_size(&payload), 8192 + 3);
    assert_true(zmq_msg_size(&frame) > 24 + 8192);
    zmq_msg_close(&frame);
    zmq_msg_close(&payload);
    header.message = (sw_view){0};
    text[8000] = '\0';
    assert_true(sw_reply_encode_compact(5, false, &header, &message.base, NULL, &frame, &payload, &count));
    assert_int_equal(count, 1);
    assert_int_equal(zmq_msg_size(&frame), 24 + 2 + 8000 + 3);
    zmq_msg_close(&frame);
    free(text);
    text = calloc(1, SW_HEADER_MAX + 1);
    memset(text, 'x', SW_HEADER_MAX);
    header.message = sw_view_of(text); /* with its key over the bound */
    assert_false(sw_reply_encode_compact(5, false, &header, NULL, NULL, &frame, &payload, &count));
    assert_false(sw_reply_encode_body(&header, NULL, &frame, &payload));
    free(text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_reply),
        TEST(test_bad_requests),
        TEST(test_failure),
        TEST(test_deadline),
        TEST(test_cancel),
        TEST(test_deaf_handler),
        TEST(test_calls_end_each_other),
        TEST(test_stream),
        TEST(test_reply_too_large),
        TEST(test_health),
        TEST(test_stats),
        TEST(test_encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
