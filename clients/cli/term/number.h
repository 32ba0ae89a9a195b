/* Numbers for people: percentiles of a latency histogram, sizes, durations, rates. Used by
 * status. */
#ifndef SW_CLI_TERM_NUMBER_H
#define SW_CLI_TERM_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/* The latency in microseconds that the fraction `share` (0 to 1) of the calls did not exceed; 0
 * without calls. Bucket i counts the calls of at least 2^(i-1) and less than 2^i us; within a
 * bucket they are assumed to be evenly spread. */
double sw_percentile_us(const uint64_t *buckets, size_t count, double share);

/* `850 us`, `1.2 ms`, `3.4 s`; "" for 0. */
char *sw_format_us(double us, char *text, size_t size);
/* `512 B`, `12.3 MiB`. */
char *sw_format_bytes(uint64_t bytes, char *text, size_t size);
/* `45s`, `12m`, `3h 20m`, `5d 2h`. */
char *sw_format_age(int64_t seconds, char *text, size_t size);
/* `0`, `0.25`, `12.3`, `4512`. */
char *sw_format_rate(double rate, char *text, size_t size);

#endif
