/* Reads output: see log_reader.h. */
#include "cli/deploy/log_reader.h"
#include "base/clock.h"
#include "base/error.h"
#include <sitewire/deployment.h>

#define READ_MAX ((int64_t)2 << 20) /* bytes per read */
#define READ_MS  15000
#define AGAIN_US 500000

static bool is_hopeless(sw_code code)
{
    return code == SW_INVALID_ARGUMENT || code == SW_NOT_FOUND || code == SW_PERMISSION_DENIED ||
           code == SW_UNAUTHENTICATED || code == SW_UNIMPLEMENTED || code == SW_FAILED_PRECONDITION ||
           code == SW_DATA_LOSS;
}

static void fail(sw_log_reader *reader, const sw_error *error)
{
    reader->error = *error;
    reader->again_us = sw_now_us() + AGAIN_US;
    reader->hopeless = is_hopeless(error->code);
}

static void on_page(const sw_reply *reply, void *context)
{
    sw_log_reader *reader = context;
    sw_error error;
    reader->reading = false;
    reader->error = (sw_error){0};
    if (reply->code != SW_OK) {
        fail(reader, reply->error);
        return;
    }
    reader->page = sw__read_log_response__unpack(NULL, reply->payload_size, reply->payload);
    if (reader->page == NULL) {
        sw_fail(&error, SW_DATA_LOSS, "the service's reply cannot be decoded");
        fail(reader, &error);
    } else if (reader->page->n_items == 0) {
        reader->again_us = sw_now_us() + AGAIN_US;
    }
}

void sw_log_reader_start(sw_log_reader *reader, int64_t most)
{
    Sw__ReadLogRequest request = SW__READ_LOG_REQUEST__INIT;
    const sw_call_options options = {.size = sizeof(options), .timeout_ms = READ_MS};
    sw_error error;
    if (reader->reading || reader->page != NULL || sw_now_us() < reader->again_us)
        return;
    request.has_id = request.has_offset = request.has_limit = request.has_command = true;
    request.id = reader->deployment;
    request.offset = reader->offset;
    request.limit = most < READ_MAX ? most : READ_MAX;
    request.command = reader->command;
    reader->reading =
        sw_read_log_start(reader->client, &request, &options, on_page, reader, NULL, &error) == SW_OK;
    if (!reader->reading)
        fail(reader, &error);
}

Sw__ReadLogResponse *sw_log_reader_take(sw_log_reader *reader)
{
    Sw__ReadLogResponse *page = reader->page;
    reader->page = NULL;
    if (page != NULL && page->n_items > 0) {
        const Sw__DeploymentLog *last = page->items[page->n_items - 1];
        reader->offset = last->offset + (int64_t)last->bytes.len;
    }
    return page;
}

void sw_log_reader_close(sw_log_reader *reader)
{
    if (reader->reading) /* its callback must not be called any more */
        sw_client_close(&reader->client);
    if (reader->page != NULL)
        sw__read_log_response__free_unpacked(reader->page, NULL);
    reader->page = NULL;
}
