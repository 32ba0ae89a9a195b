/* The client library when memory runs out: each allocation in turn fails. A call that could not be
 * started is refused, a call that was started ends once, and the client serves the next call. */
#include "base/clock.h"
#include "c/json/json.h"
#include "c/json/schema.h"
#include "c/watch/sequence.h"
#include "echo.h"
#include "echo.pb-c.h"
#include "fake_broker.h"
#include "heap.h"
#include "wire/mdp.h"
#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include <sitewire/referential/v1/referential.pb-c.h>
#include <sitewire/rpc/v1/rpc.pb-c.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ECHO "/sitewire.test.v1.Echo/Echo"

/* --- A broker in a thread of its own, where no allocation fails --- */

typedef struct {
    fake_broker fake;
    pthread_t thread;
    atomic_bool stop;
    fake_request request;
    char text[20000]; /* in each reply */
} server;

static void answer(server *s)
{
    static uint8_t payload[65536];
    size_t size;
    if (sw_view_equal(s->request.header.method, SW_VIEW("/sitewire.rpc.v1.Reflection/GetSchema"))) {
        Sw__GetSchemaResponse reply = SW__GET_SCHEMA_RESPONSE__INIT;
        reply.has_file_descriptor_set = true;
        reply.file_descriptor_set = (ProtobufCBinaryData){echo_schema_size, (uint8_t *)echo_schema};
        size = sw__get_schema_response__pack(&reply, payload);
    } else {
        Sw__EchoReply reply = SW__ECHO_REPLY__INIT;
        reply.text = s->text;
        size = sw__echo_reply__pack(&reply, payload);
    }
    sw_reply_header header = {.trailer_count = 1};
    header.trailers[0] = (sw_pair){SW_VIEW("k"), SW_VIEW("v")};
    fake_send(&s->fake, &s->request, true, &header, payload, size);
}

static void *serve(void *context)
{
    server *s = context;
    while (!atomic_load(&s->stop))
        if (fake_next(&s->fake, NULL, &s->request, 20) && s->request.command == SW_MDP_CLIENT_REQUEST)
            answer(s);
    return NULL;
}

static void start_server(server *s, fake_framing framing)
{
    atomic_store(&s->stop, false);
    memset(s->text, 'x', sizeof(s->text) - 1);
    fake_open(&s->fake, framing);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop_server(server *s)
{
    atomic_store(&s->stop, true);
    pthread_join(s->thread, NULL);
    fake_close(&s->fake);
}

/* --- Calls --- */

/* Success, or out of memory: see json.h for the syntax error. */
static void expect_short(sw_code code, const sw_error *error)
{
    bool is_syntax = code == SW_INVALID_ARGUMENT && strncmp(error->message, "JSON line", 9) == 0;
    if (code == SW_OK || is_syntax)
        return;
    if (code != SW_RESOURCE_EXHAUSTED)
        fail_msg("code %d: %s", code, error->message);
    assert_true(error->message[0] != '\0');
}

static sw_client *open_client(const server *s)
{
    sw_client_options options = {.size = sizeof(options), .timeout_ms = 10000, .connect_ms = 500};
    sw_client *client;
    sw_error error = {0};
    sw_code code = sw_client_open(s->fake.endpoint, &options, &client, &error);
    expect_short(code, &error);
    assert_int_equal(code == SW_OK, client != NULL);
    return client;
}

static sw_code echo_call(sw_client *client, sw_error *error)
{
    Sw__EchoRequest request = SW__ECHO_REQUEST__INIT;
    Sw__EchoReply *reply;
    sw_code code = sw_client_call(client, ECHO, &request.base, &sw__echo_reply__descriptor,
                                  (ProtobufCMessage **)&reply, NULL, error);
    assert_int_equal(code == SW_OK, reply != NULL);
    if (reply != NULL) {
        assert_int_equal(strlen(reply->text), sizeof(((server *)0)->text) - 1);
        sw__echo_reply__free_unpacked(reply, NULL);
    }
    return code;
}

static void expect_service_and_close(sw_client *client)
{
    sw_error error = {0};
    sw_heap_pause();
    if (echo_call(client, &error) != SW_OK)
        fail_msg("%s", error.message);
    assert_int_equal(sw_client_last(client)->trailer_count, 1);
    assert_int_equal(sw_client_in_flight(client), 0);
    sw_client_close(&client);
    sw_heap_resume();
}

typedef struct {
    sw_client *client;
    int calls; /* of the callback; -1: the call was refused */
    sw_code code;
    sw_error error;
} seen;

static void see(const sw_reply *reply, void *context)
{
    seen *to = context;
    sw_error error = {0};
    to->calls++;
    to->code = reply->code;
    if (reply->error != NULL)
        to->error = *reply->error;
    else if (sw_client_message(to->client, reply, &sw__echo_reply__descriptor, &error) == NULL)
        expect_short(error.code, &error);
}

/* Small and large requests at once, one of them cancelled, and one call that waits. */
static void start_calls(void *context)
{
    static char large[20000];
    sw_client *client = open_client(context);
    if (client == NULL)
        return;
    seen to[3] = {{.client = client}, {.client = client}, {.client = client}};
    int started = 0;
    for (int i = 0; i < 3; i++) {
        sw_error error = {0};
        uint64_t id;
        sw_code code = sw_client_start_bytes(client, ECHO, large, i == 1 ? sizeof(large) : 0, NULL, see,
                                             &to[i], &id, &error);
        expect_short(code, &error);
        started += code == SW_OK;
        if (code != SW_OK)
            to[i].calls = -1;
        else if (i == 2)
            sw_client_cancel(client, id);
    }
    assert_in_range(started, 2, 3);
    for (int64_t end = sw_now_ms() + 20000; sw_client_in_flight(client) > 0 && sw_now_ms() < end;)
        sw_client_process(client, 20);
    for (int i = 0; i < 3; i++)
        if (to[i].calls >= 0) {
            assert_int_equal(to[i].calls, 1);
            if (i < 2)
                expect_short(to[i].code, &to[i].error);
        }
    sw_error error = {0};
    expect_short(echo_call(client, &error), &error);
    expect_service_and_close(client);
}

/* Fetches the schema, and converts request and reply. */
static void call_with_json(void *context)
{
    sw_heap_pause();
    sw_client *client = open_client(context);
    sw_heap_resume();
    sw_error error = {0};
    char *json;
    sw_code code = sw_client_call_json(client, "Echo/Echo", "{\"text\": \"hello\"}", &json, NULL, &error);
    expect_short(code, &error);
    assert_int_equal(code == SW_OK, json != NULL);
    free(json);
    sw_heap_pause();
    code = sw_client_call_json(client, "Echo/Echo", "{\"text\": \"hello\"}", &json, NULL, &error);
    if (code != SW_OK)
        fail_msg("%s", error.message);
    assert_true(strncmp(json, "{\"text\":\"xxx", 12) == 0);
    free(json);
    sw_heap_resume();
    expect_service_and_close(client);
}

static void test_calls(void **state)
{
    (void)state;
    server s = {0};
    for (fake_framing framing = FAKE_COMPACT; framing <= FAKE_MDP; framing++) {
        start_server(&s, framing);
        assert_true(sw_heap_each(start_calls, &s) > 20);
        stop_server(&s);
    }
    start_server(&s, FAKE_COMPACT);
    assert_true(sw_heap_each(call_with_json, &s) > 50);
    stop_server(&s);
}

/* --- JSON and schemas --- */

static void make_schema(void *context)
{
    (void)context;
    sw_schema *schema;
    sw_error error = {0};
    sw_code code = sw_schema_new(echo_schema, echo_schema_size, &schema, &error);
    expect_short(code, &error);
    if (code == SW_OK)
        assert_non_null(sw_schema_find_method(schema, "Echo/Echo"));
    sw_schema_destroy(&schema);
}

/* jansson's parser runs unharmed: without memory it drops characters of a text, and does not say
 * so. */
static sw_code to_message(const ProtobufCMessageDescriptor *type, const char *text,
                          ProtobufCMessage **message, sw_error *error)
{
    sw_heap_pause();
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    sw_heap_resume();
    sw_code code = sw_json_to_message(type, json, NULL, message, error);
    expect_short(code, error);
    assert_int_equal(code == SW_OK, *message != NULL);
    json_decref(json);
    return code;
}

static void convert(void *context)
{
    (void)context;
    ProtobufCMessage *message;
    sw_error error = {0};
    if (to_message(&sw__website__descriptor,
                   "{\"code\":\"a\",\"name\":\"b\",\"created_at\":\"1970-01-01T00:00:00Z\","
                   "\"revision\":\"7\",\"enabled\":true}",
                   &message, &error) == SW_OK) {
        uint8_t bytes[256];
        sw_view view = {(char *)bytes, protobuf_c_message_pack(message, bytes)};
        char *out = NULL;
        sw_code code = sw_json_from_bytes(&sw__website__descriptor, view, &out, &error);
        expect_short(code, &error);
        if (code == SW_OK)
            assert_non_null(strstr(out, "\"revision\":\"7\""));
        free(out);
        protobuf_c_message_free_unpacked(message, NULL);
    }
    if (to_message(&sw__update_website_request__descriptor,
                   "{\"update_mask\":\"code,name\",\"website\":{\"code\":\"a\"}}", &message, &error) == SW_OK)
        protobuf_c_message_free_unpacked(message, NULL);
}

static void test_json(void **state)
{
    (void)state;
    assert_true(sw_heap_each(make_schema, NULL) > 3);
    assert_true(sw_heap_each(convert, NULL) > 10);
}

/* --- The cursor of a watch --- */

static void follow(void *context)
{
    (void)context;
    sw_sequence s = {0}, t = {0};
    char name[24];
    int taken = 0;
    for (int i = 1; i <= 40; i++) {
        sw_view project = {name, (size_t)snprintf(name, sizeof(name), "website:%d", i)};
        if (sw_sequence_take(&s, project, i)) {
            taken++;
            assert_int_equal(sw_sequence_mark(&s, project), i);
        } else {
            assert_int_equal(sw_sequence_mark(&s, project), 0);
        }
    }
    assert_in_range(taken, 39, 40);
    assert_int_equal(s.count, taken);
    char *text = sw_sequence_write(&s);
    if (text != NULL && sw_sequence_read(&t, text))
        assert_int_equal(t.count, taken);
    free(text);
    sw_sequence_clear(&s);
    sw_sequence_clear(&t);
}

static void test_cursor(void **state)
{
    (void)state;
    assert_true(sw_heap_each(follow, NULL) > 80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_json), cmocka_unit_test(test_cursor),
                                       cmocka_unit_test(test_calls)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
