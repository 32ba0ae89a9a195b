/* Values of flags: see args.h. */
#include "cli/run/args.h"
#include "base/duration.h"
#include "base/error.h"
#include "base/time_text.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

sw_code sw_args_number(const sw_args *args, const char *flag, int64_t minimum, int64_t maximum,
                       int64_t fallback, int64_t *value, sw_error *error)
{
    const char *text = sw_args_value(args, flag);
    *value = fallback;
    if (text == NULL)
        return SW_OK;
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < minimum || number > maximum)
        return sw_fail(error, SW_INVALID_ARGUMENT, "--%s takes a number from %lld to %lld, not '%s'", flag,
                       (long long)minimum, (long long)maximum, text);
    *value = number;
    return SW_OK;
}

sw_code sw_args_duration_ms(const sw_args *args, const char *flag, int64_t minimum, int64_t fallback,
                            int64_t *value, sw_error *error)
{
    const char *text = sw_args_value(args, flag);
    *value = fallback;
    bool is_duration = text == NULL || sw_duration_parse_ms(text, "s", value);
    if (text == NULL || (is_duration && *value >= minimum))
        return SW_OK;
    if (is_duration)
        return sw_fail(error, SW_INVALID_ARGUMENT, "--%s takes a duration of at least %lldms, not '%s'", flag,
                       (long long)minimum, text);
    return sw_fail(error, SW_INVALID_ARGUMENT, "--%s takes a duration such as 250ms, 5s or 2m, not '%s'",
                   flag, text);
}

sw_code sw_args_time(const sw_args *args, const char *flag, char text[SW_TIME_TEXT], sw_error *error)
{
    const char *given = sw_args_value(args, flag);
    int64_t ago_ms, seconds;
    *text = '\0';
    if (given == NULL)
        return SW_OK;
    if (strchr(given, '-') == NULL && sw_duration_parse_ms(given, "s", &ago_ms)) {
        sw_timestamp_print(time(NULL) - ago_ms / 1000, 0, text);
    } else if (sw_date_parse(given, &seconds)) {
        sw_timestamp_print(seconds, 0, text);
    } else if (strchr(given, 'T') != NULL && strlen(given) < SW_TIME_TEXT) {
        snprintf(text, SW_TIME_TEXT, "%s", given);
    } else {
        return sw_fail_field(
            error, SW_INVALID_ARGUMENT, flag,
            "--%s takes a date (2026-11-24), a time (2026-11-24T10:00:00Z) or how long ago (2h), not '%s'",
            flag, given);
    }
    return SW_OK;
}
