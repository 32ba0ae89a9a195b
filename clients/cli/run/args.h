/* Numbers, durations and times among the flags of a command (program/args.h). Used by the
 * commands. */
#ifndef SW_CLI_ARGS_H
#define SW_CLI_ARGS_H

#include "program/args.h"
#include <stdint.h>

/* A flag's number, or `fallback` if it was not given. INVALID_ARGUMENT names flag and range. */
sw_code sw_args_number(const sw_args *args, const char *flag, int64_t minimum, int64_t maximum,
                       int64_t fallback, int64_t *value, sw_error *error);
/* A flag's duration (`250ms`, `5s`, `2m`, `1h`, `30d`; a bare number is seconds) in milliseconds,
 * at least `minimum`; `fallback` if it was not given. */
sw_code sw_args_duration_ms(const sw_args *args, const char *flag, int64_t minimum, int64_t fallback,
                            int64_t *value, sw_error *error);

#define SW_TIME_TEXT 64
/* A flag's time as RFC 3339, or "" if it was not given. Accepts such a time, a date (its beginning,
 * UTC) or how long ago (a duration). INVALID_ARGUMENT says what can be given; the reader checks
 * that the time exists. */
sw_code sw_args_time(const sw_args *args, const char *flag, char text[SW_TIME_TEXT], sw_error *error);

#endif
