/* `sitewire call`: any method by name, with JSON in and out; streams print one message a line. */
#include "base/error.h"
#include "cli/registry/commands.h"
#include "cli/run/file.h"
#include "cli/run/interrupt.h"
#include "cli/schema/method.h"
#include "cli/term/grid.h"
#include <stdlib.h>
#include <string.h>

#define CREDIT_DEFAULT 64
#define METADATA_MAX   64
#define SLICE_MS       200
#define STREAM_MS      (24LL * 3600 * 1000) /* of a stream without --timeout: the broker's limit */

typedef struct running {
    sw_cli *cli;
    sw_client *client;
    sw_error *error;
    uint64_t id;
    uint32_t credit, used;
    sw_code code;
    bool done, streams;
} running;

static void print_json(const sw_cli *cli, const sw_reply *reply, bool one_line)
{
    json_t *value = one_line && reply->payload_size < 2
                        ? NULL
                        : json_loadb(reply->payload, reply->payload_size, JSON_ALLOW_NUL, NULL);
    if (value == NULL || one_line) {
        fwrite(reply->payload, 1, reply->payload_size, stdout);
    } else {
        json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    }
    putchar('\n');
    json_decref(value);
    (void)cli;
}

static void on_reply(const sw_reply *reply, void *context)
{
    running *call = context;
    if (!reply->final) {
        print_json(call->cli, reply, true);
        fflush(stdout);
        if (++call->used * 2 >= call->credit) {
            sw_client_credit(call->client, call->id, call->used);
            call->used = 0;
        }
        return;
    }
    call->done = true;
    call->code = reply->code;
    if (reply->code != SW_OK && call->error != NULL)
        *call->error = *reply->error;
    if (reply->code == SW_OK && !call->streams)
        print_json(call->cli, reply, call->cli->json);
    /* After a timeout the first question is where the time went. */
    if (call->cli->timing || reply->code == SW_DEADLINE_EXCEEDED) {
        sw_cli_print_timing(reply);
        for (size_t i = 0; i < reply->trailer_count; i++) {
            fprintf(stderr, "trailer: %s=", reply->trailers[i].key);
            sw_text_print(stderr, reply->trailers[i].value);
            fputc('\n', stderr);
        }
    }
}

/* Reads --metadata KEY=VALUE and --reason into `pairs`. *text holds the copies; the caller frees
 * it. */
static sw_code read_metadata(sw_cli *cli, sw_metadata *pairs, size_t *count, sw_error *error)
{
    const char *text;
    for (size_t i = 0; (text = sw_args_value_at(&cli->args, "metadata", i)) != NULL; i++) {
        const char *equals = strchr(text, '=');
        if (equals == NULL || equals == text || i == METADATA_MAX)
            return sw_cli_usage(cli, error, "--metadata takes KEY=VALUE, at most %d times, not '%s'",
                                METADATA_MAX, text);
        char *key = strndup(text, (size_t)(equals - text));
        if (key == NULL)
            return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
        pairs[(*count)++] = (sw_metadata){.key = key, .value = equals + 1};
    }
    if ((text = sw_args_value(&cli->args, "reason")) != NULL)
        pairs[(*count)++] = (sw_metadata){.key = strdup("reason"), .value = text};
    return SW_OK;
}

static sw_code run(running *call, const char *path, const char *request, const sw_call_options *options)
{
    sw_code code =
        sw_client_start_json(call->client, path, request, options, on_reply, call, &call->id, call->error);
    if (code != SW_OK)
        return code;
    bool cancelled = false;
    while (!call->done) {
        if (!cancelled && (sw_cli_stopped() || ferror(stdout))) {
            cancelled = true;
            sw_client_cancel(call->client, call->id);
        }
        sw_client_process(call->client, SLICE_MS);
    }
    /* Ctrl-C is the normal end of a stream. */
    return call->streams && cancelled && call->code == SW_CANCELLED ? SW_OK : call->code;
}

sw_code sw_cmd_call(sw_cli *cli, sw_error *error)
{
    const sw_args *args = &cli->args;
    if (args->word_count < 1 || args->word_count > 2)
        return sw_cli_usage(cli, error, "call takes a METHOD and at most one JSON object, in quotes");
    int64_t credit;
    sw_code code = sw_args_number(args, "stream", 1, 65535, CREDIT_DEFAULT, &credit, error);
    if (code != SW_OK)
        return code;
    const sw_schema *schema;
    const sw_schema_method *method;
    running call = {.cli = cli, .error = error, .credit = (uint32_t)credit};
    sw_metadata pairs[METADATA_MAX + 1];
    sw_call_options options = {.size = sizeof(options),
                               .metadata = pairs,
                               .request_id = sw_args_value(args, "request-id"),
                               .destination = sw_args_value(args, "destination"),
                               .timeout_ms = cli->timeout_ms};
    char *text = NULL;
    size_t size;
    code = sw_cli_schema(cli, &schema, error);
    if (code == SW_OK)
        code = sw_cli_method(schema, args->words[0], &method, error);
    if (code == SW_OK)
        code = sw_cli_client(cli, &call.client, error);
    if (code == SW_OK && args->word_count == 2 && strcmp(args->words[1], "-") == 0)
        code = sw_cli_read_file("-", &text, &size, error);
    if (code == SW_OK)
        code = read_metadata(cli, pairs, &options.metadata_count, error);
    if (code == SW_OK) {
        call.streams = method->streams;
        if (method->streams) {
            options.credit = call.credit;
            sw_cli_lift_deadline(cli);
            if (options.timeout_ms == 0)
                options.timeout_ms = STREAM_MS;
        }
        const char *request = text != NULL ? text : args->word_count == 2 ? args->words[1] : "{}";
        code = run(&call, method->path, request, &options);
    }
    for (size_t i = 0; i < options.metadata_count; i++)
        free((char *)pairs[i].key);
    free(text);
    return code;
}
