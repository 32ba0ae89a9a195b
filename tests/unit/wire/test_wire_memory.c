/* The wire layer when memory runs out: each allocation in turn fails. A message or a batch that
 * could not grow is as it was before. Headers and validation need no memory at all. */
#include "echo.pb-c.h"
#include "heap.h"
#include "wire/batch.h"
#include "wire/validate.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- Frames --- */

static const sw_compact compact = {.command = SW_COMPACT_REQUEST,
                                   .tag = 7,
                                   .header = {"header", 6},
                                   .handover = {"handover", 8},
                                   .payload = {"payload", 7}};

static void expect_compact(zmq_msg_t *frame)
{
    sw_compact decoded;
    assert_true(sw_compact_decode(zmq_msg_data(frame), zmq_msg_size(frame), &decoded));
    assert_int_equal(decoded.tag, 7);
    assert_true(sw_view_equal(decoded.header, compact.header));
    assert_true(sw_view_equal(decoded.payload, compact.payload));
    zmq_msg_close(frame);
}

static void encode_frames(void *context)
{
    zmq_msg_t frame;
    void *payload;
    int *failures = context;
    if (sw_compact_encode(&compact, &frame))
        expect_compact(&frame);
    else
        ++*failures;
    if (sw_compact_reserve(&compact, 7, &frame, &payload)) {
        memcpy(payload, "payload", 7);
        expect_compact(&frame);
    } else {
        ++*failures;
    }
}

static void test_frames(void **state)
{
    (void)state;
    int failures = 0;
    assert_int_equal(sw_heap_each(encode_frames, &failures), 3);
    assert_int_equal(failures, 2);
}

/* A frame that could not be added leaves the message as it was; others follow. */
static void build_message(void *context)
{
    (void)context;
    static const char large[5000];
    sw_message message = {.count = 0}, other = {.count = 0};
    bool first = sw_message_add(&message, "first", 5);
    assert_int_equal(message.count, first);
    bool second = sw_message_add(&message, large, sizeof(large));
    assert_int_equal(message.count, first + second);
    assert_true(first || second);
    while (message.count < SW_FRAMES_MAX + 2 && sw_message_add(&message, "", 0))
        continue;
    if (first)
        assert_true(sw_view_equal(sw_message_view(&message, 0), SW_VIEW("first")));
    if (second)
        assert_int_equal(sw_message_view(&message, first).size, sizeof(large));
    int count = message.count;
    for (int i = 0; i < count; i++)
        assert_true(sw_message_move(&other, &message.frames[i]));
    sw_message_close(&message);
    assert_int_equal(other.count, count);
    sw_message_close(&other);
}

static void send_message(void *context)
{
    void **sockets = context;
    sw_message message = {.count = 0}, received;
    if (!sw_message_add(&message, "one", 3) || !sw_message_add(&message, "two", 3)) {
        sw_message_close(&message);
        assert_int_equal(sw_message_recv(sockets[1], &received), EAGAIN); /* no half message */
        return;
    }
    assert_int_equal(sw_message_send(sockets[0], &message), 0);
    assert_int_equal(message.count, 0);
    assert_int_equal(sw_message_recv(sockets[1], &received), 0); /* inproc: it is there at once */
    assert_int_equal(received.count, 2);
    assert_true(sw_view_equal(sw_message_view(&received, 1), SW_VIEW("two")));
    sw_message_close(&received);
}

static void test_messages(void **state)
{
    (void)state;
    assert_int_equal(sw_heap_each(build_message, NULL), SW_FRAMES_MAX + 2 + 1);
    void *context = zmq_ctx_new(),
         *sockets[] = {zmq_socket(context, ZMQ_PAIR), zmq_socket(context, ZMQ_PAIR)};
    assert_int_equal(zmq_bind(sockets[0], "inproc://memory"), 0);
    assert_int_equal(zmq_connect(sockets[1], "inproc://memory"), 0);
    assert_int_equal(sw_heap_each(send_message, sockets), 3);
    zmq_close(sockets[0]);
    zmq_close(sockets[1]);
    zmq_ctx_term(context);
}

/* --- Batches --- */

#define MESSAGES 40
#define EACH     1000 /* bytes: the batch grows four times */

/* Appends once more what memory refused, and checks that nothing was lost in between. */
static void append(sw_batch *batch, unsigned number)
{
    size_t size = batch->size;
    uint8_t *at = sw_batch_append(batch, EACH);
    if (at == NULL) {
        assert_int_equal(batch->size, size);
        assert_int_equal(batch->count, number);
        at = sw_batch_append(batch, EACH);
    }
    assert_non_null(at);
    memset(at, (int)number, EACH);
}

static void take(sw_batch *batch, zmq_msg_t *frame)
{
    size_t size = batch->size;
    if (!sw_batch_take(batch, frame)) {
        assert_int_equal(batch->size, size);
        assert_true(sw_batch_take(batch, frame));
    }
    assert_int_equal(batch->count, 0);
    assert_null(batch->data);
}

static void expect_messages(zmq_msg_t *frame)
{
    sw_view rest = {zmq_msg_data(frame), zmq_msg_size(frame)}, message;
    for (unsigned i = 0; i < MESSAGES; i++) {
        assert_true(sw_batch_next(&rest, &message));
        assert_int_equal(message.size, EACH);
        assert_int_equal(message.data[0], i);
        assert_int_equal(message.data[EACH - 1], i);
    }
    assert_false(sw_batch_next(&rest, &message));
    assert_non_null(rest.data);
}

static void fill_batch(void *context)
{
    (void)context;
    sw_batch batch = {0};
    zmq_msg_t frame;
    for (unsigned i = 0; i < MESSAGES; i++)
        append(&batch, i);
    take(&batch, &frame);
    expect_messages(&frame);
    zmq_msg_close(&frame);
    append(&batch, 0); /* alone, it becomes an ordinary frame */
    take(&batch, &frame);
    assert_int_equal(zmq_msg_size(&frame), EACH);
    zmq_msg_close(&frame);
    append(&batch, 0);
    sw_batch_clear(&batch);
}

/* 4, 8, 16, 32 and 64 KiB, and a frame; twice a small one, of which one is sent. */
static void test_batches(void **state)
{
    (void)state;
    assert_int_equal(sw_heap_each(fill_batch, NULL), 10);
}

/* --- What needs no memory --- */

static void use_headers(void)
{
    uint8_t room[512];
    sw_call_header call = {.method = SW_VIEW("/a.B/C"), .call_id = 1, .metadata_count = 1}, call_back;
    call.metadata[0] = (sw_pair){SW_VIEW("key"), SW_VIEW("value")};
    size_t size = sw_call_header_encode(&call, room, sizeof(room));
    assert_true(sw_call_header_decode(room, size, &call_back));
    assert_true(sw_view_equal(sw_method_service(call_back.method), SW_VIEW("a.B")));
    sw_handover handover = {.caller = SW_VIEW("ann"), .time_left_ms = 9}, handover_back;
    size = sw_handover_encode(&handover, room, sizeof(room));
    assert_true(sw_handover_decode(room, size, &handover_back));
    sw_error error = {.code = SW_NOT_FOUND, .message = "gone", .field = "code", .resource = "website/a"},
             back;
    sw_reply_header reply = {0}, reply_back;
    sw_reply_header_from_error(&error, &reply);
    size = sw_reply_header_encode(&reply, room, sizeof(room));
    assert_true(sw_reply_header_decode(room, size, &reply_back));
    sw_error_from_reply_header(&reply_back, &back);
    assert_string_equal(back.message, "gone");
    assert_string_equal(back.resource, "website/a");
}

static void need_nothing(void *context)
{
    static const char good[] = "\x0a\x02hi", bad[] = "\x0a\x02\xff\xff";
    sw_error error;
    (void)context;
    use_headers();
    assert_int_equal(sw_message_validate(&sw__echo_request__descriptor, good, 4, 10, &error), SW_OK);
    assert_int_equal(sw_message_validate(&sw__echo_request__descriptor, bad, 4, 10, &error),
                     SW_INVALID_ARGUMENT);
    assert_string_equal(error.field, "text");
}

static void test_no_memory_needed(void **state)
{
    (void)state;
    assert_int_equal(sw_heap_each(need_nothing, NULL), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_no_memory_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
