/* Frames are appended to what is unsent; the socket gets it at the end of the round, or once there
 * is much (output.h). */
#include "listen/output.h"

#include <errno.h>
#include <string.h>

static void soil(sw_inbound *session)
{
    sw_listeners *all = session->listener->all;
    if (session->is_dirty)
        return;
    session->is_dirty = true;
    session->next_dirty = all->dirty;
    all->dirty = session;
}

static bool append(sw_inbound *session, const void *bytes, size_t size)
{
    soil(session);
    if (sw_unsent_add(&session->unsent, &session->listener->all->pieces, bytes, size))
        return true;
    sw_inbound_end(session);
    return false;
}

void sw_output_bytes(sw_inbound *session, const void *bytes, size_t size)
{
    append(session, bytes, size);
}

/* "Framing": a length of one byte, or of eight in network order. */
static bool append_head(sw_inbound *session, uint8_t flags, size_t size)
{
    uint8_t head[SW_FRAME_HEAD_MAX] = {flags, (uint8_t)size};
    if (size <= UINT8_MAX)
        return append(session, head, 2);
    head[0] |= SW_FRAME_LONG;
    for (int i = 0; i < 8; i++)
        head[1 + i] = (uint8_t)((uint64_t)size >> (56 - 8 * i));
    return append(session, head, sizeof(head));
}

void sw_output_handshake(sw_inbound *session, const void *body, size_t size)
{
    if (append_head(session, SW_FRAME_COMMAND, size))
        append(session, body, size);
}

/* --- encrypted: libzmq sends and expects a MESSAGE as a frame without flags --- */

static bool seal_small(sw_inbound *session, uint8_t flags, const void *data, size_t size)
{
    uint8_t sealed[SW_CURVE_OVERHEAD + SW_UNSENT_COPIED];
    if (size > 0)
        memcpy(sealed + SW_CURVE_OVERHEAD, data, size);
    sw_curve_seal(&session->curve, flags, sealed, size);
    return append_head(session, 0, SW_CURVE_OVERHEAD + size) &&
           append(session, sealed, SW_CURVE_OVERHEAD + size);
}

static bool append_frame(sw_inbound *session, zmq_msg_t *frame)
{
    if (sw_unsent_add_frame(&session->unsent, &session->listener->all->pieces, frame))
        return true;
    sw_inbound_end(session);
    return false;
}

static bool seal_large(sw_inbound *session, uint8_t flags, zmq_msg_t *frame)
{
    zmq_msg_t sealed;
    size_t size = zmq_msg_size(frame);
    if (zmq_msg_init_size(&sealed, SW_CURVE_OVERHEAD + size) != 0) {
        sw_inbound_end(session);
        return false;
    }
    uint8_t *bytes = zmq_msg_data(&sealed);
    memcpy(bytes + SW_CURVE_OVERHEAD, zmq_msg_data(frame), size);
    sw_curve_seal(&session->curve, flags, bytes, size);
    bool good = append_head(session, 0, SW_CURVE_OVERHEAD + size) && append_frame(session, &sealed);
    zmq_msg_close(&sealed);
    return good;
}

/* --- frames and commands --- */

void sw_output_command(sw_inbound *session, const void *body, size_t size)
{
    if (session->is_curve)
        seal_small(session, SW_CURVE_COMMAND, body, size);
    else
        sw_output_handshake(session, body, size);
}

static bool append_message_frame(sw_inbound *session, zmq_msg_t *frame, bool more)
{
    size_t size = zmq_msg_size(frame);
    uint8_t flags = more ? SW_CURVE_MORE : 0;
    if (!session->is_curve)
        return append_head(session, more ? SW_FRAME_MORE : 0, size) && append_frame(session, frame);
    return size <= SW_UNSENT_COPIED ? seal_small(session, flags, zmq_msg_data(frame), size)
                                    : seal_large(session, flags, frame);
}

bool sw_output_frame(sw_inbound *session, zmq_msg_t *frame, bool more)
{
    bool good = append_message_frame(session, frame, more);
    if (good && !more)
        sw_unsent_end_message(&session->unsent);
    return good;
}

/* --- the socket --- */

static void set_blocked(sw_inbound *session, bool blocked)
{
    short events = blocked ? ZMQ_POLLIN | ZMQ_POLLOUT : ZMQ_POLLIN;
    if (session->is_blocked == blocked)
        return;
    session->is_blocked = blocked;
    sw_loop_watch(session->listener->all->loop, session->fd, events);
}

/* A failure does not end the connection by itself: what the peer sent before it went is read first,
 * and the read then reports the end. */
void sw_output_write(sw_inbound *session)
{
    sw_listeners *all = session->listener->all;
    if (session->step == SW_STEP_ENDED)
        return;
    int error = sw_unsent_write(&session->unsent, &all->pieces, session->fd);
    if (error != 0 && error != EAGAIN) {
        sw_unsent_clear(&session->unsent, &all->pieces);
        shutdown(session->fd, SHUT_RDWR);
    }
    set_blocked(session, error == EAGAIN);
    sw_output_count(session);
}

void sw_output_count(sw_inbound *session)
{
    sw_holding *holding = session->by_name;
    if (holding == NULL)
        return;
    size_t bytes = session->partial_bytes + sw_frame_reader_held(&session->reader);
    if (session->listener->options.counts_unsent)
        bytes += session->unsent.held;
    holding->bytes += bytes - session->counted;
    session->counted = bytes;
}
