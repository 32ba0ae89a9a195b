/* The frames of a ZMTP connection (flags, length, body), and the buffers below them. */
#include "net/zmtp_core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_MAX   9     /* bytes before the body of a frame */
#define KEPT_ROOM  65536 /* bytes; a larger buffer is freed once it is empty */
#define SEALED_MAX 8192  /* bytes of an encrypted message that are put together on the stack */

/* --- Out --- */

static bool make_room(sw_zmtp *zmtp, size_t size)
{
    size_t used = zmtp->out_end - zmtp->out_begin;
    if (size <= zmtp->out_room - zmtp->out_end)
        return true;
    if (used + size > zmtp->out_room / 2) {
        size_t room = 2 * (used + size);
        uint8_t *grown = realloc(zmtp->out, room);
        if (grown == NULL)
            return false;
        zmtp->out = grown;
        zmtp->out_room = room;
    }
    memmove(zmtp->out, zmtp->out + zmtp->out_begin, used);
    zmtp->out_begin = 0;
    zmtp->out_end = used;
    return true;
}

/* Keeps bytes for later. Without memory the connection ends, because nothing may follow half a
 * message. */
static void keep(sw_zmtp *zmtp, const struct iovec *part)
{
    if (make_room(zmtp, part->iov_len)) {
        memcpy(zmtp->out + zmtp->out_end, part->iov_base, part->iov_len);
        zmtp->out_end += part->iov_len;
    } else {
        shutdown(zmtp->fd, SHUT_RDWR);
        sw_zmtp_end_by(zmtp, ENOMEM);
    }
}

/* Returns how many bytes were sent. A failure does not end the connection by itself: what the peer
 * sent before it went is read first, and the read then reports the end. */
static size_t write_parts(const sw_zmtp *zmtp, struct iovec *parts, size_t count)
{
    struct msghdr header = {.msg_iov = parts, .msg_iovlen = count};
    ssize_t written;
    do
        written = sendmsg(zmtp->fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (written < 0 && errno == EINTR);
    if (written >= 0)
        return (size_t)written;
    if (errno == EAGAIN)
        return 0;
    shutdown(zmtp->fd, SHUT_RDWR); /* nothing may follow half a message */
    size_t all = 0;
    for (size_t i = 0; i < count; i++)
        all += parts[i].iov_len;
    return all;
}

void sw_zmtp_flush(sw_zmtp *zmtp)
{
    if (zmtp->out_begin == zmtp->out_end)
        return;
    struct iovec part = {zmtp->out + zmtp->out_begin, zmtp->out_end - zmtp->out_begin};
    size_t gone = write_parts(zmtp, &part, 1);
    zmtp->heard += gone > 0; /* the peer has read */
    zmtp->out_begin += gone;
    if (zmtp->out_begin < zmtp->out_end)
        return;
    zmtp->out_begin = zmtp->out_end = 0;
    if (zmtp->out_room > KEPT_ROOM) {
        free(zmtp->out);
        zmtp->out = NULL;
        zmtp->out_room = 0;
    }
}

void sw_zmtp_write(sw_zmtp *zmtp, struct iovec *parts, size_t count)
{
    size_t left = zmtp->out_begin < zmtp->out_end ? 0 : write_parts(zmtp, parts, count);
    for (size_t i = 0; i < count; i++) {
        size_t gone = left < parts[i].iov_len ? left : parts[i].iov_len;
        left -= gone;
        struct iovec rest = {(uint8_t *)parts[i].iov_base + gone, parts[i].iov_len - gone};
        if (rest.iov_len > 0)
            keep(zmtp, &rest);
    }
}

/* "Framing": a length of one byte, or of eight in network order. Returns the bytes of the head. */
static size_t write_head(uint8_t *head, uint8_t flags, size_t size)
{
    head[0] = flags;
    head[1] = (uint8_t)size;
    if (size <= UINT8_MAX)
        return 2;
    head[0] |= SW_ZMTP_LONG;
    for (int i = 0; i < 8; i++)
        head[1 + i] = (uint8_t)((uint64_t)size >> (56 - 8 * i));
    return HEAD_MAX;
}

/* --- Out, encrypted: libzmq sends and expects a MESSAGE as a frame without flags --- */

/* Writes one frame; returns its bytes. */
static size_t seal(sw_zmtp *zmtp, uint8_t flags, const void *data, size_t size, uint8_t *to)
{
    size_t head = write_head(to, 0, SW_CURVE_OVERHEAD + size);
    if (size > 0)
        memcpy(to + head + SW_CURVE_OVERHEAD, data, size);
    sw_curve_seal_as(&zmtp->curve->box, SW_CURVE_BY_CLIENT, flags, to + head, size);
    return head + SW_CURVE_OVERHEAD + size;
}

static void write_sealed(sw_zmtp *zmtp, uint8_t *bytes, size_t size)
{
    struct iovec part = {bytes, size};
    sw_zmtp_write(zmtp, &part, 1);
}

/* All frames in one piece. Without memory the connection ends, and the message is lost with it. */
static void send_sealed(sw_zmtp *zmtp, const sw_message *message)
{
    uint8_t few[SEALED_MAX], *bytes = few;
    size_t room = 0, used = 0;
    for (int i = 0; i < message->count; i++)
        room += HEAD_MAX + SW_CURVE_OVERHEAD + sw_message_view(message, i).size;
    if (room > sizeof(few) && (bytes = malloc(room)) == NULL) {
        shutdown(zmtp->fd, SHUT_RDWR);
        sw_zmtp_end_by(zmtp, ENOMEM);
        return;
    }
    for (int i = 0; i < message->count; i++) {
        sw_view frame = sw_message_view(message, i);
        used += seal(zmtp, i + 1 < message->count ? SW_CURVE_MORE : 0, frame.data, frame.size, bytes + used);
    }
    write_sealed(zmtp, bytes, used);
    if (bytes != few)
        free(bytes);
}

void sw_zmtp_command(sw_zmtp *zmtp, const void *body, size_t size)
{
    uint8_t head[HEAD_MAX], sealed[HEAD_MAX + SW_CURVE_OVERHEAD + SW_ZMTP_COMMAND_MAX];
    if (zmtp->curve != NULL && zmtp->state == SW_ZMTP_UP) {
        write_sealed(zmtp, sealed, seal(zmtp, SW_CURVE_COMMAND, body, size, sealed));
        return;
    }
    struct iovec parts[] = {{head, write_head(head, SW_ZMTP_COMMAND, size)}, {(void *)body, size}};
    sw_zmtp_write(zmtp, parts, 2);
}

int sw_zmtp_send(sw_zmtp *zmtp, sw_message *message)
{
    if (zmtp->state != SW_ZMTP_UP)
        return zmtp->state == SW_ZMTP_CONNECTING ? EAGAIN : EPIPE;
    if (zmtp->out_begin < zmtp->out_end)
        sw_zmtp_flush(zmtp);
    if (zmtp->out_end - zmtp->out_begin > zmtp->unsent_max)
        return EAGAIN;
    if (zmtp->curve != NULL) {
        send_sealed(zmtp, message);
        sw_message_close(message);
        return 0;
    }
    uint8_t heads[SW_FRAMES_MAX + 2][HEAD_MAX];
    struct iovec parts[2 * (SW_FRAMES_MAX + 2)];
    size_t count = 0;
    for (int i = 0; i < message->count; i++) {
        zmq_msg_t *frame = &message->frames[i];
        size_t size = zmq_msg_size(frame);
        size_t head_size = write_head(heads[i], i + 1 < message->count ? SW_ZMTP_MORE : 0, size);
        parts[count++] = (struct iovec){heads[i], head_size};
        parts[count++] = (struct iovec){zmq_msg_data(frame), size};
    }
    sw_zmtp_write(zmtp, parts, count);
    sw_message_close(message);
    return 0;
}

/* "Connection Heartbeating": the time to live, 0, is for the peer; it sends the context, here
 * empty, back. */
void sw_zmtp_ping(sw_zmtp *zmtp)
{
    if (zmtp->state == SW_ZMTP_UP)
        sw_zmtp_command(zmtp, "\4PING\0\0", 7);
}

/* --- In --- */

/* Reads from the socket at most once after each sw_zmtp_work. False if nothing was read. */
static bool read_some(sw_zmtp *zmtp, void *to, size_t room, size_t *size)
{
    if (!zmtp->may_read || zmtp->ended)
        return false;
    ssize_t got;
    do
        got = recv(zmtp->fd, to, room, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    zmtp->may_read = false;
    if (got > 0) {
        zmtp->heard++;
        *size = (size_t)got;
        return true;
    }
    if (got == 0 || errno != EAGAIN) {
        zmtp->ended = true;
        sw_zmtp_end_by(zmtp, got == 0 ? 0 : errno);
    }
    return false;
}

static bool fill(sw_zmtp *zmtp)
{
    size_t left = zmtp->in_end - zmtp->in_begin, got;
    if (zmtp->in_begin > 0 && left > 0)
        memmove(zmtp->in, zmtp->in + zmtp->in_begin, left);
    zmtp->in_begin = 0;
    zmtp->in_end = left;
    if (!read_some(zmtp, zmtp->in + left, SW_ZMTP_IN_SIZE - left, &got))
        return false;
    zmtp->in_end += got;
    return true;
}

const uint8_t *sw_zmtp_need(sw_zmtp *zmtp, size_t size)
{
    while (zmtp->in_end - zmtp->in_begin < size)
        if (!fill(zmtp))
            return NULL;
    return zmtp->in + zmtp->in_begin;
}

static void ignore_rest(sw_zmtp *zmtp)
{
    zmtp->ended = true;
    zmtp->in_begin = zmtp->in_end = 0;
}

bool sw_zmtp_violated(sw_zmtp *zmtp)
{
    ignore_rest(zmtp);
    zmtp->error = EPROTO;
    sw_zmtp_end(zmtp, zmtp->state == SW_ZMTP_UP ? SW_ZMTP_LOST : SW_ZMTP_STRANGER);
    return false;
}

bool sw_zmtp_ran_short(sw_zmtp *zmtp)
{
    ignore_rest(zmtp);
    sw_zmtp_end_by(zmtp, ENOMEM);
    return false;
}

static size_t frame_max(const sw_zmtp *zmtp)
{
    return zmtp->message_max + (zmtp->curve != NULL ? SW_CURVE_OVERHEAD : 0);
}

static bool begin_frame(sw_zmtp *zmtp)
{
    const uint8_t *at = sw_zmtp_need(zmtp, 2);
    bool is_long = at != NULL && (at[0] & SW_ZMTP_LONG) != 0;
    if (at == NULL || (is_long && (at = sw_zmtp_need(zmtp, HEAD_MAX)) == NULL))
        return false;
    uint64_t size = is_long ? 0 : at[1];
    for (int i = 0; is_long && i < 8; i++)
        size = size << 8 | at[1 + i];
    zmtp->flags = at[0];
    bool is_command = (at[0] & SW_ZMTP_COMMAND) != 0;
    if ((at[0] & ~(SW_ZMTP_MORE | SW_ZMTP_LONG | SW_ZMTP_COMMAND)) != 0 ||
        (is_command && (at[0] & SW_ZMTP_MORE) != 0) ||
        size > (is_command ? SW_ZMTP_COMMAND_MAX : frame_max(zmtp)))
        return sw_zmtp_violated(zmtp);
    if (zmq_msg_init_size(&zmtp->frame, (size_t)size) != 0)
        return sw_zmtp_ran_short(zmtp);
    zmtp->in_begin += is_long ? HEAD_MAX : 2;
    zmtp->filled = 0;
    zmtp->in_frame = true;
    return true;
}

static bool fill_frame(sw_zmtp *zmtp)
{
    uint8_t *data = zmq_msg_data(&zmtp->frame);
    size_t size = zmq_msg_size(&zmtp->frame);
    while (zmtp->filled < size) {
        size_t left = size - zmtp->filled, got = zmtp->in_end - zmtp->in_begin;
        if (got > 0) {
            got = got < left ? got : left;
            memcpy(data + zmtp->filled, zmtp->in + zmtp->in_begin, got);
            zmtp->in_begin += got;
        } else if (left < SW_ZMTP_IN_SIZE) {
            if (!fill(zmtp))
                return false;
            continue;
        } else if (!read_some(zmtp, data + zmtp->filled, left, &got)) {
            return false;
        }
        zmtp->filled += got;
    }
    return true;
}

bool sw_zmtp_next_frame(sw_zmtp *zmtp)
{
    if ((!zmtp->in_frame && !begin_frame(zmtp)) || !fill_frame(zmtp))
        return false;
    zmtp->in_frame = false;
    return true;
}

sw_view sw_zmtp_body(const sw_zmtp *zmtp)
{
    zmq_msg_t *frame = (zmq_msg_t *)&zmtp->frame; /* zmq_msg_data takes no const */
    return (sw_view){zmq_msg_data(frame), zmq_msg_size(frame)};
}

/* Replaces the frame by what it holds, and its flags by those in it. False: the connection has
 * ended. */
static bool open_frame(sw_zmtp *zmtp)
{
    uint8_t *data = zmq_msg_data(&zmtp->frame), flags;
    size_t size = zmq_msg_size(&zmtp->frame);
    zmq_msg_t plain;
    bool good = zmtp->flags == 0 || zmtp->flags == SW_ZMTP_LONG;
    if (!good || !sw_curve_open_as(&zmtp->curve->box, SW_CURVE_BY_SERVER, data, size, &flags)) {
        zmq_msg_close(&zmtp->frame);
        return sw_zmtp_violated(zmtp);
    }
    if (zmq_msg_init_size(&plain, size - SW_CURVE_OVERHEAD) != 0) {
        zmq_msg_close(&zmtp->frame);
        return sw_zmtp_ran_short(zmtp);
    }
    memcpy(zmq_msg_data(&plain), data + SW_CURVE_OVERHEAD, size - SW_CURVE_OVERHEAD);
    zmq_msg_move(&zmtp->frame, &plain);
    zmtp->flags = (uint8_t)((flags & SW_CURVE_MORE ? SW_ZMTP_MORE : 0) |
                            (flags & SW_CURVE_COMMAND ? SW_ZMTP_COMMAND : 0));
    return true;
}

bool sw_zmtp_is_command(const sw_zmtp *zmtp, const char *name)
{
    sw_view body = sw_zmtp_body(zmtp);
    size_t length = strlen(name);
    return (zmtp->flags & SW_ZMTP_COMMAND) != 0 && body.size > length && (uint8_t)body.data[0] == length &&
           memcmp(body.data + 1, name, length) == 0;
}

/* "Connection Heartbeating": a PING is answered with its context, which follows a time to live of
 * two bytes. A peer that does not read gets no answer, so that none pile up: it will find the bytes
 * that wait for it. */
static void on_command(sw_zmtp *zmtp)
{
    const size_t head = 7, context_max = 16;
    sw_view body = sw_zmtp_body(zmtp);
    if (!sw_zmtp_is_command(zmtp, "PING") || body.size < head || zmtp->out_begin < zmtp->out_end)
        return;
    uint8_t pong[5 + 16] = "\4PONG";
    size_t size = body.size - head < context_max ? body.size - head : context_max;
    memcpy(pong + 5, body.data + head, size);
    sw_zmtp_command(zmtp, pong, 5 + size);
}

int sw_zmtp_recv(sw_zmtp *zmtp, sw_message *message)
{
    message->count = 0;
    message->overflow = false;
    if (zmtp->state == SW_ZMTP_CONNECTING)
        return EAGAIN;
    while (sw_zmtp_next_frame(zmtp) && (zmtp->curve == NULL || open_frame(zmtp))) {
        if (zmtp->flags & SW_ZMTP_COMMAND) {
            on_command(zmtp);
            zmq_msg_close(&zmtp->frame);
            continue;
        }
        zmtp->message.overflow |= !sw_message_move(&zmtp->message, &zmtp->frame);
        zmq_msg_close(&zmtp->frame);
        if (zmtp->flags & SW_ZMTP_MORE)
            continue;
        for (int i = 0; i < zmtp->message.count; i++)
            sw_message_move(message, &zmtp->message.frames[i]);
        message->overflow = zmtp->message.overflow;
        sw_message_close(&zmtp->message);
        zmtp->message.overflow = false;
        return 0;
    }
    return zmtp->ended ? EPIPE : EAGAIN;
}
