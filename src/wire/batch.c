/* A batch: "SW", version, command 6, then for each message its length (32 bits, network order) and
 * its bytes. */
#include "wire/batch.h"

#include <stdlib.h>
#include <string.h>

#define HEAD       4 /* bytes before the first length */
#define LENGTH     4
#define FIRST_ROOM 4096

static const uint8_t head[HEAD] = {'S', 'W', SW_COMPACT_VERSION, SW_COMPACT_BATCH};

uint8_t *sw_batch_append(sw_batch *batch, size_t size)
{
    size_t start = batch->size == 0 ? HEAD : batch->size;
    if (size > SW_BATCH_MAX - start - LENGTH || start > SW_BATCH_MAX - LENGTH)
        return NULL;
    size_t end = start + LENGTH + size;
    if (end > batch->room) {
        size_t room = batch->room == 0 ? FIRST_ROOM : batch->room;
        while (room < end)
            room *= 2;
        uint8_t *grown = realloc(batch->data, room);
        if (grown == NULL)
            return NULL;
        batch->data = grown;
        batch->room = room;
    }
    if (batch->size == 0)
        memcpy(batch->data, head, HEAD);
    uint8_t *at = batch->data + start;
    for (int i = 0; i < LENGTH; i++)
        at[i] = (uint8_t)(size >> (24 - 8 * i));
    batch->size = end;
    batch->count++;
    return at + LENGTH;
}

bool sw_batch_take(sw_batch *batch, zmq_msg_t *frame)
{
    size_t skip = batch->count == 1 ? HEAD + LENGTH : 0;
    if (zmq_msg_init_size(frame, batch->size - skip) != 0)
        return false;
    memcpy(zmq_msg_data(frame), batch->data + skip, batch->size - skip);
    sw_batch_clear(batch);
    return true;
}

void sw_batch_clear(sw_batch *batch)
{
    free(batch->data);
    *batch = (sw_batch){0};
}

bool sw_batch_is(sw_view frame)
{
    return frame.size >= HEAD && memcmp(frame.data, head, HEAD) == 0;
}

bool sw_batch_next(sw_view *rest, sw_view *message)
{
    if (sw_batch_is(*rest)) { /* the first call; a length of a message never looks like this */
        if (rest->size > SW_BATCH_MAX) {
            *rest = (sw_view){0};
            return false;
        }
        rest->data += HEAD;
        rest->size -= HEAD;
    }
    if (rest->size == 0)
        return false;
    const uint8_t *at = (const uint8_t *)rest->data;
    size_t size = 0;
    for (int i = 0; i < LENGTH && rest->size >= LENGTH; i++)
        size = size << 8 | at[i];
    if (rest->size < LENGTH || size > rest->size - LENGTH) {
        *rest = (sw_view){0};
        return false;
    }
    *message = (sw_view){rest->data + LENGTH, size};
    rest->data += LENGTH + size;
    rest->size -= LENGTH + size;
    return true;
}
