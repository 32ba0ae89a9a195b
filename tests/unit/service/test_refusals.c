/* The refused calls of a service on their way into the database: equal ones are counted, the number
 * is bounded, and any text becomes valid JSON. */
#include "service/refusals.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sw_refusals_writer *writer;

static int make(void **state)
{
    (void)state;
    writer = calloc(1, sizeof(*writer));
    assert_non_null(writer);
    writer->process = "sitewire-test";
    return 0;
}

static int unmake(void **state)
{
    (void)state;
    free(writer);
    return 0;
}

static void note(const char *caller, const char *method, const char *reason)
{
    const sw_refusal_note it = {.caller = sw_view_of(caller),
                                .key = SW_VIEW("key"),
                                .method = sw_view_of(method),
                                .reason = sw_view_of(reason),
                                .code = SW_PERMISSION_DENIED};
    sw_refusal_book_note(&writer->book, &it);
}

static json_t *take(void)
{
    const char *text = sw_refusals_writer_take(writer);
    json_t *items = text == NULL ? NULL : json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_true(text == NULL || items != NULL);
    return items;
}

static const char *text_of(const json_t *items, size_t i, const char *field)
{
    return json_string_value(json_object_get(json_array_get(items, i), field));
}

static json_int_t count_of(const json_t *items, size_t i)
{
    return json_integer_value(json_object_get(json_array_get(items, i), "count"));
}

static void test_counts(void **state)
{
    (void)state;
    assert_null(take());
    note("ann", "/A/B", "no");
    note("ann", "/A/B", "no");
    note("bob", "/A/B", "no");
    json_t *items = take();
    assert_int_equal(json_array_size(items), 2);
    assert_int_equal(count_of(items, 0), 2);
    assert_string_equal(text_of(items, 0, "caller"), "ann");
    assert_string_equal(text_of(items, 0, "process"), "sitewire-test");
    assert_string_equal(text_of(items, 0, "code"), "PERMISSION_DENIED");
    assert_string_equal(text_of(items, 1, "caller"), "bob");
    json_decref(items);
    assert_null(take()); /* each is taken once */
    assert_int_equal(writer->book.total, 3);
}

static void test_bounds(void **state)
{
    (void)state;
    char reason[32];
    for (int i = 0; i < 200; i++) {
        snprintf(reason, sizeof(reason), "no %d", i);
        note("ann", "/A/B", reason);
    }
    json_t *items = take();
    assert_int_equal(json_array_size(items), SW_REFUSALS_MAX + 1);
    assert_int_equal(count_of(items, SW_REFUSALS_MAX), 200 - SW_REFUSALS_MAX);
    json_decref(items);
}

/* The longest texts of the characters that take the most room. */
static void test_texts(void **state)
{
    (void)state;
    char wide[SW_REFUSAL_TEXT * 2];
    memset(wide, '\x01', sizeof(wide) - 1);
    wide[sizeof(wide) - 1] = '\0';
    for (int i = 0; i < SW_REFUSALS_MAX; i++) {
        wide[0] = (char)('0' + i);
        note(wide, wide, wide);
    }
    json_t *items = take();
    assert_int_equal(json_array_size(items), SW_REFUSALS_MAX);
    assert_int_equal(strlen(text_of(items, 0, "reason")), SW_REFUSAL_TEXT - 1);
    json_decref(items);
    note("\xff\xfe\"\\", "\xc3\xa9", "\xe2\x80\xae");
    items = take();
    assert_string_equal(text_of(items, 0, "caller"), "??\"\\");
    assert_string_equal(text_of(items, 0, "method"), "\xc3\xa9");
    json_decref(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_counts, make, unmake),
                                       cmocka_unit_test_setup_teardown(test_bounds, make, unmake),
                                       cmocka_unit_test_setup_teardown(test_texts, make, unmake)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
