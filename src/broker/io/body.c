/* Live bodies come from a pool; packed ones are one block of memory (body.h). */
#include "broker/io/body.h"

#include <stdlib.h>
#include <string.h>

sw_received *sw_body_pool_take(sw_body_pool *pool)
{
    sw_received *received = pool->free;
    if (received != NULL) {
        pool->free = received->next;
        pool->count--;
    } else if ((received = malloc(sizeof(*received))) == NULL) {
        return NULL;
    }
    received->message.count = 0;
    received->body.live = true;
    return received;
}

sw_received *sw_body_pool_share(sw_body_pool *pool, sw_received *received)
{
    sw_received *part = sw_body_pool_take(pool);
    if (part == NULL)
        return NULL;
    zmq_msg_init(&part->message.frames[0]);
    part->message.count = 1;
    if (zmq_msg_copy(&part->message.frames[0], &received->message.frames[0]) == 0)
        return part;
    sw_body_free(pool, &part->body);
    return NULL;
}

void sw_body_pool_clear(sw_body_pool *pool)
{
    while (pool->free != NULL) {
        sw_received *received = pool->free;
        pool->free = received->next;
        free(received);
    }
}

size_t sw_received_size(const sw_received *received)
{
    size_t size = 0;
    for (int i = 0; i < received->message.count; i++)
        size += zmq_msg_size(&received->message.frames[i]);
    return size;
}

void sw_body_free(sw_body_pool *pool, sw_body *body)
{
    if (body == NULL)
        return;
    if (!body->live) {
        for (uint8_t i = 0; i < body->count; i++)
            zmq_msg_close(&body->frames[i]);
        free(body);
        return;
    }
    sw_received *received = (sw_received *)body; /* its first member */
    sw_message_close(&received->message);
    if (pool->count == SW_BODY_POOL_MAX) {
        free(received);
        return;
    }
    received->next = pool->free;
    pool->free = received;
    pool->count++;
}

void sw_body_set_payload(sw_body *body, zmq_msg_t *frame)
{
    body->frames = frame;
    body->count = 1;
    body->payload_frame = 0;
    body->payload = (sw_view){zmq_msg_data(frame), zmq_msg_size(frame)};
}

static bool copy_frame(zmq_msg_t *to, zmq_msg_t *from)
{
    size_t size = zmq_msg_size(from);
    if (size > SW_COMPACT_INLINE) { /* it has memory of its own */
        zmq_msg_init(to);
        return zmq_msg_copy(to, from) == 0;
    }
    if (zmq_msg_init_size(to, size) != 0)
        return false;
    memcpy(zmq_msg_data(to), zmq_msg_data(from), size);
    return true;
}

sw_body *sw_body_pack(sw_body_pool *pool, sw_body *body)
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
