/* Status codes, errors, UTF-8, arena and clock. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/utf8.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_codes(void **state)
{
    (void)state;
    sw_code code = SW_OK;
    assert_string_equal(sw_code_name(SW_NOT_FOUND), "NOT_FOUND");
    assert_string_equal(sw_code_name((sw_code)17), "UNKNOWN");
    assert_string_equal(sw_code_name((sw_code)-1), "UNKNOWN");
    assert_string_equal(sw_code_text(SW_OK), "success");
    for (int i = 0; i < SW_CODE_COUNT; i++) {
        assert_true(sw_code_from_name(sw_code_name((sw_code)i), &code));
        assert_int_equal(code, i);
    }
    assert_false(sw_code_from_name("not_found", &code));
    assert_false(sw_code_from_name("", &code));
    assert_false(sw_code_from_name(NULL, &code));
}

static void test_fail(void **state)
{
    (void)state;
    sw_error error = {.retry_safe = true, .field = "old", .resource = "Website/old"};
    assert_int_equal(sw_fail(&error, SW_ABORTED, "revision %d", 7), SW_ABORTED);
    assert_int_equal(error.code, SW_ABORTED);
    assert_string_equal(error.message, "revision 7");
    assert_string_equal(error.field, "");
    assert_string_equal(error.resource, "");
    assert_true(error.local);
    assert_false(error.retry_safe);
    assert_int_equal(sw_fail_field(NULL, SW_INTERNAL, "x", "y"), SW_INTERNAL);
    sw_fail_field(&error, SW_INVALID_ARGUMENT, "website.code", "too long");
    assert_string_equal(error.field, "website.code");
    sw_fail_field(&error, SW_INVALID_ARGUMENT, error.field, "again: %s", error.message); /* its own texts */
    assert_string_equal(error.message, "again: too long");
    assert_string_equal(error.field, "website.code");
}

static void test_fail_cuts(void **state)
{
    (void)state;
    char text[2 * SW_ERROR_MESSAGE_SIZE];
    for (size_t shift = 0; shift < 4; shift++) { /* the cut falls on each byte of a character */
        memset(text, 'a', sizeof(text));
        for (size_t i = shift; i + 3 < sizeof(text); i += 3)
            memcpy(text + i, "\xE2\x82\xAC", 3);
        text[sizeof(text) - 1] = '\0';
        sw_error error;
        sw_fail_field(&error, SW_INTERNAL, text, "%s", text);
        assert_true(sw_utf8_valid(error.message, strlen(error.message)));
        assert_true(sw_utf8_valid(error.field, strlen(error.field)));
        assert_true(strlen(error.message) >= SW_ERROR_MESSAGE_SIZE - 4);
        assert_null(strchr(error.message, '?'));
    }
    sw_error error;
    sw_fail(&error, SW_INTERNAL, "peer said \xFF\xC0.");
    assert_string_equal(error.message, "peer said ?\?.");
}

static void test_utf8(void **state)
{
    (void)state;
    const char *good[] = {
        "", "ascii", "h\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xF4\x8F\xBF\xBF", "12345678\xC3\xA9"};
    const char *bad[] = {"\x80",
                         "\xC0\x80",
                         "\xC3",
                         "\xE0\x80\x80",
                         "\xED\xA0\x80",
                         "\xF0\x80\x80\x80",
                         "\xF4\x90\x80\x80",
                         "\xF5",
                         "\xE2\x82",
                         "12345678\xC3"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(sw_utf8_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(sw_utf8_valid(bad[i], strlen(bad[i])));
    assert_false(sw_utf8_valid("a\0b", 3));
    assert_false(sw_utf8_valid("12345\0"
                               "78",
                               8));
    assert_true(sw_utf8_valid(NULL, 0));
    assert_int_equal(sw_utf8_cut("a\xE2\x82\xAC", 4, 3), 1);
    assert_int_equal(sw_utf8_cut("a\xE2\x82\xAC", 4, 4), 4);
    assert_int_equal(sw_utf8_cut("abc", 3, 2), 2);
    assert_int_equal(sw_utf8_cut("\x80\x80\x80\x80\x80\x80", 6, 5), 5);
}

static void test_arena(void **state)
{
    (void)state;
    sw_arena *arena = sw_arena_new(100000);
    assert_non_null(arena);
    for (int round = 0; round < 3; round++) {
        for (size_t size = 0; size < 300; size++) {
            unsigned char *piece = sw_arena_alloc(arena, size);
            assert_non_null(piece);
            assert_int_equal((uintptr_t)piece % _Alignof(max_align_t), 0);
            for (size_t i = 0; i < size; i++)
                assert_int_equal(piece[i], 0);
            memset(piece, 0xAA, size);
        }
        assert_string_equal(sw_arena_strndup(arena, "saint-gobain", 5), "saint");
        assert_string_equal(sw_arena_strndup(arena, NULL, 0), "");
        assert_string_equal(sw_arena_printf(arena, "%s-%d", "a", 12), "a-12");
        sw_arena_reset(arena);
    }
    assert_null(sw_arena_alloc(arena, 100001));
    assert_null(sw_arena_alloc(arena, SIZE_MAX));
    assert_null(sw_arena_strndup(arena, "a", SIZE_MAX));
    assert_non_null(sw_arena_alloc(arena, 100000)); /* to the byte */
    assert_null(sw_arena_alloc(arena, 1));
    assert_null(sw_arena_printf(arena, "x"));
    sw_arena_reset(arena);
    ProtobufCAllocator *allocator = sw_arena_allocator(arena);
    void *piece = allocator->alloc(allocator->allocator_data, 5000);
    assert_non_null(piece);
    allocator->free(allocator->allocator_data, piece);
    sw_arena_destroy(&arena);
    assert_null(arena);
    sw_arena_destroy(&arena);
}

static int64_t frozen;

static int64_t read_frozen(void)
{
    return frozen;
}

static void test_clock(void **state)
{
    (void)state;
    int64_t before = sw_now_us();
    assert_true(sw_now_us() >= before);
    assert_true(sw_wall_us() > INT64_C(1700000000000000));
    frozen = 1234567;
    sw_clock_set(read_frozen);
    assert_int_equal(sw_now_us(), 1234567);
    assert_int_equal(sw_now_ms(), 1234);
    sw_clock_set(NULL);
    assert_true(sw_now_us() >= before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes), cmocka_unit_test(test_fail),  cmocka_unit_test(test_fail_cuts),
        cmocka_unit_test(test_utf8),  cmocka_unit_test(test_arena), cmocka_unit_test(test_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
