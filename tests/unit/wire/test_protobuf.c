/* The wire format of protobuf: varints, keys, values, and what all readers refuse. */
#include "wire/protobuf.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define BYTES(...)                                                                                           \
    ((sw_view){(const char *)(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})})

static void test_varints(void **state)
{
    (void)state;
    static const struct {
        uint64_t value;
        size_t size;
    } rows[] = {{0, 1},     {1, 1},     {127, 1},        {128, 2},
                {16383, 2}, {16384, 3}, {UINT32_MAX, 5}, {UINT64_MAX, 10}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t bytes[SW_PB_VARINT_MAX];
        uint64_t value;
        assert_int_equal(sw_pb_put_varint(bytes, rows[i].value) - bytes, rows[i].size);
        assert_int_equal(sw_pb_varint_size(rows[i].value), rows[i].size);
        sw_pb_reader reader = {bytes, bytes + rows[i].size};
        assert_true(sw_pb_varint(&reader, SW_PB_VARINT_MAX, &value));
        assert_true(value == rows[i].value);
        assert_ptr_equal(reader.at, reader.end);
        reader = (sw_pb_reader){bytes, bytes + rows[i].size - 1};
        assert_false(sw_pb_varint(&reader, SW_PB_VARINT_MAX, &value)); /* cut short */
    }
    for (unsigned bit = 0; bit < 64; bit++) {
        uint8_t bytes[SW_PB_VARINT_MAX];
        assert_int_equal(sw_pb_put_varint(bytes, UINT64_C(1) << bit) - bytes, bit / 7 + 1);
        assert_int_equal(sw_pb_varint_size(UINT64_C(1) << bit), bit / 7 + 1);
    }
}

static void test_fields(void **state)
{
    (void)state;
    sw_pb_field field;
    sw_view text;
    int64_t number;
    uint32_t low;
    sw_pb_reader reader =
        sw_pb_read(BYTES(0x0a, 2, 'h', 'i',                                             /* 1: text */
                         0x10, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, /* 2: -2 */
                         0x1d, 1, 2, 3, 4, 0x21, 1, 2, 3, 4, 5, 6, 7, 8,                /* 3, 4: fixed */
                         0xfa, 0xff, 0xff, 0xff, 0x0f, 0));                             /* the last one */
    assert_true(sw_pb_next(&reader, &field));
    assert_int_equal(field.number, 1);
    assert_true(sw_pb_text(&field, &text));
    assert_true(sw_view_equal(text, SW_VIEW("hi")));
    assert_false(sw_pb_i64(&field, &number)); /* it is no number */
    assert_true(sw_pb_next(&reader, &field));
    assert_true(sw_pb_i64(&field, &number));
    assert_int_equal(number, -2);
    assert_true(sw_pb_u32(&field, &low));
    assert_int_equal(low, UINT32_MAX - 1);
    assert_false(sw_pb_text(&field, &text));
    assert_true(sw_pb_next(&reader, &field));
    assert_int_equal(field.type, SW_PB_FIXED32);
    assert_true(sw_pb_next(&reader, &field));
    assert_int_equal(field.type, SW_PB_FIXED64);
    assert_true(sw_pb_next(&reader, &field));
    assert_int_equal(field.number, SW_PB_NUMBER_MAX);
    assert_int_equal(field.bytes.size, 0);
    assert_false(sw_pb_next(&reader, &field));
    assert_true(sw_pb_good(&reader));
    reader = sw_pb_read((sw_view){0});
    assert_false(sw_pb_next(&reader, &field));
    assert_true(sw_pb_good(&reader));
}

static void test_broken(void **state)
{
    (void)state;
    const sw_view rows[] = {
        BYTES(0x80),                                                                /* a key cut short */
        BYTES(0x08),                                                                /* no value */
        BYTES(0x08, 0x80),                                                          /* a value cut short */
        BYTES(0x00, 0),                                                             /* field number 0 */
        BYTES(0x88, 0x80, 0x80, 0x80, 0x80, 0x00, 0),                               /* a key of six bytes */
        BYTES(0x80, 0x80, 0x80, 0x80, 0x10, 0),                                     /* field number 2^29 */
        BYTES(0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2),       /* more than 64 bits */
        BYTES(0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0), /* eleven bytes */
        BYTES(0x0a, 1),                                                             /* longer than the rest */
        BYTES(0x0a, 0x80, 0x80, 0x80, 0x80, 0x80, 0), /* a length of six bytes */
        BYTES(0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f),    /* a huge length */
        BYTES(0x0d, 1, 2, 3),                         /* 3 bytes of 4 */
        BYTES(0x09, 1, 2, 3, 4, 5, 6, 7),             /* 7 bytes of 8 */
        BYTES(0x0b),
        BYTES(0x0c),
        BYTES(0x0e),
        BYTES(0x0f), /* groups, unassigned types */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        sw_pb_reader reader = sw_pb_read(rows[i]);
        sw_pb_field field;
        if (sw_pb_next(&reader, &field) || sw_pb_good(&reader))
            fail_msg("row %zu was taken", i);
    }
    sw_pb_reader reader = sw_pb_read(BYTES(0x0a, 1, 0xff, 0x0a, 1, 0));
    sw_pb_field field;
    sw_view text;
    assert_true(sw_pb_next(&reader, &field));
    assert_false(sw_pb_text(&field, &text)); /* not UTF-8 */
    assert_true(sw_pb_next(&reader, &field));
    assert_false(sw_pb_text(&field, &text)); /* a NUL */
}

static void test_writing(void **state)
{
    (void)state;
    static const uint8_t golden[] = {0x08, 0x96, 0x01, 0x82, 0x01, 2, 'h', 'i', 0x1a, 0};
    uint8_t bytes[sizeof(golden)], *at = bytes;
    at = sw_pb_put_varint(sw_pb_put_key(at, 1, SW_PB_VARINT), 150);
    at = sw_pb_put_bytes(at, 16, SW_VIEW("hi"));
    at = sw_pb_put_bytes(at, 3, (sw_view){0});
    assert_int_equal(at - bytes, sizeof(golden));
    assert_memory_equal(bytes, golden, sizeof(golden));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_varints),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
