/* Times and durations as text (time_text.h). Dates are of the proleptic Gregorian calendar. */
#include "base/time_text.h"

#include <stdio.h>
#include <string.h>

#define DAY_SECONDS   86400
#define ERA_DAYS      146097     /* of 400 years */
#define MARCH_TO_1970 719468     /* days from 0000-03-01 to 1970-01-01 */
#define NANOS         1000000000 /* of a second */
#define FRACTION_SIZE 16

/* Years begin in March here: then the leap day is the last day of its year. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1, era = y / 400, in_era = y - era * 400;
    int64_t in_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * ERA_DAYS + in_era * 365 + in_era / 4 - in_era / 100 + in_year - MARCH_TO_1970;
}

static void date_of(int64_t days, int *year, int *month, int *day)
{
    days += MARCH_TO_1970;
    int64_t era = (days >= 0 ? days : days - (ERA_DAYS - 1)) / ERA_DAYS, in_era = days - era * ERA_DAYS;
    int64_t y = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t in_year = in_era - (365 * y + y / 4 - y / 100), m = (5 * in_year + 2) / 153;
    *day = (int)(in_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = (int)(y + era * 400 + (*month <= 2));
}

static bool take_digits(const char **at, int count, int least, int most, int *value)
{
    *value = 0;
    for (int i = 0; i < count; i++, (*at)++) {
        if (**at < '0' || **at > '9')
            return false;
        *value = *value * 10 + (**at - '0');
    }
    return *value >= least && *value <= most;
}

static bool take_char(const char **at, const char *any)
{
    if (**at == '\0' || strchr(any, **at) == NULL)
        return false;
    (*at)++;
    return true;
}

static bool take_date(const char **at, int64_t *days)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day;
    if (!take_digits(at, 4, 1, 9999, &year) || !take_char(at, "-") || !take_digits(at, 2, 1, 12, &month) ||
        !take_char(at, "-") || !take_digits(at, 2, 1, 31, &day))
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    *days = days_of(year, month, day);
    return day <= lengths[month - 1] + (month == 2 && leap);
}

/* A point and one to nine digits, or nothing. */
static bool take_fraction(const char **at, int32_t *nanos)
{
    *nanos = 0;
    if (!take_char(at, "."))
        return true;
    int digits = 0;
    for (; **at >= '0' && **at <= '9' && digits < 9; (*at)++, digits++)
        *nanos = *nanos * 10 + (**at - '0');
    for (int i = digits; i < 9; i++)
        *nanos *= 10;
    return digits > 0;
}

static bool take_time(const char **at, int64_t *seconds, int32_t *nanos)
{
    int hour, minute, second;
    if (!take_digits(at, 2, 0, 23, &hour) || !take_char(at, ":") || !take_digits(at, 2, 0, 59, &minute) ||
        !take_char(at, ":") || !take_digits(at, 2, 0, 59, &second) || !take_fraction(at, nanos))
        return false;
    *seconds = hour * 3600 + minute * 60 + second;
    return true;
}

static bool take_offset(const char **at, int64_t *seconds)
{
    int hour, minute, sign = **at == '-' ? -1 : 1;
    *seconds = 0;
    if (take_char(at, "Zz"))
        return true;
    if (!take_char(at, "+-") || !take_digits(at, 2, 0, 23, &hour) || !take_char(at, ":") ||
        !take_digits(at, 2, 0, 59, &minute))
        return false;
    *seconds = sign * (hour * 3600 + minute * 60);
    return true;
}

bool sw_timestamp_parse(const char *text, int64_t *seconds, int32_t *nanos)
{
    int64_t days, of_day, offset;
    if (!take_date(&text, &days) || !take_char(&text, "Tt ") || !take_time(&text, &of_day, nanos) ||
        !take_offset(&text, &offset) || *text != '\0')
        return false;
    *seconds = days * DAY_SECONDS + of_day - offset;
    return *seconds >= SW_TIMESTAMP_MIN && *seconds <= SW_TIMESTAMP_MAX;
}

bool sw_date_parse(const char *text, int64_t *seconds)
{
    int64_t days;
    if (!take_date(&text, &days) || *text != '\0')
        return false;
    *seconds = days * DAY_SECONDS;
    return true;
}

/* `.5` as 3, 6 or 9 digits, or nothing. */
static void print_fraction(int32_t nanos, char text[FRACTION_SIZE])
{
    if (nanos == 0)
        text[0] = '\0';
    else if (nanos % 1000000 == 0)
        snprintf(text, FRACTION_SIZE, ".%03d", nanos / 1000000);
    else if (nanos % 1000 == 0)
        snprintf(text, FRACTION_SIZE, ".%06d", nanos / 1000);
    else
        snprintf(text, FRACTION_SIZE, ".%09d", nanos);
}

bool sw_timestamp_print(int64_t seconds, int32_t nanos, char text[SW_TIME_TEXT_SIZE])
{
    if (seconds < SW_TIMESTAMP_MIN || seconds > SW_TIMESTAMP_MAX || nanos < 0 || nanos >= NANOS)
        return false;
    int64_t days = seconds >= 0 ? seconds / DAY_SECONDS : (seconds - (DAY_SECONDS - 1)) / DAY_SECONDS,
            rest = seconds - days * DAY_SECONDS;
    int year, month, day;
    char fraction[FRACTION_SIZE];
    date_of(days, &year, &month, &day);
    print_fraction(nanos, fraction);
    unsigned of_day = (unsigned)rest; /* 0 to 86399: the compiler sees what the fields can be */
    snprintf(text, SW_TIME_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u%sZ", (unsigned)year % 10000,
             (unsigned)month % 100, (unsigned)day % 100, of_day / 3600 % 24, of_day / 60 % 60, of_day % 60,
             fraction);
    return true;
}

bool sw_duration_parse(const char *text, int64_t *seconds, int32_t *nanos)
{
    const char *at = text;
    bool negative = take_char(&at, "-");
    const char *digits = at;
    for (*seconds = 0; *at >= '0' && *at <= '9' && *seconds <= SW_DURATION_MAX; at++)
        *seconds = *seconds * 10 + (*at - '0');
    if (at == digits || *seconds > SW_DURATION_MAX || !take_fraction(&at, nanos) || strcmp(at, "s") != 0)
        return false;
    if (negative) {
        *seconds = -*seconds;
        *nanos = -*nanos;
    }
    return true;
}

bool sw_duration_print(int64_t seconds, int32_t nanos, char text[SW_TIME_TEXT_SIZE])
{
    bool negative = seconds < 0 || nanos < 0;
    if (seconds > SW_DURATION_MAX || seconds < -SW_DURATION_MAX || nanos <= -NANOS || nanos >= NANOS ||
        (seconds < 0 && nanos > 0) || (seconds > 0 && nanos < 0))
        return false;
    char fraction[FRACTION_SIZE];
    print_fraction(nanos < 0 ? -nanos : nanos, fraction);
    snprintf(text, SW_TIME_TEXT_SIZE, "%s%lld%ss", negative ? "-" : "",
             (long long)(seconds < 0 ? -seconds : seconds), fraction);
    return true;
}
