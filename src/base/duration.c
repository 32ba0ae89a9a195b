/* Durations: see duration.h. */
#include "base/duration.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *unit;
    double ms;
} units[] = {{"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"min", 60e3}, {"h", 3600e3}, {"d", 86400e3}};

bool sw_duration_parse_ms(const char *text, const char *unit, int64_t *ms)
{
    if (*text < '0' || *text > '9')
        return false;
    char *end;
    double number = strtod(text, &end);
    const char *given = *end == '\0' ? unit : end;
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
        double value = number * units[i].ms;
        if (strcmp(given, units[i].unit) != 0 || !(value <= 1e12))
            continue;
        *ms = (int64_t)(value + 0.5);
        return true;
    }
    return false;
}
