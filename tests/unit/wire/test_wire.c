/* The header codec against protobuf-c's, and the envelope's rules. */
#include "base/utf8.h"
#include "wire/batch.h"

#include "sitewire/rpc/v1/rpc.pb-c.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void call_header_is_what_protobuf_reads(void **state)
{
    (void)state;
    sw_call_header header = {.method = SW_VIEW("/a.B/C"),
                             .call_id = 1ULL << 40,
                             .time_left_ms = 30000,
                             .credit = 7,
                             .request_id = SW_VIEW("r-1"),
                             .destination = SW_VIEW("@x"),
                             .elsewhere = true,
                             .metadata_count = 1};
    header.metadata[0] = (sw_pair){SW_VIEW("traceparent"), SW_VIEW("00-1")};
    uint8_t bytes[256];
    size_t size = sw_call_header_encode(&header, bytes, sizeof(bytes));
    assert_true(size <= sizeof(bytes));
    assert_int_equal(sw_call_header_encode(&header, NULL, 0), size);
    Sw__CallHeader *read = sw__call_header__unpack(NULL, size, bytes);
    assert_non_null(read);
    assert_string_equal(read->method, "/a.B/C");
    assert_true(read->call_id == 1ULL << 40);
    assert_int_equal(read->time_left_ms, 30000);
    assert_string_equal(read->metadata[0]->key, "traceparent");
    assert_string_equal(read->destination, "@x");
    assert_true(read->elsewhere);
    sw__call_header__free_unpacked(read, NULL);
    static sw_call_header back;
    assert_true(sw_call_header_decode(bytes, size, &back));
    assert_true(sw_view_equal(back.request_id, header.request_id));
    assert_int_equal(back.credit, 7);
    assert_true(back.elsewhere);
    assert_true(sw_view_equal(back.metadata[0].value, header.metadata[0].value));
    /* Cut anywhere it is never read past its end (the sanitizers watch). */
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *exact = malloc(cut + 1);
        memcpy(exact, bytes, cut);
        sw_call_header_decode(exact, cut, &back);
        free(exact);
    }
}

static void handover_is_what_protobuf_reads(void **state)
{
    (void)state;
    sw_handover handover = {SW_VIEW("ann@a.example"),
                            SW_VIEW("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"),
                            3,
                            4,
                            0xfedcba9876543210,
                            5},
                back;
    uint8_t bytes[256];
    size_t size = sw_handover_encode(&handover, bytes, sizeof(bytes));
    Sw__Handover *read = sw__handover__unpack(NULL, size, bytes);
    assert_non_null(read);
    assert_string_equal(read->caller, "ann@a.example");
    assert_string_equal(read->key, "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7");
    assert_int_equal(read->time_left_ms, 4);
    assert_true(read->database == handover.database && read->timeline == 5);
    sw__handover__free_unpacked(read, NULL);
    assert_true(sw_handover_decode(bytes, size, &back));
    assert_true(sw_view_equal(back.key, handover.key));
    assert_true(sw_view_equal(back.caller, handover.caller));
    assert_true(back.database == handover.database && back.timeline == 5);
}

static void reply_header_carries_details(void **state)
{
    (void)state;
    sw_error error = {
        .code = SW_UNAVAILABLE, .message = "gone", .field = "website.code", .resource = "Website/a/b"};
    sw_reply_header header = {.call_id = 9, .timing = {1, 200, 30}}, back;
    sw_reply_header_from_error(&error, &header);
    header.details[header.detail_count++] = (sw_detail){.kind = SW_DETAIL_ELSEWHERE};
    uint8_t bytes[512];
    size_t size = sw_reply_header_encode(&header, bytes, sizeof(bytes));
    Sw__ReplyHeader *read = sw__reply_header__unpack(NULL, size, bytes);
    assert_non_null(read);
    assert_int_equal(read->n_details, 4);
    assert_string_equal(read->details[0]->field_violation->field, "website.code");
    assert_string_equal(read->details[1]->resource->key, "a/b");
    assert_true(read->details[2]->execution->may_have_run);
    assert_non_null(read->details[3]->elsewhere);
    assert_int_equal(read->timing->service_us, 200);
    sw__reply_header__free_unpacked(read, NULL);
    assert_true(sw_reply_header_decode(bytes, size, &back));
    sw_error got;
    sw_error_from_reply_header(&back, &got);
    assert_int_equal(got.code, SW_UNAVAILABLE);
    assert_string_equal(got.message, "gone");
    assert_string_equal(got.field, "website.code");
    assert_string_equal(got.resource, "Website/a/b");
    assert_false(got.retry_safe);
    assert_int_equal(back.timing.sql_us, 30);
    assert_int_equal(back.detail_count, 4);
    assert_int_equal(back.details[3].kind, SW_DETAIL_ELSEWHERE);
}

static void broken_headers_are_refused(void **state)
{
    (void)state;
    static sw_call_header header;
    static const struct {
        const char *bytes;
        size_t size;
    } broken[] = {
        {"\x0a", 1},                                          /* key without length */
        {"\x0a\x05/a", 4},                                    /* text past the end */
        {"\x0a\x02\xff\xfe", 4},                              /* no UTF-8 */
        {"\x0a\x02/\0", 4},                                   /* NUL in text */
        {"\x0b", 1},                                          /* group */
        {"\x00\x00", 2},                                      /* field 0 */
        {"\x08\x01", 2},                                      /* method as a number */
        {"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 11}, /* varint over 64 bits */
    };
    for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++)
        assert_false(sw_call_header_decode(broken[i].bytes, broken[i].size, &header));
    uint8_t many[(SW_METADATA_MAX + 1) * 2];
    for (size_t i = 0; i < sizeof(many); i += 2)
        memcpy(many + i, "\x32\0", 2);
    assert_true(sw_call_header_decode(many, sizeof(many) - 2, &header));
    assert_false(sw_call_header_decode(many, sizeof(many), &header));
    assert_true(sw_call_header_decode("\x7a\x01x\x9d\x01....", 9, &header)); /* unknown fields are skipped */
}

static void method_names(void **state)
{
    (void)state;
    assert_true(sw_view_equal(sw_method_service(SW_VIEW("/a.b.C/D")), SW_VIEW("a.b.C")));
    const char *bad[] = {"", "/", "a.b/C", "//C", "/a/", "/a/b/c", "/a"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(sw_method_service(sw_view_of(bad[i])).size, 0);
}

static void compact_golden_bytes(void **state)
{
    (void)state;
    sw_compact message = {.command = SW_COMPACT_REQUEST,
                          .tag = 0x0102030405060708ULL,
                          .header = SW_VIEW("hh"),
                          .handover = SW_VIEW("o"),
                          .payload = SW_VIEW("ppp")};
    zmq_msg_t frame;
    assert_true(sw_compact_encode(&message, &frame));
    static const char golden[] =
        "SW\x01\x01\0\0\0\x02\0\0\0\x01\0\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08hhoppp";
    assert_int_equal(zmq_msg_size(&frame), sizeof(golden) - 1);
    assert_memory_equal(zmq_msg_data(&frame), golden, sizeof(golden) - 1);
    sw_compact back;
    assert_true(sw_compact_decode(zmq_msg_data(&frame), zmq_msg_size(&frame), &back));
    assert_true(back.tag == message.tag && back.command == SW_COMPACT_REQUEST);
    assert_true(sw_view_equal(back.payload, message.payload) &&
                sw_view_equal(back.handover, message.handover));
    /* Each single damage that breaks a rule. */
    static const struct {
        size_t at;
        char byte;
    } damage[] = {{0, 'X'}, {2, 2},   {3, 0},  {3, 6},  {4, 1}, {7, 60},
                  {8, 1},   {11, 60}, {12, 1}, {15, 1}, {15, 2}};
    for (size_t i = 0; i < sizeof(damage) / sizeof(*damage); i++) {
        char copy[sizeof(golden)];
        memcpy(copy, golden, sizeof(golden));
        copy[damage[i].at] = damage[i].byte;
        assert_false(sw_compact_decode(copy, sizeof(golden) - 1, &back));
    }
    for (size_t cut = 0; cut < SW_COMPACT_PREFIX + 3; cut++)
        assert_false(sw_compact_decode(golden, cut, &back));
    zmq_msg_close(&frame);
}

/* Encodes parts of these sizes and decodes them again. */
static bool travels(int command, size_t header, size_t handover, size_t payload)
{
    static char bytes[SW_HEADER_MAX + 1];
    zmq_msg_t frame;
    sw_compact back;
    sw_compact message = {.command = command,
                          .header = {bytes, header},
                          .handover = {bytes, handover},
                          .payload = {bytes, payload}};
    if (!sw_compact_encode(&message, &frame))
        return false;
    bool decoded = sw_compact_decode(zmq_msg_data(&frame), zmq_msg_size(&frame), &back);
    assert_true(!decoded || (back.command == message.command && back.header.size == header &&
                             back.handover.size == handover && back.payload.size == payload));
    zmq_msg_close(&frame);
    return decoded;
}

static void compact_bounds(void **state)
{
    (void)state;
    for (int command = SW_COMPACT_REQUEST; command <= SW_COMPACT_CREDIT; command++)
        assert_true(travels(command, 1, 1, 1));
    assert_false(travels(SW_COMPACT_CREDIT + 1, 1, 1, 1));
    assert_true(travels(SW_COMPACT_REQUEST, SW_HEADER_MAX, 1024, SW_COMPACT_INLINE));
    assert_false(travels(SW_COMPACT_REQUEST, SW_HEADER_MAX + 1, 1024, SW_COMPACT_INLINE));
    assert_false(travels(SW_COMPACT_REQUEST, SW_HEADER_MAX, 1025, SW_COMPACT_INLINE));
    assert_false(travels(SW_COMPACT_REQUEST, SW_HEADER_MAX, 1024, SW_COMPACT_INLINE + 1));
}

static void batches(void **state)
{
    (void)state;
    sw_batch batch = {0};
    zmq_msg_t frame;
    sw_view rest, one;
    memcpy(sw_batch_append(&batch, 3), "SW1", 3);
    assert_true(sw_batch_take(&batch, &frame)); /* a single one travels as it is */
    assert_int_equal(zmq_msg_size(&frame), 3);
    zmq_msg_close(&frame);
    memcpy(sw_batch_append(&batch, 2), "ab", 2);
    assert_non_null(sw_batch_append(&batch, 0));
    memcpy(sw_batch_append(&batch, 1), "c", 1);
    assert_true(sw_batch_take(&batch, &frame));
    static const char golden[] = "SW\x01\x06\0\0\0\x02"
                                 "ab\0\0\0\0\0\0\0\x01"
                                 "c";
    assert_int_equal(zmq_msg_size(&frame), sizeof(golden) - 1);
    assert_memory_equal(zmq_msg_data(&frame), golden, sizeof(golden) - 1);
    rest = (sw_view){zmq_msg_data(&frame), zmq_msg_size(&frame)};
    assert_true(sw_batch_is(rest));
    assert_true(sw_batch_next(&rest, &one) && sw_view_equal(one, SW_VIEW("ab")));
    assert_true(sw_batch_next(&rest, &one) && one.size == 0);
    assert_true(sw_batch_next(&rest, &one) && sw_view_equal(one, SW_VIEW("c")));
    assert_false(sw_batch_next(&rest, &one));
    assert_non_null(rest.data); /* whole */
    zmq_msg_close(&frame);
    static const char *const broken[] = {"SW\x01\x06xyz", "SW\x01\x06\xff\xff\xff\xff",
                                         "SW\x01\x06\x01\x01\x01\x01z"};
    for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
        rest = sw_view_of(broken[i]);
        assert_false(sw_batch_next(&rest, &one));
        assert_null(rest.data);
    }
    /* Up to SW_BATCH_FULL there is room for the largest message, and over the most there is
     * none. */
    while (batch.size <= SW_BATCH_FULL)
        assert_non_null(sw_batch_append(&batch, SW_COMPACT_PREFIX + SW_COMPACT_INLINE));
    assert_non_null(sw_batch_append(&batch, 1000));
    assert_null(sw_batch_append(&batch, SW_BATCH_MAX));
    static char large[SW_BATCH_MAX + 1] = "SW\1\6"; /* empty messages */
    rest = (sw_view){large, SW_BATCH_MAX};
    assert_true(sw_batch_next(&rest, &one) && one.size == 0);
    rest = (sw_view){large, SW_BATCH_MAX + 1};
    assert_false(sw_batch_next(&rest, &one));
    assert_null(rest.data);
    assert_null(sw_batch_append(&batch, SIZE_MAX));
    sw_batch_clear(&batch);
}

static void messages_are_bounded(void **state)
{
    (void)state;
    void *context = zmq_ctx_new(), *a = zmq_socket(context, ZMQ_PAIR), *b = zmq_socket(context, ZMQ_PAIR);
    assert_int_equal(zmq_bind(a, "inproc://m"), 0);
    assert_int_equal(zmq_connect(b, "inproc://m"), 0);
    for (int i = 0; i < 40; i++)
        assert_int_equal(zmq_send(a, "x", 1, i < 39 ? ZMQ_SNDMORE : 0), 1);
    sw_message message;
    assert_int_equal(sw_message_recv(b, &message), 0);
    assert_true(message.overflow);
    assert_int_equal(message.count, SW_FRAMES_MAX + 2);
    sw_message_close(&message);
    assert_int_equal(sw_message_recv(b, &message), EAGAIN);
    assert_true(sw_message_add(&message, "one", 3) && sw_message_add(&message, NULL, 0));
    assert_int_equal(sw_message_send(b, &message), 0);
    assert_int_equal(sw_message_recv(a, &message), 0);
    assert_int_equal(message.count, 2);
    assert_true(sw_view_equal(sw_message_view(&message, 0), SW_VIEW("one")));
    sw_message_close(&message);
    zmq_close(a);
    zmq_close(b);
    zmq_ctx_term(context);
}

static void utf8(void **state)
{
    (void)state;
    const char *good[] = {
        "", "plain ascii text of some length", "é", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf", "01234567é"};
    const char *bad[] = {"\x80", "\xc0\xaf",   "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                         "\xf5", "abcdefg\xc3"};
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        assert_true(sw_utf8_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(sw_utf8_valid(bad[i], strlen(bad[i])));
    assert_false(sw_utf8_valid("12345678\0abcdefg", 16));
    assert_true(sw_utf8_valid(NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(call_header_is_what_protobuf_reads),
        cmocka_unit_test(handover_is_what_protobuf_reads),
        cmocka_unit_test(reply_header_carries_details),
        cmocka_unit_test(broken_headers_are_refused),
        cmocka_unit_test(method_names),
        cmocka_unit_test(compact_golden_bytes),
        cmocka_unit_test(compact_bounds),
        cmocka_unit_test(messages_are_bounded),
        cmocka_unit_test(utf8),
        cmocka_unit_test(batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
