/* Times of PostgreSQL's binary format (time.h). */
#include "store/bind/time.h"
#include "base/time_text.h"

bool sw_time_parse(const char *text, int64_t *pg_us)
{
    int64_t seconds;
    int32_t nanos = 0;
    return (sw_timestamp_parse(text, &seconds, &nanos) || sw_date_parse(text, &seconds)) &&
           sw_time_from_parts(seconds, nanos, pg_us);
}

bool sw_time_from_parts(int64_t seconds, int32_t nanos, int64_t *pg_us)
{
    if (seconds < SW_TIMESTAMP_MIN || seconds > SW_TIMESTAMP_MAX || nanos < 0 || nanos > 999999999)
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
