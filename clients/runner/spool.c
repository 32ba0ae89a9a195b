/* Two batches: one fills while the other is under way, see spool.h. */
#include "runner/spool.h"

#include "base/error.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

const char *const sw_spool_stream_names[SW_SPOOL_STREAMS] = {"stdout", "stderr"};

sw_code sw_spool_init(sw_spool *spool, int64_t offset, sw_error *error)
{
    *spool = (sw_spool){.offset = offset};
    spool->filling = &spool->batches[0];
    spool->sent = &spool->batches[1];
    for (int i = 0; i < 2; i++)
        if ((spool->batches[i].bytes = malloc(SW_SPOOL_BATCH_SIZE)) == NULL) {
            sw_spool_clear(spool);
            return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory for output");
        }
    return SW_OK;
}

void sw_spool_clear(sw_spool *spool)
{
    for (int i = 0; i < 2; i++) {
        free(spool->batches[i].bytes);
        spool->batches[i].bytes = NULL;
    }
}

size_t sw_spool_room(const sw_spool *spool)
{
    const sw_spool_batch *batch = spool->filling;
    /* Whatever is added next may begin a new chunk. */
    return batch->count == SW_SPOOL_CHUNKS_MAX ? 0 : SW_SPOOL_BATCH_SIZE - batch->size;
}

void sw_spool_add(sw_spool *spool, int32_t command, int32_t attempt, int stream, const uint8_t *bytes,
                  size_t size)
{
    sw_spool_batch *batch = spool->filling;
    assert(size > 0 && size <= sw_spool_room(spool));
    memcpy(batch->bytes + batch->size, bytes, size);
    batch->size += size;
    spool->stored += (int64_t)size;
    size_t last = batch->count - 1;
    if (batch->count == 0 || batch->chunks[last].command != command ||
        batch->chunks[last].attempt != attempt || batch->chunks[last].stream != stream) {
        last = batch->count++;
        batch->chunks[last].command = command;
        batch->chunks[last].attempt = attempt;
        batch->chunks[last].stream = stream;
        batch->chunks[last].size = 0;
    }
    batch->chunks[last].size += size;
}

size_t sw_spool_waiting(const sw_spool *spool)
{
    return spool->filling->size;
}

void sw_spool_discard(sw_spool *spool)
{
    spool->filling->size = spool->filling->count = 0;
}

bool sw_spool_is_empty(const sw_spool *spool)
{
    return !spool->in_flight && spool->filling->size == 0;
}

uint8_t *sw_spool_take(sw_spool *spool, int64_t id, int64_t fence, size_t *size)
{
    assert(!spool->in_flight);
    sw_spool_batch *batch = spool->filling;
    Sw__LogChunk chunks[SW_SPOOL_CHUNKS_MAX], *list[SW_SPOOL_CHUNKS_MAX];
    Sw__AppendLogRequest request = SW__APPEND_LOG_REQUEST__INIT;
    request.has_id = request.has_fence = true;
    request.id = id;
    request.fence = fence;
    request.n_chunks = batch->count;
    request.chunks = list;
    size_t at = 0;
    for (size_t i = 0; i < batch->count; i++) {
        list[i] = &chunks[i];
        sw__log_chunk__init(&chunks[i]);
        chunks[i].has_command = chunks[i].has_attempt = chunks[i].has_offset = chunks[i].has_bytes = true;
        chunks[i].command = batch->chunks[i].command;
        chunks[i].attempt = batch->chunks[i].attempt;
        chunks[i].stream = (char *)(uintptr_t)sw_spool_stream_names[batch->chunks[i].stream];
        chunks[i].offset = spool->offset + (int64_t)at;
        chunks[i].bytes = (ProtobufCBinaryData){batch->chunks[i].size, batch->bytes + at};
        at += batch->chunks[i].size;
    }
    uint8_t *packed = malloc(sw__append_log_request__get_packed_size(&request));
    if (packed == NULL)
        return NULL;
    *size = sw__append_log_request__pack(&request, packed);
    spool->filling = spool->sent;
    spool->sent = batch;
    spool->in_flight = true;
    return packed;
}

void sw_spool_acknowledge(sw_spool *spool)
{
    assert(spool->in_flight);
    spool->offset += (int64_t)spool->sent->size;
    spool->sent->size = spool->sent->count = 0;
    spool->in_flight = false;
}
