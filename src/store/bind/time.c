/* Parsing of RFC 3339 times and conversion to PostgreSQL's (time.h). Used by bind.c. */
#include "store/bind/time.h"
#include <stddef.h>

static const int64_t second_min = -62135596800, second_max = 253402300799; /* years 1 to 9999 */

/* Exactly `count` digits. */
static bool digits(const char **at, int count, int *value)
{
    *value = 0;
    for (; count > 0; count--, (*at)++) {
        if (**at < '0' || **at > '9')
            return false;
        *value = *value * 10 + (**at - '0');
    }
    return true;
}

static bool skip(const char **at, char c)
{
    if (**at != c)
        return false;
    (*at)++;
    return true;
}

/* Days since 1970-01-01 of the proleptic Gregorian calendar (H. Hinnant, days_from_civil). */
static int64_t days_from_civil(int year, int month, int day)
{
    year -= month <= 2;
    int era = year / 400, yoe = year % 400;
    int doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return (int64_t)era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static bool date(const char **at, int64_t *days)
{
    static const int length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day;
    if (!digits(at, 4, &year) || !skip(at, '-') || !digits(at, 2, &month) || !skip(at, '-') ||
        !digits(at, 2, &day) || year < 1 || month < 1 || month > 12 || day < 1)
        return false;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (day > length[month - 1] + (month == 2 && leap))
        return false;
    *days = days_from_civil(year, month, day);
    return true;
}

static bool offset(const char **at, int *seconds)
{
    *seconds = 0;
    if (skip(at, 'Z') || skip(at, 'z'))
        return true;
    int sign = skip(at, '+') ? 1 : skip(at, '-') ? -1 : 0, hour, minute;
    if (!sign || !digits(at, 2, &hour) || !skip(at, ':') || !digits(at, 2, &minute) || hour > 23 ||
        minute > 59)
        return false;
    *seconds = sign * (hour * 3600 + minute * 60);
    return true;
}

bool sw_time_parse(const char *text, int64_t *pg_us)
{
    int64_t days;
    int hour, minute, second, shift, us = 0;
    const char *at = text;
    if (!date(&at, &days))
        return false;
    if (!*at)
        return sw_time_from_parts(days * 86400, 0, pg_us);
    if (!skip(&at, 'T') && !skip(&at, 't') && !skip(&at, ' '))
        return false;
    if (!digits(&at, 2, &hour) || !skip(&at, ':') || !digits(&at, 2, &minute) || !skip(&at, ':') ||
        !digits(&at, 2, &second) || hour > 23 || minute > 59 || second > 60)
        return false;
    if (skip(&at, '.')) {
        if (*at < '0' || *at > '9')
            return false;
        for (int unit = 100000; *at >= '0' && *at <= '9'; at++, unit /= 10)
            us += (*at - '0') * unit;
    }
    if (!offset(&at, &shift) || *at)
        return false;
    int64_t seconds = days * 86400 + hour * 3600 + minute * 60 + second - shift;
    return sw_time_from_parts(seconds, us * 1000, pg_us);
}

bool sw_time_from_parts(int64_t seconds, int32_t nanos, int64_t *pg_us)
{
    if (seconds < second_min || seconds > second_max || nanos < 0 || nanos > 999999999)
        return false;
    *pg_us = (seconds - SW_PG_EPOCH) * 1000000 + nanos / 1000;
    return true;
}

bool sw_time_to_parts(int64_t pg_us, int64_t *seconds, int32_t *nanos)
{
    int64_t whole = pg_us / 1000000, rest = pg_us % 1000000;
    if (rest < 0) {
        whole--;
        rest += 1000000;
    }
    *seconds = whole + SW_PG_EPOCH;
    *nanos = (int32_t)rest * 1000;
    return pg_us != INT64_MAX && pg_us != INT64_MIN;
}
