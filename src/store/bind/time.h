/* Times as PostgreSQL's binary format has them: microseconds since 2000-01-01 UTC. Used by bind.c. */
#ifndef SW_STORE_TIME_H
#define SW_STORE_TIME_H

#include <stdbool.h>
#include <stdint.h>

#define SW_PG_EPOCH 946684800 /* 2000-01-01 in seconds since 1970 */

/* RFC 3339: `2026-01-31T12:00:00.5Z`, `2026-01-31 12:00:00+01:00`, years 1 to 9999; also a date alone, meaning its
 * midnight UTC. Digits beyond the microsecond are cut. */
bool sw_time_parse(const char *text, int64_t *pg_us);
/* What a protobuf Timestamp says; false outside the years 1 to 9999. */
bool sw_time_from_parts(int64_t seconds, int32_t nanos, int64_t *pg_us);
/* False for infinity, which a Timestamp cannot say. */
bool sw_time_to_parts(int64_t pg_us, int64_t *seconds, int32_t *nanos);

#endif
