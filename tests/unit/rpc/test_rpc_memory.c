/* Serving calls when memory runs out: each allocation in turn fails. Every call gets one final
 * reply, either good or RESOURCE_EXHAUSTED, and the dispatch serves the next call. */
#include "echo.h"
#include "echo.pb-c.h"
#include "heap.h"
#include "rpc/builtin.h"
#include "rpc/reply.h"
#include "rpc/transport.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ECHO "/sitewire.test.v1.Echo/"
#define RPC  "/sitewire.rpc.v1."

/* A transport that encodes each reply, and drops the frames. */
typedef struct {
    sw_transport transport; /* first */
    bool mdp;
    unsigned partials, finals;
    uint32_t code; /* of the last final reply */
    uint64_t call_id;
} recorder;

static bool encode(const recorder *r, const sw_route *route, bool final, const sw_reply_header *header,
                   const ProtobufCMessage *message)
{
    zmq_msg_t frames[2];
    int count = 2;
    if (r->mdp ? !sw_reply_encode_body(header, message, &frames[0], &frames[1])
               : !sw_reply_encode_compact(route->tag, final, header, message, NULL, &frames[0], &frames[1],
                                          &count))
        return false;
    while (count > 0)
        zmq_msg_close(&frames[--count]);
    return true;
}

static bool record(sw_transport *transport, const sw_route *route, bool final, const sw_reply_header *header,
                   const ProtobufCMessage *message)
{
    recorder *r = (recorder *)transport;
    if (!encode(r, route, final, header, message)) {
        assert_int_not_equal(header->code, SW_RESOURCE_EXHAUSTED); /* only one allocation fails */
        return false;
    }
    *(final ? &r->finals : &r->partials) += 1;
    if (final) {
        r->code = header->code;
        r->call_id = header->call_id;
    }
    return true;
}

typedef struct {
    sw_loop *loop;
    sw_dispatch *dispatch;
    sw_builtin *builtin;
    echo echo;
    recorder out;
} fixture;

static void close_all(fixture *f)
{
    sw_dispatch_destroy(&f->dispatch);
    sw_builtin_destroy(&f->builtin);
    sw_loop_destroy(&f->loop);
}

static void expect_short(sw_code code, const sw_error *error)
{
    assert_int_equal(code, SW_RESOURCE_EXHAUSTED);
    assert_int_equal(error->code, SW_RESOURCE_EXHAUSTED);
    assert_true(error->message[0] != '\0');
}

/* False when out of memory; nothing is left then. */
static bool open_all(fixture *f, bool mdp)
{
    *f = (fixture){.out = {.transport = {record}, .mdp = mdp}};
    const sw_builtin_options options = {
        .process = "test", .schema = "set", .schema_size = 3, .watches_max = 2};
    static const uint64_t things = 7;
    sw_error error = {0};
    f->dispatch = sw_dispatch_new();
    f->echo = (echo){.loop = f->loop = sw_loop_new(), .instance = "here"};
    bool good = f->dispatch != NULL && f->loop != NULL;
    sw_code code = good ? echo_add(f->dispatch, &f->echo, &error) : SW_OK;
    if (good && code == SW_OK)
        code = sw_builtin_new(f->dispatch, &options, &f->builtin, &error);
    if (code != SW_OK) {
        expect_short(code, &error);
        assert_null(f->builtin);
        good = false;
    }
    if (good && !sw_builtin_add_counter(f->builtin, "things", &things))
        good = false;
    if (!good)
        close_all(f);
    return good;
}

static void open_and_close(void *context)
{
    (void)context;
    fixture f;
    if (open_all(&f, false))
        close_all(&f);
}

static void test_open(void **state)
{
    (void)state;
    assert_true(sw_heap_each(open_and_close, NULL) > 30);
}

/* --- calls --- */

static void call_as(fixture *f, uint64_t tag, sw_view address, const char *method,
                    const ProtobufCMessage *request, uint32_t credit)
{
    uint8_t room[512], payload[8192];
    sw_call_header header = {.method = sw_view_of(method), .call_id = tag, .credit = credit};
    size_t length = sw_call_header_encode(&header, room, sizeof(room));
    size_t size = request == NULL ? 0 : protobuf_c_message_pack(request, payload);
    const sw_incoming incoming = {.transport = &f->out.transport,
                                  .route = {.tag = tag, .address = address},
                                  .header = {(char *)room, length},
                                  .payload = {(char *)payload, size},
                                  .handover = {.caller = SW_VIEW("ann"), .time_left_ms = 1000}};
    sw_dispatch_call(f->dispatch, &incoming);
}

static void call(fixture *f, uint64_t tag, const char *method, const ProtobufCMessage *request,
                 uint32_t credit)
{
    call_as(f, tag, (sw_view){0}, method, request, credit);
}

/* The last call has had its final reply, in all there were `finals` of them. */
static void expect_end(const fixture *f, unsigned finals, uint32_t code)
{
    assert_int_equal(f->out.finals, finals);
    if (f->out.code != SW_RESOURCE_EXHAUSTED)
        assert_int_equal(f->out.code, code);
}

/* The failed allocation is behind us: a call succeeds. */
static void expect_service(fixture *f)
{
    sw_heap_pause();
    unsigned before = f->out.finals;
    call(f, 99, ECHO "Echo", NULL, 0);
    assert_int_equal(f->out.finals, before + 1);
    assert_int_equal(f->out.code, SW_OK);
    assert_int_equal(f->out.call_id, 99);
    assert_int_equal(sw_dispatch_in_flight(f->dispatch), 0);
    sw_heap_resume();
}

static bool open_quietly(fixture *f, bool mdp)
{
    sw_heap_pause();
    bool good = open_all(f, mdp);
    sw_heap_resume();
    return good;
}

/* Small and large requests and replies, in both framings. */
static void answer_at_once(void *context)
{
    fixture f;
    static char text[8000];
    memset(text, 'x', sizeof(text) - 1);
    Sw__EchoRequest request = SW__ECHO_REQUEST__INIT;
    Sw__FailRequest failure = SW__FAIL_REQUEST__INIT;
    request.text = text;
    failure.has_code = true;
    failure.code = SW_ABORTED;
    failure.message = text;
    assert_true(open_quietly(&f, *(bool *)context));
    call(&f, 1, ECHO "Echo", &request.base, 0);
    expect_end(&f, 1, SW_OK);
    call(&f, 2, ECHO "Fail", &failure.base, 0);
    expect_end(&f, 2, SW_ABORTED);
    call(&f, 3, RPC "Stats/GetStats", NULL, 0);
    expect_end(&f, 3, SW_OK);
    call(&f, 4, RPC "Reflection/GetSchema", NULL, 0);
    expect_end(&f, 4, SW_OK);
    expect_service(&f);
    close_all(&f);
}

/* Calls in flight at once, with addresses as in MDP framing: cancelled, expired, abandoned. */
static void answer_later(void *context)
{
    (void)context;
    fixture f;
    Sw__DelayRequest request = SW__DELAY_REQUEST__INIT;
    request.has_delay_ms = true;
    request.delay_ms = 60000;
    assert_true(open_quietly(&f, true));
    for (uint64_t tag = 1; tag <= 20; tag++)
        call_as(&f, tag, SW_VIEW("client"), ECHO "Delay", &request.base, 0);
    assert_int_equal(f.out.finals + sw_dispatch_in_flight(f.dispatch), 20);
    assert_true(f.out.finals <= 1);
    if (f.out.finals == 1)
        assert_int_equal(f.out.code, SW_RESOURCE_EXHAUSTED);
    sw_dispatch_cancel(f.dispatch, &f.out.transport, &(sw_route){.tag = 3, .address = SW_VIEW("client")});
    sw_dispatch_expire(f.dispatch, sw_dispatch_deadline_ms(f.dispatch) + 60000);
    assert_int_equal(f.out.finals, 20);
    call(&f, 21, ECHO "Delay", &request.base, 0);
    sw_dispatch_abandon(f.dispatch, &f.out.transport);
    assert_int_equal(sw_dispatch_in_flight(f.dispatch), 0);
    f.out.finals = 0;
    expect_service(&f);
    close_all(&f);
}

static void watch_and_stream(void *context)
{
    (void)context;
    fixture f;
    Sw__StreamRequest request = SW__STREAM_REQUEST__INIT;
    request.has_count = request.has_size = true;
    request.count = 5;
    request.size = 6000;
    assert_true(open_quietly(&f, false));
    call(&f, 1, ECHO "Stream", &request.base, 2);
    sw_dispatch_credit(f.dispatch, &f.out.transport, &(sw_route){.tag = 1}, 9);
    expect_end(&f, 1, SW_OK);
    assert_true(f.out.code != SW_OK || f.out.partials == 5);
    call(&f, 2, RPC "Health/Watch", NULL, 2);
    sw_builtin_changed(f.builtin);
    sw_builtin_end_watches(f.builtin);
    expect_end(&f, 2, SW_UNAVAILABLE);
    expect_service(&f);
    close_all(&f);
}

static void test_calls(void **state)
{
    (void)state;
    bool mdp = false;
    assert_true(sw_heap_each(answer_at_once, &mdp) > 10);
    mdp = true;
    assert_true(sw_heap_each(answer_at_once, &mdp) > 10);
    assert_true(sw_heap_each(answer_later, NULL) > 40);
    assert_true(sw_heap_each(watch_and_stream, NULL) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_open), cmocka_unit_test(test_calls)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
