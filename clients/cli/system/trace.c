/* `sitewire trace`: calls of a broker as they end, a line for each. */
#include "base/error.h"
#include "cli/run/interrupt.h"
#include "cli/system/commands.h"
#include "cli/term/number.h"
#include <stdlib.h>
#include <string.h>

#define CREDIT         64
#define SLICE_MS       200
#define FOR_DEFAULT_MS 60000
#define FOR_MAX_MS     (23LL * 3600 * 1000) /* the broker lets no call last longer than a day */
#define LATE_MS        10000 /* the broker ends the trace by itself; only a broker that hangs does not */
#define COUNT_DEFAULT  100
#define COUNT_MAX      10000

typedef struct tracing {
    sw_cli *cli;
    sw_client *client;
    sw_error *error;
    uint64_t id, shown;
    uint32_t used; /* credit */
    sw_code code;
    bool done;
} tracing;

/* --- one call as a line --- */

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

/* 64-bit numbers are strings in proto3 JSON. */
static uint64_t number_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_string(value) ? strtoull(json_string_value(value), NULL, 10)
                                 : (uint64_t)json_integer_value(value);
}

static const char *code_of(const json_t *call)
{
    uint64_t code = number_of(call, "code");
    return code <= SW_UNAUTHENTICATED ? sw_code_name((sw_code)code) : "?";
}

static void print_call(const json_t *call)
{
    const json_t *timing = json_object_get(call, "timing");
    uint64_t total = number_of(call, "total_us"), queue = number_of(timing, "queue_us"),
             service = number_of(timing, "service_us"), hops = queue + service;
    const char *at = text_of(call, "at"), *time = strchr(at, 'T');
    char texts[5][32];
    printf("%.12s  %9s  %-18s %s  %s  queue %s + way %s + service %s (SQL %s)", time != NULL ? time + 1 : at,
           sw_format_us((double)total, texts[0], 32), code_of(call), text_of(call, "method"),
           *text_of(call, "caller") != '\0' ? text_of(call, "caller") : "-",
           sw_format_us((double)queue, texts[1], 32),
           sw_format_us((double)(total > hops ? total - hops : 0), texts[2], 32),
           sw_format_us((double)service, texts[3], 32),
           sw_format_us((double)number_of(timing, "sql_us"), texts[4], 32));
    printf("  call %llu", (unsigned long long)number_of(call, "call_id"));
    if (*text_of(call, "trace_id") != '\0')
        printf("  trace %s", text_of(call, "trace_id"));
    if (*text_of(call, "instance") != '\0')
        printf("  by %s", text_of(call, "instance"));
    putchar('\n');
    if (number_of(call, "missed") > 0)
        fprintf(stderr,
                "%llu calls before this one were not shown: they came faster than they could be read\n",
                (unsigned long long)number_of(call, "missed"));
}

static void on_call(tracing *trace, const sw_reply *reply)
{
    json_t *call = json_loadb(reply->payload, reply->payload_size, JSON_ALLOW_NUL, NULL);
    if (trace->cli->json) {
        fwrite(reply->payload, 1, reply->payload_size, stdout);
        putchar('\n');
    } else if (call != NULL) {
        print_call(call);
    }
    fflush(stdout);
    json_decref(call);
    trace->shown++;
    if (++trace->used * 2 >= CREDIT) {
        sw_client_credit(trace->client, trace->id, trace->used);
        trace->used = 0;
    }
}

static void on_reply(const sw_reply *reply, void *context)
{
    tracing *trace = context;
    if (!reply->final) {
        on_call(trace, reply);
        return;
    }
    trace->done = true;
    trace->code = reply->code;
    if (reply->code != SW_OK && trace->error != NULL)
        *trace->error = *reply->error;
}

/* --- the request --- */

static bool is_all(const char *text, const char *of)
{
    return *text != '\0' && text[strspn(text, of)] == '\0';
}

/* A word is known by its form. */
static const char *field_of(const char *word)
{
    if (strchr(word, '@') != NULL)
        return "caller";
    if (strlen(word) == 32 && is_all(word, "0123456789abcdef"))
        return "trace_id";
    return is_all(word, "0123456789") ? "call_id" : "method";
}

static sw_code make_request(sw_cli *cli, json_t *request, int64_t *for_ms, sw_error *error)
{
    const sw_args *args = &cli->args;
    int64_t count, slower_ms;
    sw_code code = sw_args_number(args, "count", 1, COUNT_MAX, COUNT_DEFAULT, &count, error);
    if (code == SW_OK)
        code = sw_args_duration_ms(args, "slower-than", 1, 0, &slower_ms, error);
    if (code == SW_OK)
        code = sw_args_duration_ms(args, "for", 1, FOR_DEFAULT_MS, for_ms, error);
    if (code == SW_OK && *for_ms > FOR_MAX_MS)
        code = sw_fail(error, SW_INVALID_ARGUMENT, "--for: at most 23h");
    if (code != SW_OK)
        return code;
    for (size_t i = 0; i < args->word_count; i++) {
        const char *field = field_of(args->words[i]);
        if (json_object_get(request, field) != NULL)
            return sw_cli_usage(cli, error, "trace takes one %s, not %s too", field, args->words[i]);
        if (json_object_set_new(request, field, json_string(args->words[i])) != 0)
            return sw_fail(error, SW_INVALID_ARGUMENT, "this word is not UTF-8");
    }
    json_object_set_new(request, "count", json_integer(count));
    json_object_set_new(request, "time_ms", json_integer(*for_ms));
    json_object_set_new(request, "slower_than_us", json_integer(slower_ms * 1000));
    return SW_OK;
}

/* --- the stream --- */

static void follow(tracing *trace)
{
    bool cancelled = false;
    while (!trace->done) {
        if (!cancelled && (sw_cli_stopped() || ferror(stdout))) {
            cancelled = true;
            sw_client_cancel(trace->client, trace->id);
        }
        sw_client_process(trace->client, SLICE_MS);
    }
    if (cancelled && trace->code == SW_CANCELLED)
        trace->code = SW_OK; /* Ctrl-C is one way to end it */
}

sw_code sw_cmd_trace(sw_cli *cli, sw_error *error)
{
    tracing trace = {.cli = cli, .error = error};
    sw_call_options options = {.size = sizeof(options), .credit = CREDIT};
    json_t *request = json_object();
    int64_t for_ms = 0;
    sw_code code = make_request(cli, request, &for_ms, error);
    options.timeout_ms = for_ms + LATE_MS;
    if (code == SW_OK)
        code = sw_cli_client(cli, &trace.client, error);
    sw_cli_lift_deadline(cli);
    char *text = code == SW_OK ? json_dumps(request, JSON_COMPACT) : NULL;
    json_decref(request);
    if (code == SW_OK && text == NULL)
        code = sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    if (code == SW_OK)
        code = sw_client_start_json(trace.client, "/sitewire.rpc.v1.Trace/WatchCalls", text, &options,
                                    on_reply, &trace, &trace.id, error);
    free(text);
    if (code != SW_OK)
        return code;
    follow(&trace);
    if (trace.code == SW_OK && !cli->json && cli->err_terminal)
        fprintf(stderr, "%llu calls\n", (unsigned long long)trace.shown);
    return trace.code;
}
