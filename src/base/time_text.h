/* Times and durations as text, as proto3 JSON writes them: RFC 3339 and `1.5s`. Used by the JSON
 * codec, the filters of lists and the command line. Thread-safe. */
#ifndef SW_BASE_TIME_TEXT_H
#define SW_BASE_TIME_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#define SW_TIMESTAMP_MIN INT64_C(-62135596800) /* 0001-01-01T00:00:00Z, in seconds since 1970 */
#define SW_TIMESTAMP_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
#define SW_DURATION_MAX  INT64_C(315576000000) /* seconds; about 10 000 years */

#define SW_TIME_TEXT_SIZE 40 /* bytes of a printed time or duration, NUL included */

/* `2026-01-31T12:00:00.5Z`, `2026-01-31 12:00:00+01:00`: seconds since 1970-01-01T00:00:00Z and 0
 * to 999999999 ns. At most nine digits of a fraction. False for anything else: a date that does not
 * exist, second 60, a year outside 1 to 9999. */
bool sw_timestamp_parse(const char *text, int64_t *seconds, int32_t *nanos);
/* In UTC, with `Z` and 0, 3, 6 or 9 digits of a fraction. False outside the bounds above. */
bool sw_timestamp_print(int64_t seconds, int32_t nanos, char text[SW_TIME_TEXT_SIZE]);
/* A date alone, `2026-01-31`: its midnight in UTC. */
bool sw_date_parse(const char *text, int64_t *seconds);

/* `3s`, `-0.000000001s`: seconds and nanoseconds have the same sign. */
bool sw_duration_parse(const char *text, int64_t *seconds, int32_t *nanos);
bool sw_duration_print(int64_t seconds, int32_t nanos, char text[SW_TIME_TEXT_SIZE]);

#endif
