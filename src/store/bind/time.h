/* Times in PostgreSQL's binary format: microseconds since 2000-01-01 UTC. Used by bind.c, row.c and
 * pack.c. */
#ifndef SW_STORE_TIME_H
#define SW_STORE_TIME_H

#include <stdbool.h>
#include <stdint.h>

#define SW_PG_EPOCH 946684800 /* 2000-01-01 in seconds since 1970 */

/* A time as sw_timestamp_parse reads it, or a date, which is its midnight in UTC. Digits beyond the
 * microsecond are cut off. */
bool sw_time_parse(const char *text, int64_t *pg_us);
/* From the fields of a protobuf Timestamp. False outside the years 1 to 9999. */
bool sw_time_from_parts(int64_t seconds, int32_t nanos, int64_t *pg_us);
/* To those fields. False for infinity, which a Timestamp cannot express. */
bool sw_time_to_parts(int64_t pg_us, int64_t *seconds, int32_t *nanos);

#endif
