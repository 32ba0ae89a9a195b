/* sw_client_message reads a reply in its callback: it reuses memory, and refuses what is not a
 * message. */
#include "fake_broker.h"

#include "base/clock.h"
#include "wire/validate.h"
#include <google/protobuf/descriptor.pb-c.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sitewire/rpc.h>

#define CHECK "/sitewire.rpc.v1.Health/Check"

typedef struct fixture {
    fake_broker fake;
    sw_client *client;
    fake_request request;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    sw_error error;
    fake_open(&f->fake, FAKE_COMPACT);
    assert_int_equal(sw_client_open(f->fake.endpoint, NULL, &f->client, &error), SW_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    sw_client_close(&f->client);
    fake_close(&f->fake);
    free(f);
    return 0;
}

/* What a callback read as a message of that type. */
typedef struct read_reply {
    sw_client *client;
    const ProtobufCMessageDescriptor *type;
    int calls, read;
    size_t size;
    const void *message; /* where it was */
    sw_error error;
} read_reply;

static void read_message(const sw_reply *reply, void *context)
{
    read_reply *to = context;
    to->calls++;
    to->error = (sw_error){0};
    const ProtobufCMessage *one = sw_client_message(to->client, reply, to->type, &to->error);
    const ProtobufCMessage *two = sw_client_message(to->client, reply, to->type, NULL);
    assert_true((one == NULL) == (two == NULL));
    if (one == NULL)
        return;
    assert_ptr_not_equal(one, two);
    to->read++;
    to->size = protobuf_c_message_get_packed_size(one);
    to->message = one;
    assert_int_equal(protobuf_c_message_get_packed_size(two), to->size);
}

/* Answers a call, and lets its callback read the reply. */
static void answer_read(fixture *f, read_reply *to, uint32_t code, const void *payload, size_t size)
{
    sw_error error;
    int calls = to->calls;
    assert_int_equal(sw_client_start_bytes(f->client, CHECK, "", 0, NULL, read_message, to, NULL, &error),
                     SW_OK);
    assert_true(fake_next(&f->fake, f->client, &f->request, 20000));
    fake_send(&f->fake, &f->request, true, &(sw_reply_header){.code = code, .message = SW_VIEW("not today")},
              payload, size);
    for (int64_t end = sw_now_ms() + 20000; to->calls == calls && sw_now_ms() < end;)
        sw_client_process(f->client, 20);
    assert_int_equal(to->calls, calls + 1);
}

static void test_message(void **state)
{
    fixture *f = *state;
    read_reply to = {.client = f->client, .type = &sw__health_check_response__descriptor};
    Sw__HealthCheckResponse health = SW__HEALTH_CHECK_RESPONSE__INIT;
    const void *first = NULL;
    static const size_t sizes[] = {1, 100, 3000000, 5, 900000, 700000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        health.reason = calloc(1, sizes[i] + 1);
        memset(health.reason, 'r', sizes[i]);
        size_t size = sw__health_check_response__get_packed_size(&health);
        uint8_t *payload = malloc(size);
        sw__health_check_response__pack(&health, payload);
        answer_read(f, &to, SW_OK, payload, size);
        free(payload);
        free(health.reason);
        assert_int_equal(to.read, i + 1);
        assert_int_equal(to.size, size);
        assert_true(i == 0 || to.message == first); /* the memory serves again */
        first = to.message;
    }
    int read = to.read;
    answer_read(f, &to, SW_OK, "\x12\x02\xff\xfe", 4);
    assert_int_equal(to.error.code, SW_DATA_LOSS);
    assert_non_null(strstr(to.error.message, "UTF-8"));
    answer_read(f, &to, SW_OK, "\x12\x7f", 2);
    assert_int_equal(to.error.code, SW_DATA_LOSS);
    assert_non_null(strstr(to.error.message, "cut short"));
    answer_read(f, &to, SW_NOT_FOUND, "", 0);
    assert_int_equal(to.error.code, SW_NOT_FOUND);
    assert_string_equal(to.error.message, "not today");
    assert_int_equal(to.read, read);
    /* Not outside of a callback, where nobody would take the memory back. */
    assert_null(sw_client_message(f->client, sw_client_last(f->client),
                                  &sw__health_check_response__descriptor, &to.error));
    assert_int_equal(to.error.code, SW_FAILED_PRECONDITION);
}

/* Fields are checked in whatever order they come, and messages as deep as they nest. */
static void test_message_is_checked(void **state)
{
    fixture *f = *state;
    read_reply to = {.client = f->client, .type = &google__protobuf__descriptor_proto__descriptor};
    answer_read(f, &to, SW_OK, "\x52\x01r\x0a\x01n\x52\x02rr", 10);
    assert_int_equal(to.read, 1);
    static const char *const broken[] = {"\x0a\x02\xff\xfe\x52\x01r", "\x52\x01r\x0a\x02\xff\xfe",
                                         "\x0a\x01n\x52\x02\xff\xfe", "\x52\x02\xff\xfe\x0a\x01n"};
    for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
        answer_read(f, &to, SW_OK, broken[i], 7);
        assert_int_equal(to.error.code, SW_DATA_LOSS);
    }
    /* nested_type in nested_type, in front of a name */
    for (size_t depth = 1; depth < SW_MESSAGE_DEPTH_MAX + 20; depth++) {
        uint8_t nested[512], *at = nested + sizeof(nested);
        for (size_t i = 1; i < depth; i++) {
            size_t size = (size_t)(nested + sizeof(nested) - at);
            if (size >= 128)
                *--at = (uint8_t)(size >> 7);
            *--at = (uint8_t)(size >= 128 ? size | 128 : size);
            *--at = 0x1a;
        }
        answer_read(f, &to, SW_OK, at, (size_t)(nested + sizeof(nested) - at));
        assert_int_equal(to.error.code, depth <= SW_MESSAGE_DEPTH_MAX ? SW_OK : SW_DATA_LOSS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_message, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_message_is_checked, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
