/* What the benchmark programs share: time, latencies, and the one line of JSON that they end
 * with. */
#ifndef SW_BENCH_MEASURE_H
#define SW_BENCH_MEASURE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BENCH_SAMPLES (1U << 22) /* latencies kept; calls beyond that are counted only */

typedef struct measure {
    uint64_t calls, errors, items;
    int64_t started_us, ended_us;
    uint32_t samples;
    uint32_t *latency_us;
} measure;

static inline int64_t bench_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static inline void measure_add(measure *m, int64_t started_us, int64_t now_us)
{
    m->calls++;
    if (m->samples < BENCH_SAMPLES)
        m->latency_us[m->samples++] = (uint32_t)(now_us - started_us);
}

static int measure_compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static inline void measure_print(measure *m)
{
    qsort(m->latency_us, m->samples, sizeof(uint32_t), measure_compare);
    double seconds = (double)(m->ended_us - m->started_us) / 1e6;
    uint32_t p50 = m->samples ? m->latency_us[m->samples / 2] : 0;
    uint32_t p99 = m->samples ? m->latency_us[(uint64_t)m->samples * 99 / 100] : 0;
    printf("{\"calls\": %llu, \"errors\": %llu, \"items\": %llu, \"seconds\": %.6f, \"rate\": %.1f, "
           "\"p50_us\": %u, "
           "\"p99_us\": %u}\n",
           (unsigned long long)m->calls, (unsigned long long)m->errors, (unsigned long long)m->items, seconds,
           (double)m->calls / seconds, p50, p99);
    fflush(stdout);
}

#endif
