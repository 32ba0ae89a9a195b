/* Calls from commands: the client, the schema, and one JSON call that SIGINT can cancel. */
#include "base/clock.h"
#include "base/deadline.h"
#include "base/error.h"
#include "c/client.h"
#include "c/json_call.h"
#include "cli/run/cli.h"
#include "cli/run/interrupt.h"
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 30000 /* of a command without --timeout */
#define SLICE_MS   200   /* a signal that does not interrupt the wait is noticed this late */

static void set_deadline(sw_cli *cli, int64_t until_us)
{
    cli->until_us = until_us;
    if (cli->client != NULL)
        cli->client->until_us = until_us;
}

void sw_cli_renew_deadline(sw_cli *cli)
{
    if (cli->until_us != SW_NEVER)
        set_deadline(cli, sw_now_us() + (cli->timeout_ms > 0 ? cli->timeout_ms : TIMEOUT_MS) * 1000);
}

void sw_cli_lift_deadline(sw_cli *cli)
{
    set_deadline(cli, SW_NEVER);
}

sw_code sw_cli_client(sw_cli *cli, sw_client **client, sw_error *error)
{
    if (cli->client == NULL) {
        if (cli->endpoints == NULL || *cli->endpoints == '\0')
            return sw_fail(error, SW_INVALID_ARGUMENT,
                           "SITEWIRE_ENDPOINT is not set: run `. DIR/env` in this shell (`sitewire up --data "
                           "DIR` writes that file), or give --endpoint");
        sw_client_options options = {.size = sizeof(options),
                                     .timeout_ms = cli->timeout_ms,
                                     .key_file = cli->key_file,
                                     .spread = cli->spread};
        sw_code code = sw_client_open(cli->endpoints, &options, &cli->client, error);
        if (code != SW_OK)
            return code;
        if (cli->until_us == 0)
            sw_cli_renew_deadline(cli);
        cli->client->until_us = cli->until_us;
    }
    *client = cli->client;
    return SW_OK;
}

bool sw_cli_is_connected(const sw_cli *cli)
{
    return cli->client != NULL && cli->client->link.state == SW_LINK_UP;
}

sw_code sw_cli_schema(sw_cli *cli, const sw_schema **schema, sw_error *error)
{
    sw_client *client = NULL;
    sw_code code = sw_cli_client(cli, &client, error);
    if (code != SW_OK)
        return code;
    sw_cli_set_blocking(true);
    code = sw_client_schema(client, false, schema, error);
    sw_cli_set_blocking(false);
    return code;
}

void sw_cli_print_timing(const sw_reply *reply)
{
    double total = (double)reply->total_us, hops = (double)(reply->queue_us + reply->service_us);
    fprintf(stderr,
            "timing: total %.3f ms = client and network %.3f + broker queue %.3f + service %.3f (SQL %.3f); "
            "tries %u%s%s\n",
            total / 1e3, (total > hops ? total - hops : 0) / 1e3, (double)reply->queue_us / 1e3,
            (double)reply->service_us / 1e3, (double)reply->sql_us / 1e3, reply->tries,
            reply->endpoint != NULL && reply->endpoint[0] != '\0' ? "; " : "",
            reply->endpoint != NULL ? reply->endpoint : "");
}

typedef struct pending {
    sw_cli *cli;
    json_t *reply;
    sw_error *error;
    sw_code code;
    bool done;
} pending;

static void on_reply(const sw_reply *reply, void *context)
{
    pending *call = context;
    call->done = reply->final;
    call->code = reply->code;
    if (reply->code != SW_OK) {
        if (call->error != NULL)
            *call->error = *reply->error;
    } else if (reply->final) {
        json_error_t why;
        call->reply = json_loadb(reply->payload, reply->payload_size, JSON_ALLOW_NUL, &why);
        if (call->reply == NULL)
            call->code = sw_fail(call->error, SW_INTERNAL, "the reply is not valid JSON: %s", why.text);
    }
    *call->cli->outcome = '\0';
    for (size_t i = 0; i < reply->trailer_count; i++)
        if (strcmp(reply->trailers[i].key, "sitewire-outcome") == 0)
            snprintf(call->cli->outcome, sizeof(call->cli->outcome), "%s", reply->trailers[i].value);
    /* After a timeout the first question is where the time went. */
    if (call->cli->timing || reply->code == SW_DEADLINE_EXCEEDED)
        sw_cli_print_timing(reply);
}

sw_code sw_cli_call(sw_cli *cli, const char *method, const json_t *request, const sw_call_options *options,
                    json_t **reply, sw_error *error)
{
    sw_client *client = NULL;
    sw_code code = sw_cli_client(cli, &client, error);
    if (code != SW_OK)
        return code;
    char *text = request != NULL ? json_dumps(request, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    if (request != NULL && text == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    pending call = {.cli = cli, .error = error};
    uint64_t id;
    sw_metadata reason = {"reason", sw_args_value(&cli->args, "reason")};
    sw_call_options own = {.size = sizeof(own), .metadata = &reason, .metadata_count = 1};
    if (options == NULL && reason.value != NULL)
        options = &own;
    code = sw_client_start_json(client, method, text != NULL ? text : "{}", options, on_reply, &call, &id,
                                error);
    free(text);
    if (code != SW_OK)
        return code;
    bool cancelled = false;
    while (!call.done) {
        if (sw_cli_stopped() && !cancelled) {
            cancelled = true;
            sw_client_cancel(client, id);
        }
        sw_client_process(client, SLICE_MS);
    }
    if (reply != NULL && call.code == SW_OK)
        *reply = call.reply;
    else
        json_decref(call.reply);
    return call.code;
}
