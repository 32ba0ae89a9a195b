/* `sitewire status`: brokers, services, instances, queues, rates, latencies, memory. */
#include "base/clock.h"
#include "base/error.h"
#include "cli/run/interrupt.h"
#include "cli/schema/name.h"
#include "cli/schema/value.h"
#include "cli/system/commands.h"
#include "cli/system/snapshot.h"
#include "cli/term/grid.h"
#include "cli/term/number.h"
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BUCKETS_MAX       64 /* of a latency histogram */
#define INTERVAL_MS       2000
#define INTERVAL_LEAST_MS 10
#define SLICE_MS          200

/* Seconds since the process started; 0 if it does not report that. */
static int64_t age_of(const json_t *stats)
{
    int64_t started_us = sw_json_time_us(stats, "started_at");
    return started_us != 0 ? (sw_wall_us() - started_us) / 1000000 : 0;
}

/* The object in a list whose `field` is `name`. */
static const json_t *entry(const json_t *list, const char *field, const char *name)
{
    size_t index;
    json_t *item;
    json_array_foreach(list, index, item) if (strcmp(sw_json_text(item, field), name) == 0) return item;
    return NULL;
}

/* Calls per second since the previous snapshot, or since the process started. */
static double rate(uint64_t now, uint64_t before, int64_t us, int64_t age_s)
{
    if (us > 0)
        return now >= before ? (double)(now - before) * 1e6 / (double)us : 0;
    return age_s > 0 ? (double)now / (double)age_s : (double)now;
}

static void print_table(const sw_cli *cli, sw_grid *table)
{
    if (sw_grid_rows(table) > 0) {
        sw_grid_print(table, stdout, sw_terminal_width(cli->out_terminal), cli->out_color, NULL);
        putchar('\n');
    }
    sw_grid_destroy(&table);
}

static uint64_t sum_calls(const json_t *stats)
{
    uint64_t calls = 0;
    size_t index;
    json_t *item;
    json_array_foreach(json_object_get(stats, "methods"), index, item) calls += sw_json_number(item, "calls");
    return calls;
}

static void print_processes(const sw_cli *cli, const sw_snapshot *snapshot)
{
    static const sw_grid_column columns[] = {{"process", false, true},   {"instance", false, true},
                                             {"health", false, true},    {"version", false, false},
                                             {"up", true, false},        {"memory", true, false},
                                             {"in flight", true, false}, {"calls", true, false}};
    sw_grid *table = sw_grid_new(columns, sizeof(columns) / sizeof(*columns));
    char text[64];
    for (size_t i = 0; table != NULL && i < snapshot->count; i++) {
        const sw_snapshot_process *p = &snapshot->processes[i];
        sw_grid_add(table, p->stats != NULL ? sw_json_text(p->stats, "process")
                           : p->is_broker   ? "broker"
                                            : "");
        sw_grid_add(table, p->name != NULL ? p->name : "");
        sw_grid_add(table, json_is_true(json_object_get(p->stats, "draining")) ? "DRAINING" : p->health);
        sw_grid_add(table, sw_json_text(p->stats, "version"));
        sw_grid_add(table, p->stats != NULL ? sw_format_age(age_of(p->stats), text, sizeof(text)) : "");
        sw_grid_add(table, p->stats != NULL ? sw_format_bytes(sw_json_number(p->stats, "resident_bytes"),
                                                              text, sizeof(text))
                                            : "");
        sw_grid_addf(table, "%llu", (unsigned long long)sw_json_number(p->stats, "in_flight"));
        sw_grid_addf(table, "%llu", (unsigned long long)sum_calls(p->stats));
    }
    if (table != NULL)
        print_table(cli, table);
}

/* An entry of a process's statistics: of a service or of a method. */
typedef struct row {
    const sw_snapshot_process *process;
    const char *name;
    const json_t *item, *was; /* `was` of the snapshot before; NULL without */
    int64_t elapsed_us;       /* since then */
} row;

/* Calls `add` with every entry of a list of all processes, each by its field `key`. */
static void each_row(const sw_snapshot *snapshot, const sw_snapshot *before, const char *list,
                     const char *key, void (*add)(sw_grid *table, const row *r), sw_grid *table)
{
    for (size_t i = 0; table != NULL && i < snapshot->count; i++) {
        row r = {.process = &snapshot->processes[i]};
        const sw_snapshot_process *old =
            before != NULL && r.process->name != NULL ? sw_snapshot_find(before, r.process->name) : NULL;
        size_t index;
        json_t *item;
        json_array_foreach(json_object_get(r.process->stats, list), index, item)
        {
            r.item = item;
            r.name = sw_json_text(item, key);
            r.was = old != NULL ? entry(json_object_get(old->stats, list), key, r.name) : NULL;
            r.elapsed_us = r.was != NULL ? snapshot->at_us - before->at_us : 0;
            add(table, &r);
        }
    }
}

static void add_number(sw_grid *table, uint64_t number)
{
    sw_grid_addf(table, "%llu", (unsigned long long)number);
}

static void add_rate(sw_grid *table, const row *r)
{
    char text[64];
    sw_grid_add(table, sw_format_rate(rate(sw_json_number(r->item, "calls"), sw_json_number(r->was, "calls"),
                                           r->elapsed_us, age_of(r->process->stats)),
                                      text, sizeof(text)));
}

static void add_process(sw_grid *table, const row *r)
{
    sw_grid_add(table, r->process->name != NULL ? r->process->name : "");
}

static void add_service(sw_grid *table, const row *r)
{
    char text[64];
    if (strncmp(r->name, "sitewire.rpc.", 13) == 0)
        return; /* every process offers these services */
    sw_grid_add(table, r->name);
    add_number(table, sw_json_number(r->item, "instances"));
    add_number(table, sw_json_number(r->item, "queued"));
    sw_grid_add(table, sw_format_bytes(sw_json_number(r->item, "queued_bytes"), text, sizeof(text)));
    add_number(table, sw_json_number(r->item, "in_flight"));
    add_number(table, sw_json_number(r->item, "calls"));
    add_rate(table, r);
    add_process(table, r);
}

/* Prints the services as the brokers see them, with their queues. */
static void print_services(const sw_cli *cli, const sw_snapshot *snapshot, const sw_snapshot *before)
{
    static const sw_grid_column columns[] = {{"service", false, true},  {"instances", true, false},
                                             {"queued", true, true},    {"queued bytes", true, false},
                                             {"in flight", true, true}, {"calls", true, false},
                                             {"calls/s", true, true},   {"broker", false, false}};
    sw_grid *table = sw_grid_new(columns, sizeof(columns) / sizeof(*columns));
    each_row(snapshot, before, "services", "service", add_service, table);
    if (table != NULL)
        print_table(cli, table);
}

/* The calls of a method by latency since the previous snapshot. */
static size_t histogram(const json_t *method, const json_t *was, uint64_t *buckets)
{
    const json_t *now = json_object_get(method, "latency"), *old = json_object_get(was, "latency");
    size_t count = json_array_size(now);
    count = count < BUCKETS_MAX ? count : BUCKETS_MAX;
    for (size_t i = 0; i < count; i++) {
        const json_t *n = json_array_get(now, i), *o = json_array_get(old, i);
        uint64_t value =
            json_is_string(n) ? strtoull(json_string_value(n), NULL, 10) : (uint64_t)json_integer_value(n);
        uint64_t less =
            json_is_string(o) ? strtoull(json_string_value(o), NULL, 10) : (uint64_t)json_integer_value(o);
        buckets[i] = value >= less ? value - less : value;
    }
    return count;
}

static uint64_t errors_of(const json_t *method)
{
    const json_t *codes = json_object_get(method, "codes");
    uint64_t errors = 0;
    for (size_t i = 1; i < json_array_size(codes); i++) {
        const json_t *n = json_array_get(codes, i);
        errors +=
            json_is_string(n) ? strtoull(json_string_value(n), NULL, 10) : (uint64_t)json_integer_value(n);
    }
    return errors;
}

static void add_method(sw_grid *table, const row *r)
{
    uint64_t calls = sw_json_number(r->item, "calls"), total = sw_json_number(r->item, "total_us"),
             buckets[BUCKETS_MAX];
    char text[64];
    if (calls == 0)
        return;
    size_t count = histogram(r->item, r->was, buckets);
    sw_grid_add(table, sw_short_name(r->name));
    add_number(table, calls);
    add_rate(table, r);
    add_number(table, errors_of(r->item));
    sw_grid_add(table, sw_format_us(sw_percentile_us(buckets, count, 0.5), text, sizeof(text)));
    sw_grid_add(table, sw_format_us(sw_percentile_us(buckets, count, 0.99), text, sizeof(text)));
    sw_grid_addf(table, total > 0 ? "%.0f%%" : "",
                 100.0 * (double)sw_json_number(r->item, "sql_us") / (double)(total > 0 ? total : 1));
    add_process(table, r);
}

static void print_methods(const sw_cli *cli, const sw_snapshot *snapshot, const sw_snapshot *before)
{
    static const sw_grid_column columns[] = {
        {"method", false, true}, {"calls", true, false}, {"calls/s", true, true}, {"errors", true, false},
        {"p50", true, true},     {"p99", true, true},    {"SQL", true, false},    {"instance", false, false}};
    sw_grid *table = sw_grid_new(columns, sizeof(columns) / sizeof(*columns));
    each_row(snapshot, before, "methods", "method", add_method, table);
    if (table != NULL)
        print_table(cli, table);
}

/* Prints the counters that are not 0: most of them count failures. */
static void print_counters(const sw_snapshot *snapshot)
{
    bool any = false;
    for (size_t i = 0; i < snapshot->count; i++) {
        size_t index;
        json_t *item;
        json_array_foreach(json_object_get(snapshot->processes[i].stats, "counters"), index, item)
        {
            uint64_t value = sw_json_number(item, "value");
            if (value == 0)
                continue;
            printf("%s%s %llu (%s)", any ? ", " : "counters: ", sw_json_text(item, "name"),
                   (unsigned long long)value, snapshot->processes[i].name);
            any = true;
        }
    }
    if (any)
        putchar('\n');
}

static void print_snapshot(const sw_cli *cli, const sw_snapshot *snapshot, const sw_snapshot *before)
{
    if (!cli->json) {
        print_processes(cli, snapshot);
        print_services(cli, snapshot, before);
        print_methods(cli, snapshot, before);
        print_counters(snapshot);
        return;
    }
    for (size_t i = 0; i < snapshot->count; i++) {
        const sw_snapshot_process *p = &snapshot->processes[i];
        json_t *line = p->stats != NULL ? json_copy(p->stats) : json_object();
        json_object_set_new(line, "instance", json_string(p->name));
        json_object_set_new(line, "health", json_string(p->health));
        json_dumpf(line, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(line);
    }
}

/* Waits for the next snapshot; false to end. */
static bool wait_ms(int64_t ms)
{
    for (int64_t end = sw_now_ms() + ms; sw_now_ms() < end && !sw_cli_stopped();)
        poll(NULL, 0, SLICE_MS);
    return !sw_cli_stopped() && !ferror(stdout);
}

sw_code sw_cmd_status(sw_cli *cli, sw_error *error)
{
    int64_t interval;
    bool watch = sw_args_has(&cli->args, "watch");
    sw_code code =
        sw_args_duration_ms(&cli->args, "interval", INTERVAL_LEAST_MS, INTERVAL_MS, &interval, error);
    if (code == SW_OK && cli->args.word_count > 0)
        code = sw_cli_usage(cli, error, "status takes flags only, not '%s'", cli->args.words[0]);
    if (code != SW_OK)
        return code;
    sw_snapshot *snapshots = calloc(2, sizeof(*snapshots));
    const sw_snapshot *before = NULL;
    if (snapshots == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    for (size_t turn = 0;; turn++) {
        sw_snapshot *now = &snapshots[turn % 2];
        sw_snapshot_free(now);
        sw_error why = {0};
        code = sw_snapshot_take(cli, now, &why);
        if (code != SW_OK && (!watch || code == SW_INVALID_ARGUMENT || code == SW_CANCELLED)) {
            *error = why;
            break;
        }
        if (watch && cli->out_terminal && !cli->json)
            fputs("\033[H\033[2J", stdout);
        print_snapshot(cli, now, before);
        fflush(stdout);
        before = now;
        if (!watch || !wait_ms(interval))
            break;
    }
    sw_snapshot_free(&snapshots[0]);
    sw_snapshot_free(&snapshots[1]);
    free(snapshots);
    /* Ctrl-C is the normal end of --watch. */
    return watch && code == SW_CANCELLED ? SW_OK : code;
}
