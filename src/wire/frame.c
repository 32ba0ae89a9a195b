/* Compact frames and multipart messages (frame.h). */
#include "wire/frame.h"

#include <errno.h>
#include <string.h>

#define HANDOVER_MAX         1024
#define FLAG_PAYLOAD_FOLLOWS 1U

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put_u32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

bool sw_compact_is(const void *frame, size_t size)
{
    return size >= 2 && memcmp(frame, SW_COMPACT_MAGIC, 2) == 0;
}

bool sw_compact_decode(const void *frame, size_t size, sw_compact *message)
{
    const uint8_t *at = frame;
    if (size < SW_COMPACT_PREFIX || !sw_compact_is(frame, size) || at[2] != SW_COMPACT_VERSION)
        return false;
    if (at[3] < SW_COMPACT_REQUEST || at[3] > SW_COMPACT_CREDIT)
        return false;
    size_t header = get_u32(at + 4), handover = get_u32(at + 8), left = size - SW_COMPACT_PREFIX;
    uint32_t flags = get_u32(at + 12);
    if (header > SW_HEADER_MAX || handover > HANDOVER_MAX || header + handover > left ||
        (flags & ~FLAG_PAYLOAD_FOLLOWS) != 0)
        return false;
    const char *data = (const char *)at + SW_COMPACT_PREFIX;
    *message = (sw_compact){
        .command = at[3],
        .tag = (uint64_t)get_u32(at + 16) << 32 | get_u32(at + 20),
        .header = {data, header},
        .handover = {data + header, handover},
        .payload = {data + header + handover, left - header - handover},
        .payload_follows = (flags & FLAG_PAYLOAD_FOLLOWS) != 0,
    };
    return !message->payload_follows || message->payload.size == 0;
}

bool sw_compact_is_request(const void *frame, size_t size, uint64_t *tag)
{
    const uint8_t *at = frame;
    if (size < SW_COMPACT_PREFIX || at[2] != SW_COMPACT_VERSION || at[3] != SW_COMPACT_REQUEST)
        return false;
    *tag = (uint64_t)get_u32(at + 16) << 32 | get_u32(at + 20);
    return true;
}

static uint8_t *append(uint8_t *at, sw_view view)
{
    if (view.size > 0)
        memcpy(at, view.data, view.size);
    return at + view.size;
}

void sw_compact_set_tag(void *frame, uint64_t tag)
{
    put_u32((uint8_t *)frame + 16, (uint32_t)(tag >> 32));
    put_u32((uint8_t *)frame + 20, (uint32_t)tag);
}

size_t sw_compact_size(const sw_compact *message, size_t payload_size)
{
    if (message->header.size > SW_HEADER_MAX || message->handover.size > HANDOVER_MAX ||
        payload_size > SW_COMPACT_INLINE || (message->payload_follows && payload_size > 0))
        return 0;
    return SW_COMPACT_PREFIX + message->header.size + message->handover.size + payload_size;
}

uint8_t *sw_compact_write(const sw_compact *message, uint8_t *at)
{
    memcpy(at, SW_COMPACT_MAGIC, 2);
    at[2] = SW_COMPACT_VERSION;
    at[3] = (uint8_t)message->command;
    put_u32(at + 4, (uint32_t)message->header.size);
    put_u32(at + 8, (uint32_t)message->handover.size);
    put_u32(at + 12, message->payload_follows ? FLAG_PAYLOAD_FOLLOWS : 0);
    sw_compact_set_tag(at, message->tag);
    return append(append(at + SW_COMPACT_PREFIX, message->header), message->handover);
}

bool sw_compact_reserve(const sw_compact *message, size_t payload_size, zmq_msg_t *frame, void **payload)
{
    size_t size = sw_compact_size(message, payload_size);
    if (size == 0 || zmq_msg_init_size(frame, size) != 0)
        return false;
    *payload = sw_compact_write(message, zmq_msg_data(frame));
    return true;
}

bool sw_compact_encode(const sw_compact *message, zmq_msg_t *frame)
{
    sw_view payload = message->payload_follows ? (sw_view){0} : message->payload;
    void *place;
    if (!sw_compact_reserve(message, payload.size, frame, &place))
        return false;
    append(place, payload);
    return true;
}

int sw_socket_fd(void *socket)
{
    int fd = -1;
    size_t size = sizeof(fd);
    return zmq_getsockopt(socket, ZMQ_FD, &fd, &size) == 0 ? fd : -1;
}

int sw_message_recv(void *socket, sw_message *message)
{
    message->count = 0;
    message->overflow = false;
    for (bool more = true; more;) {
        zmq_msg_t spare, *frame = &spare;
        bool room = message->count < SW_FRAMES_MAX + 2;
        if (room)
            frame = &message->frames[message->count];
        zmq_msg_init(frame);
        /* Only the first frame can be missing: ZeroMQ delivers whole messages. */
        if (zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) < 0) {
            int error = zmq_errno();
            zmq_msg_close(frame);
            if (error == EINTR)
                continue;
            sw_message_close(message);
            return error;
        }
        more = zmq_msg_more(frame) != 0;
        if (room)
            message->count++;
        else
            zmq_msg_close(frame);
        message->overflow |= !room;
    }
    return 0;
}

void sw_message_close(sw_message *message)
{
    for (int i = 0; i < message->count; i++)
        zmq_msg_close(&message->frames[i]);
    message->count = 0;
}

int sw_message_send(void *socket, sw_message *message)
{
    for (int i = 0; i < message->count; i++) {
        int flags = ZMQ_DONTWAIT | (i + 1 < message->count ? ZMQ_SNDMORE : 0);
        while (zmq_msg_send(&message->frames[i], socket, flags) < 0) {
            int error = zmq_errno();
            if (error == EINTR)
                continue;
            /* A socket that accepts the first frame accepts the rest, so i is 0 here. */
            return error;
        }
    }
    message->count = 0; /* the frames belong to ZeroMQ now */
    return 0;
}

bool sw_message_add(sw_message *message, const void *data, size_t size)
{
    if (message->count == SW_FRAMES_MAX + 2 || zmq_msg_init_size(&message->frames[message->count], size) != 0)
        return false;
    if (size > 0)
        memcpy(zmq_msg_data(&message->frames[message->count]), data, size);
    message->count++;
    return true;
}

bool sw_message_move(sw_message *message, zmq_msg_t *frame)
{
    if (message->count == SW_FRAMES_MAX + 2)
        return false;
    zmq_msg_init(&message->frames[message->count]);
    zmq_msg_move(&message->frames[message->count++], frame);
    return true;
}

sw_view sw_message_view(const sw_message *message, int index)
{
    if (index < 0 || index >= message->count)
        return (sw_view){0};
    zmq_msg_t *frame = (zmq_msg_t *)&message->frames[index]; /* zmq_msg_data accepts no const */
    return (sw_view){zmq_msg_data(frame), zmq_msg_size(frame)};
}
