/* Stats.GetStats: the counts of each method, the registered counters, and what the process adds. */
#include "rpc/stats.h"

#include "base/clock.h"
#include "base/error.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    char *name;
    const uint64_t *value;
} counter;

struct sw_stats {
    const sw_dispatch *dispatch;
    const sw_builtin_options *options;
    Google__Protobuf__Timestamp started_at;
    counter *counters;
    size_t counter_count;
};

static uint64_t resident_bytes(void)
{
    unsigned long all, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%lu %lu", &all, &resident) != 2)
        resident = 0;
    fclose(file);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* A message that points into the entry. */
static bool fill_method(const sw_method_entry *entry, sw_arena *arena, Sw__MethodStats **to)
{
    Sw__MethodStats *stats = *to = sw_arena_alloc(arena, sizeof(*stats));
    if (stats == NULL)
        return false;
    sw__method_stats__init(stats);
    stats->method = entry->path;
    stats->has_calls = stats->has_total_us = stats->has_sql_us = true;
    stats->calls = entry->calls;
    stats->total_us = entry->total_us;
    stats->sql_us = entry->sql_us;
    stats->codes = (uint64_t *)entry->codes;
    stats->n_codes = SW_CODE_COUNT;
    stats->latency = (uint64_t *)entry->latency;
    stats->n_latency = SW_LATENCY_BUCKETS;
    while (stats->n_latency > 0 && stats->latency[stats->n_latency - 1] == 0)
        stats->n_latency--;
    return true;
}

static bool fill_methods(const sw_stats *stats, sw_arena *arena, Sw__GetStatsResponse *reply)
{
    const sw_method_entry *const *entries;
    size_t count = sw_dispatch_methods(stats->dispatch, &entries);
    reply->methods = sw_arena_alloc(arena, count * sizeof(*reply->methods));
    if (reply->methods == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        if (entries[i]->calls > 0 && !fill_method(entries[i], arena, &reply->methods[reply->n_methods++]))
            return false;
    return true;
}

static bool fill_counters(const sw_stats *stats, sw_arena *arena, Sw__GetStatsResponse *reply)
{
    reply->counters = sw_arena_alloc(arena, stats->counter_count * sizeof(*reply->counters));
    Sw__Counter *counters = sw_arena_alloc(arena, stats->counter_count * sizeof(*counters));
    if (reply->counters == NULL || counters == NULL)
        return false;
    for (size_t i = 0; i < stats->counter_count; i++) {
        sw__counter__init(&counters[i]);
        counters[i].name = stats->counters[i].name;
        counters[i].has_value = true;
        counters[i].value = *stats->counters[i].value;
        reply->counters[reply->n_counters++] = &counters[i];
    }
    return true;
}

static void get_stats(sw_call *call, const ProtobufCMessage *request, void *context)
{
    (void)request;
    sw_stats *stats = context;
    sw_arena *arena = sw_call_arena(call);
    Sw__GetStatsResponse reply = SW__GET_STATS_RESPONSE__INIT;
    if (!fill_methods(stats, arena, &reply) || !fill_counters(stats, arena, &reply)) {
        sw_error error;
        sw_fail(&error, SW_RESOURCE_EXHAUSTED, "no memory for the statistics");
        sw_call_fail(call, &error);
        return;
    }
    reply.process = (char *)stats->options->process;
    reply.instance = (char *)stats->options->instance;
    reply.version = (char *)stats->options->version;
    reply.started_at = &stats->started_at;
    reply.has_resident_bytes = reply.has_in_flight = true;
    reply.resident_bytes = resident_bytes();
    reply.in_flight = (uint32_t)sw_dispatch_in_flight(stats->dispatch);
    if (stats->options->stats != NULL)
        stats->options->stats(stats->options->context, arena, &reply);
    sw_call_reply(call, &reply.base);
}

bool sw_stats_add_counter(sw_stats *stats, const char *name, const uint64_t *value)
{
    counter *grown = realloc(stats->counters, (stats->counter_count + 1) * sizeof(*grown));
    if (grown == NULL)
        return false;
    stats->counters = grown;
    stats->counters[stats->counter_count] = (counter){strdup(name), value};
    return stats->counters[stats->counter_count].name != NULL && ++stats->counter_count > 0;
}

sw_code sw_stats_new(sw_dispatch *dispatch, const sw_builtin_options *options, sw_stats **stats,
                     sw_error *error)
{
    sw_stats *s = *stats = calloc(1, sizeof(*s));
    if (s == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "no memory for Stats");
    s->dispatch = dispatch;
    s->options = options;
    int64_t now_us = sw_wall_us();
    google__protobuf__timestamp__init(&s->started_at);
    s->started_at.seconds = now_us / 1000000;
    s->started_at.nanos = (int32_t)(now_us % 1000000 * 1000);
    const sw_method method = {&sw__stats__descriptor, "GetStats", get_stats, s};
    sw_code code = sw_dispatch_add(dispatch, &method, error);
    if (code == SW_OK && !sw_stats_add_counter(s, "unknown_methods", sw_dispatch_unknown(dispatch)))
        code = sw_fail(error, SW_RESOURCE_EXHAUSTED, "no memory for Stats");
    if (code != SW_OK)
        sw_stats_destroy(stats);
    return code;
}

void sw_stats_destroy(sw_stats **stats)
{
    if (*stats == NULL)
        return;
    for (size_t i = 0; i < (*stats)->counter_count; i++)
        free((*stats)->counters[i].name);
    free((*stats)->counters);
    free(*stats);
    *stats = NULL;
}
