/* Heads and bodies (frame_reader.h). */
#include "listen/frame_reader.h"

#include <stdlib.h>
#include <string.h>

static size_t head_size(const sw_frame_reader *reader)
{
    return reader->head_size > 0 && (reader->head[0] & SW_FRAME_LONG) != 0 ? SW_FRAME_HEAD_MAX : 2;
}

/* True once the head is whole. */
static bool read_head(sw_frame_reader *reader, uint8_t **at, size_t *left)
{
    while (reader->head_size < head_size(reader) && *left > 0) {
        reader->head[reader->head_size++] = *(*at)++;
        --*left;
    }
    return reader->head_size == head_size(reader);
}

static uint64_t body_size(const sw_frame_reader *reader)
{
    uint64_t size = 0;
    for (size_t i = 1; i < head_size(reader); i++)
        size = size << 8 | reader->head[i];
    return size;
}

static sw_frame_result check_head(const sw_frame_reader *reader, size_t most)
{
    uint8_t flags = reader->head[0];
    bool is_known = (flags & ~(SW_FRAME_MORE | SW_FRAME_LONG | SW_FRAME_COMMAND)) == 0;
    if (!is_known || ((flags & SW_FRAME_COMMAND) != 0 && (flags & SW_FRAME_MORE) != 0))
        return SW_FRAME_BROKEN;
    return body_size(reader) > most ? SW_FRAME_TOO_LONG : SW_FRAME_WHOLE;
}

static sw_frame_result finish(sw_frame_reader *reader, uint8_t *data, size_t size, sw_frame *frame)
{
    *frame =
        (sw_frame){.flags = reader->head[0], .is_owned = reader->body != NULL, .data = data, .size = size};
    reader->body = NULL;
    reader->head_size = 0;
    return SW_FRAME_WHOLE;
}

static sw_frame_result fill_body(sw_frame_reader *reader, uint8_t **at, size_t *left, sw_frame *frame)
{
    size_t missing = reader->size - reader->filled, take = *left < missing ? *left : missing;
    if (take > 0)
        memcpy(reader->body + reader->filled, *at, take);
    reader->filled += take;
    *at += take;
    *left -= take;
    return reader->filled < reader->size ? SW_FRAME_NONE : finish(reader, reader->body, reader->size, frame);
}

sw_frame_result sw_frame_reader_next(sw_frame_reader *reader, uint8_t **at, size_t *left, size_t most,
                                     sw_frame *frame)
{
    if (reader->body != NULL)
        return fill_body(reader, at, left, frame);
    if (!read_head(reader, at, left))
        return SW_FRAME_NONE;
    sw_frame_result result = check_head(reader, most);
    size_t size = (size_t)body_size(reader);
    if (result != SW_FRAME_WHOLE)
        return result;
    if (size <= *left) {
        *at += size;
        *left -= size;
        return finish(reader, *at - size, size, frame);
    }
    reader->size = size;
    reader->filled = 0;
    reader->body = malloc(size);
    return reader->body == NULL ? SW_FRAME_NO_MEMORY : fill_body(reader, at, left, frame);
}

uint8_t *sw_frame_reader_rest(const sw_frame_reader *reader, size_t least, size_t *size)
{
    if (reader->body == NULL || reader->size - reader->filled < least)
        return NULL;
    *size = reader->size - reader->filled;
    return reader->body + reader->filled;
}

void sw_frame_reader_filled(sw_frame_reader *reader, size_t size)
{
    reader->filled += size;
}

size_t sw_frame_reader_held(const sw_frame_reader *reader)
{
    return reader->body == NULL ? 0 : reader->size;
}

void sw_frame_reader_clear(sw_frame_reader *reader)
{
    free(reader->body);
    *reader = (sw_frame_reader){0};
}
