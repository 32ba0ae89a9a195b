/* Durations as people write them: `250ms`, `5s`, `2m` or `2min`, `1h`, `30d`. Used for options,
 * flags and filters. */
#ifndef SW_BASE_DURATION_H
#define SW_BASE_DURATION_H

#include <stdbool.h>
#include <stdint.h>

/* The duration in milliseconds, at most 1e12. `unit` is that of a bare number: "ms" or "s". False
 * if the text is no duration. */
bool sw_duration_parse_ms(const char *text, const char *unit, int64_t *ms);

#endif
