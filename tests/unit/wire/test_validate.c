/* The walk over a request's bytes: what protobuf-c would let through, and the path of the field at
 * fault. */
#include "echo.pb-c.h"
#include "wire/validate.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(...) ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})

static const ProtobufCMessageDescriptor *const type = &sw__echo_request__descriptor;

static void good(const uint8_t *data, size_t size)
{
    sw_error error = {.message = ""};
    assert_int_equal(sw_message_validate(type, data, size, SW_REQUEST_ELEMENTS_MAX, &error), SW_OK);
    Sw__EchoRequest *request = sw__echo_request__unpack(NULL, size, data);
    assert_non_null(request);
    sw__echo_request__free_unpacked(request, NULL);
}

static void bad(const char *field, const uint8_t *data, size_t size)
{
    sw_error error;
    assert_int_equal(sw_message_validate(type, data, size, SW_REQUEST_ELEMENTS_MAX, &error),
                     SW_INVALID_ARGUMENT);
    assert_int_equal(error.code, SW_INVALID_ARGUMENT);
    assert_string_equal(error.field, field);
    assert_true(strlen(error.message) > 0);
    assert_int_equal(sw_message_validate(type, data, size, SW_REQUEST_ELEMENTS_MAX, NULL),
                     SW_INVALID_ARGUMENT);
}

static void test_well_formed(void **state)
{
    (void)state;
    assert_int_equal(sw_message_validate(type, NULL, 0, 0, NULL), SW_OK);
    good(BYTES(0x0a, 2, 'h', 'i'));
    good(BYTES(0x0a, 2, 0xc3, 0xa9));                      /* é */
    good(BYTES(0x12, 2, 0, 0xff));                         /* bytes may be anything */
    good(BYTES(0x22, 3, 1, 0x96, 1));                      /* packed */
    good(BYTES(0x20, 1, 0x20, 0x96, 1));                   /* not packed */
    good(BYTES(0x1a, 3, 0x0a, 1, 'x', 0x1a, 0));           /* nested messages */
    good(BYTES(0x78, 1, 0x7d, 1, 2, 3, 4, 0x82, 1, 1, 0)); /* unknown fields of three types */
    good(BYTES(0x0a, 1, 'a', 0x0a, 1, 'b'));               /* the last one holds */
}

static void test_text(void **state)
{
    (void)state;
    bad("text", BYTES(0x0a, 1, 0xff));
    bad("text", BYTES(0x0a, 3, 'a', 0, 'b'));
    bad("text", BYTES(0x0a, 2, 0xc0, 0x80));       /* overlong NUL */
    bad("text", BYTES(0x0a, 3, 0xed, 0xa0, 0x80)); /* surrogate */
    bad("nested[1].text", BYTES(0x1a, 0, 0x1a, 3, 0x0a, 1, 0xff));
    bad("inner.nested[0].text", BYTES(0x2a, 5, 0x1a, 3, 0x0a, 1, 0));
}

static void test_broken(void **state)
{
    (void)state;
    bad("", BYTES(0x80));                                  /* key cut short */
    bad("", BYTES(0x8a, 0x80, 0x80, 0x80, 0x80, 0x00, 0)); /* a key in more bytes than protobuf-c takes */
    bad("", BYTES(0x00, 1));                               /* field number 0 */
    bad("text", BYTES(0x0a, 5, 'h', 'i'));                 /* longer than the rest */
    bad("text", BYTES(0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1)); /* a huge length */
    bad("text", BYTES(0x08, 1));                                                       /* a number for text */
    bad("data", BYTES(0x15, 1, 2, 3, 4));                                              /* 4 bytes for bytes */
    bad("numbers[0]", BYTES(0x20, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2));
    bad("numbers[0]", BYTES(0x22, 2, 1, 0x80)); /* packed, the last one cut short */
    bad("numbers[0]", BYTES(0x25, 1, 2, 3, 4));
    bad("#15", BYTES(0x7b, 0x7c));         /* a group */
    bad("#15", BYTES(0x7d, 1, 2));         /* an unknown field cut short */
    bad("inner", BYTES(0x2a, 0, 0x2a, 0)); /* twice: protobuf-c would merge */
    bad("inner", BYTES(0x2a, 1, 0x80));    /* a broken key in a message within */
}

/* A message within a message, `levels` deep in all. */
static size_t nest(uint8_t *to, int levels)
{
    size_t size = 0;
    uint8_t text[4096];
    for (int i = 1; i < levels; i++) {
        size_t used = 0;
        text[used++] = 0x2a;
        if (size >= 0x80)
            text[used++] = (uint8_t)(size | 0x80);
        text[used++] = (uint8_t)(size >= 0x80 ? size >> 7 : size);
        memcpy(text + used, to, size);
        size += used;
        memcpy(to, text, size);
    }
    return size;
}

static void test_depth(void **state)
{
    (void)state;
    uint8_t data[4096] = {0};
    good(data, nest(data, SW_MESSAGE_DEPTH_MAX));
    sw_error error;
    size_t size = nest(data, SW_MESSAGE_DEPTH_MAX + 1);
    assert_int_equal(sw_message_validate(type, data, size, SW_REQUEST_ELEMENTS_MAX, &error),
                     SW_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "too deep"));
    assert_memory_equal(error.field, "inner.inner.", 12);
}

static void test_count(void **state)
{
    (void)state;
    size_t size = 2 * (SW_REQUEST_ELEMENTS_MAX + 1);
    uint8_t *data = calloc(1, size);
    assert_non_null(data);
    for (size_t i = 0; i < size; i += 2)
        data[i] = 0x1a;
    good(data, size - 2);
    bad("nested[65536]", data, size);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_well_formed), cmocka_unit_test(test_text),  cmocka_unit_test(test_broken),
        cmocka_unit_test(test_depth),       cmocka_unit_test(test_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
