/* Times, dates and durations as text. */
#include "base/time_text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds;
        int32_t nanos;
        const char *printed;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0, 0, "1970-01-01T00:00:00Z"},
        {"1969-12-31T23:59:59.5Z", -1, 500000000, "1969-12-31T23:59:59.500Z"},
        {"0001-01-01T00:00:00Z", -62135596800, 0, "0001-01-01T00:00:00Z"},
        {"9999-12-31T23:59:59.999999999Z", 253402300799, 999999999, "9999-12-31T23:59:59.999999999Z"},
        {"2000-02-29t12:30:00.000001+02:00", 951820200, 1000, "2000-02-29T10:30:00.000001Z"},
        {"2026-01-31T23:59:59-00:30", 1769905799, 0, "2026-02-01T00:29:59Z"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t seconds;
        int32_t nanos;
        char text[SW_TIME_TEXT_SIZE];
        assert_true(sw_timestamp_parse(rows[i].text, &seconds, &nanos));
        assert_int_equal(seconds, rows[i].seconds);
        assert_int_equal(nanos, rows[i].nanos);
        assert_true(sw_timestamp_print(seconds, nanos, text));
        assert_string_equal(text, rows[i].printed);
    }
    static const char *const bad[] = {"",
                                      "2026",
                                      "2026-01-31",
                                      "2026-01-31T23:59:59",
                                      "2026-13-01T00:00:00Z",
                                      "2026-04-31T00:00:00Z",
                                      "1900-02-29T00:00:00Z",
                                      "2026-01-31T24:00:00Z",
                                      "2026-01-31T23:59:60Z",
                                      "2026-01-31T23:59:59.Z",
                                      "2026-01-31T23:59:59.1234567891Z",
                                      "2026-01-31T23:59:59Zx",
                                      "0001-01-01T00:00:00+01:00",
                                      "2026-01-31T23:59:59+0100"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t seconds;
        int32_t nanos;
        assert_false(sw_timestamp_parse(bad[i], &seconds, &nanos));
    }
}

static void test_dates(void **state)
{
    (void)state;
    int64_t seconds;
    assert_true(sw_date_parse("2000-02-29", &seconds));
    assert_int_equal(seconds, 951782400);
    static const char *const bad[] = {"",           "2000-02-30",           "1900-02-29", "2000-13-01",
                                      "0000-01-01", "2000-01-01T00:00:00Z", "2000-01-01 "};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(sw_date_parse(bad[i], &seconds));
}

static void test_durations(void **state)
{
    (void)state;
    int64_t seconds;
    int32_t nanos;
    char text[SW_TIME_TEXT_SIZE];
    assert_true(sw_duration_parse("-0.000000001s", &seconds, &nanos));
    assert_int_equal(seconds, 0);
    assert_int_equal(nanos, -1);
    assert_true(sw_duration_print(seconds, nanos, text));
    assert_string_equal(text, "-0.000000001s");
    assert_true(sw_duration_parse("3600s", &seconds, &nanos));
    assert_int_equal(seconds, 3600);
    assert_false(sw_duration_parse("1", &seconds, &nanos));
    assert_false(sw_duration_parse("s", &seconds, &nanos));
    assert_false(sw_duration_parse("315576000001s", &seconds, &nanos));
    assert_false(sw_duration_parse("99999999999999999999s", &seconds, &nanos));
}

static void test_every_day_of_400_years(void **state)
{
    (void)state;
    int64_t seconds;
    int32_t nanos;
    char text[SW_TIME_TEXT_SIZE];
    for (int64_t day = -80000; day < 80000; day++) {
        assert_true(sw_timestamp_print(day * 86400 + 86399, 0, text));
        assert_true(sw_timestamp_parse(text, &seconds, &nanos));
        assert_int_equal(seconds, day * 86400 + 86399);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_every_day_of_400_years),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
