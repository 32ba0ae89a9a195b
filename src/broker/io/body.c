/* Bodies: live ones come from a pool, as each message needs one; packed ones are one block of memory. */
#include "broker/io/body.h"

#include <stdlib.h>
#include <string.h>

sw_live *sw_pool_take(sw_pool *pool)
{
    sw_live *live = pool->free;
    if (live != NULL) {
        pool->free = live->next;
        pool->count--;
    } else if ((live = malloc(sizeof(*live))) == NULL) {
        return NULL;
    }
    live->message.count = 0;
    live->body.live = true;
    return live;
}

sw_live *sw_pool_share(sw_pool *pool, sw_live *live)
{
    sw_live *part = sw_pool_take(pool);
    if (part == NULL)
        return NULL;
    zmq_msg_init(&part->message.frames[0]);
    zmq_msg_init(&part->message.frames[1]);
    part->message.count = 2;
    if (zmq_msg_copy(&part->message.frames[1], &live->message.frames[1]) == 0)
        return part;
    sw_body_free(pool, &part->body);
    return NULL;
}

void sw_pool_clear(sw_pool *pool)
{
    while (pool->free != NULL) {
        sw_live *live = pool->free;
        pool->free = live->next;
        free(live);
    }
}

void sw_body_free(sw_pool *pool, sw_body *body)
{
    if (body == NULL)
        return;
    if (!body->live) {
        for (uint8_t i = 0; i < body->count; i++)
            zmq_msg_close(&body->frames[i]);
        free(body);
        return;
    }
    sw_live *live = (sw_live *)body; /* its first member */
    sw_message_close(&live->message);
    if (pool->count == SW_POOL_MAX) {
        free(live);
        return;
    }
    live->next = pool->free;
    pool->free = live;
    pool->count++;
}

static bool copy_frame(zmq_msg_t *to, zmq_msg_t *from)
{
    size_t size = zmq_msg_size(from);
    if (size > SW_COMPACT_INLINE) { /* has its own memory */
        zmq_msg_init(to);
        return zmq_msg_copy(to, from) == 0;
    }
    if (zmq_msg_init_size(to, size) != 0)
        return false;
    memcpy(zmq_msg_data(to), zmq_msg_data(from), size);
    return true;
}

sw_body *sw_body_pack(sw_pool *pool, sw_body *body)
{
    bool plain = body->framing == SW_FRAMING_PLAIN;
    bool moves = !plain && body->payload_frame >= 0 && body->payload.size > SW_COMPACT_INLINE;
    size_t count = plain ? body->count : moves;
    size_t bytes = plain ? 0 : body->header.size + (moves ? 0 : body->payload.size);
    sw_body *packed = malloc(sizeof(*packed) + count * sizeof(zmq_msg_t) + bytes);
    if (packed == NULL)
        return NULL;
    *packed = (sw_body){.frames = (zmq_msg_t *)(packed + 1), .framing = body->framing, .payload_frame = -1};
    char *at = (char *)&packed->frames[count];
    for (; packed->count < count; packed->count++) {
        zmq_msg_t *from = &body->frames[plain ? packed->count : body->payload_frame];
        if (!copy_frame(&packed->frames[packed->count], from)) {
            sw_body_free(pool, packed);
            return NULL;
        }
    }
    if (!plain) {
        packed->header = (sw_view){at, body->header.size};
        if (body->header.size > 0)
            memcpy(at, body->header.data, body->header.size);
        packed->payload = body->payload;
        packed->payload_frame = moves ? 0 : -1;
        if (!moves && body->payload.size > 0) {
            packed->payload.data = at + body->header.size;
            memcpy(at + body->header.size, body->payload.data, body->payload.size);
        } else if (moves) {
            packed->payload.data = zmq_msg_data(&packed->frames[0]);
        }
    }
    sw_body_free(pool, body);
    return packed;
}
