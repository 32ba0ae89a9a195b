/* Messages and commands of a connection that is up (inbound.h). Words in quotes name sections of
 * ZeroMQ RFC 37. */
#include "listen/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONTEXT_MAX 16 /* bytes of a PING that its PONG returns */

/* --- out --- */

static bool is_full(const sw_inbound *session)
{
    const sw_listener_options *options = &session->listener->options;
    const sw_holding *holding = options->counts_unsent ? session->by_name : NULL;
    return session->is_blocked &&
           (session->unsent.bytes > options->unsent_bytes ||
            session->unsent.messages >= options->unsent_messages ||
            (holding != NULL && holding->bytes > session->listener->all->options.connection_bytes));
}

int sw_inbound_send(sw_inbound *session, sw_message *message)
{
    if (session->step != SW_STEP_UP)
        return EPIPE;
    if (is_full(session))
        return EAGAIN;
    for (int i = 0; i < message->count; i++)
        if (!sw_output_frame(session, &message->frames[i], i + 1 < message->count))
            return ENOMEM;
    sw_message_close(message);
    if (session->unsent.bytes >= SW_WRITE_SIZE && !session->is_blocked)
        sw_output_write(session);
    else if (session->is_blocked)
        sw_output_count(session);
    return 0;
}

/* --- in: commands --- */

static bool is_command(const uint8_t *body, size_t size, const char *name)
{
    size_t length = strlen(name);
    return size > length && body[0] == length && memcmp(body + 1, name, length) == 0;
}

/* "Connection Heartbeating": a PING is answered with its context, which follows a time to live of
 * two bytes. A peer that does not read gets no answer, so that none pile up. */
static void pong(sw_inbound *session, const uint8_t *ping, size_t size)
{
    const size_t head = 7;
    uint8_t body[5 + CONTEXT_MAX] = "\4PONG";
    if (size < head || session->is_blocked)
        return;
    size_t context = size - head < CONTEXT_MAX ? size - head : CONTEXT_MAX;
    memcpy(body + 5, ping + head, context);
    sw_output_command(session, body, 5 + context);
}

static bool take_topic(sw_inbound *session, sw_message *message, const uint8_t *topic, size_t size)
{
    message->count = 0;
    if (sw_message_add(message, topic, size))
        return true;
    sw_inbound_end(session);
    return false;
}

/* Commands of an unknown name are ignored. */
static sw_arrival take_command(sw_inbound *session, const uint8_t *body, size_t size, sw_message *message)
{
    bool is_publisher = session->listener->options.type == SW_SOCKET_XPUB;
    if (is_command(body, size, "PING"))
        pong(session, body, size);
    else if (is_publisher && is_command(body, size, "SUBSCRIBE") &&
             take_topic(session, message, body + 10, size - 10))
        return SW_ARRIVAL_SUBSCRIBE;
    else if (is_publisher && is_command(body, size, "CANCEL") &&
             take_topic(session, message, body + 7, size - 7))
        return SW_ARRIVAL_CANCEL;
    return SW_ARRIVAL_NONE;
}

/* ZMTP 3.0 subscribes with a message: 1 or 0, and the topic. */
static sw_arrival subscription_of(sw_inbound *session, sw_message *message)
{
    sw_view view = sw_message_view(message, 0);
    if (message->count != 1 || message->overflow || view.size == 0 || (uint8_t)view.data[0] > 1)
        return SW_ARRIVAL_MESSAGE;
    bool subscribes = view.data[0] == 1;
    sw_message topic;
    if (!take_topic(session, &topic, (const uint8_t *)view.data + 1, view.size - 1)) {
        sw_message_close(message);
        return SW_ARRIVAL_NONE;
    }
    sw_message_close(message);
    sw_message_move(message, &topic.frames[0]);
    sw_message_close(&topic);
    return subscribes ? SW_ARRIVAL_SUBSCRIBE : SW_ARRIVAL_CANCEL;
}

/* --- in: frames --- */

static void free_body(void *data, void *body)
{
    (void)data;
    free(body);
}

/* A frame of a message: large bodies that came in parts are handed over, others copied. */
static bool make_frame(sw_frame *from, const uint8_t *data, size_t size, zmq_msg_t *frame)
{
    if (from->is_owned && size > SW_UNSENT_COPIED) {
        from->is_owned = zmq_msg_init_data(frame, (void *)data, size, free_body, from->data) != 0;
        return !from->is_owned;
    }
    if (zmq_msg_init_size(frame, size) != 0)
        return false;
    if (size > 0)
        memcpy(zmq_msg_data(frame), data, size);
    return true;
}

static sw_arrival take_frame(sw_inbound *session, sw_frame *from, sw_message *message)
{
    uint8_t flags = from->flags & (SW_FRAME_MORE | SW_FRAME_COMMAND), *data = from->data;
    size_t size = from->size;
    zmq_msg_t frame;
    if (session->is_curve) {
        if (!sw_curve_open(&session->curve, data, size, &flags)) {
            sw_inbound_end(session);
            return SW_ARRIVAL_NONE;
        }
        flags = (uint8_t)((flags & SW_CURVE_MORE ? SW_FRAME_MORE : 0) |
                          (flags & SW_CURVE_COMMAND ? SW_FRAME_COMMAND : 0));
        data += SW_CURVE_OVERHEAD;
        size -= SW_CURVE_OVERHEAD;
    }
    if (flags & SW_FRAME_COMMAND)
        return take_command(session, data, size, message);
    session->partial_bytes += size;
    message->overflow |= message->count == SW_FRAMES_MAX + 2;
    if (!message->overflow && !make_frame(from, data, size, &frame)) {
        sw_inbound_end(session);
        return SW_ARRIVAL_NONE;
    }
    if (!message->overflow)
        sw_message_move(message, &frame);
    return flags & SW_FRAME_MORE ? SW_ARRIVAL_NONE : SW_ARRIVAL_MESSAGE;
}

/* --- in: messages --- */

static void move_message(sw_message *to, sw_message *from)
{
    to->count = 0;
    to->overflow = from->overflow;
    for (int i = 0; i < from->count; i++)
        sw_message_move(to, &from->frames[i]);
    sw_message_close(from);
}

static void resume(sw_inbound *session, sw_message *message)
{
    message->count = 0;
    message->overflow = false;
    if (session->partial == NULL)
        return;
    move_message(message, session->partial);
    free(session->partial);
    session->partial = NULL;
}

/* Keeps the frames of a message that has not come whole. */
static void suspend(sw_inbound *session, sw_message *message)
{
    if (session->partial_bytes > 0 || message->count > 0) {
        session->partial = malloc(sizeof(*session->partial));
        if (session->partial == NULL)
            sw_inbound_end(session);
        else
            move_message(session->partial, message);
    }
    sw_message_close(message);
    sw_output_count(session);
}

/* What a message may have by its holding. A service always has room for a small one: others with
 * its key must not cut it off. */
static size_t holding_bound(sw_inbound *session)
{
    const sw_listener *listener = session->listener;
    size_t most = listener->all->options.connection_bytes,
           others = session->by_name->bytes - session->counted;
    size_t room = most > others ? most - others : 0;
    bool is_service = listener->options.share == SW_SHARE_SERVICES;
    return is_service && room < SW_SERVICE_BYTES ? SW_SERVICE_BYTES : room;
}

static size_t less(size_t a, size_t b)
{
    return a > b ? a - b : 0;
}

/* Bytes that the next frame may have: what the message has left, and what its holding has. */
static size_t frame_bound(sw_inbound *session)
{
    const sw_listener *listener = session->listener;
    size_t bound = less(session->message_max, session->partial_bytes);
    if (session->by_name != NULL) {
        size_t room = less(holding_bound(session), session->partial_bytes);
        bool may_exceed = room < bound && listener->owner.answers != NULL &&
                          listener->owner.answers(listener->owner.context, session);
        bound = room < bound && !may_exceed ? room : bound;
    }
    return bound + (session->is_curve ? SW_CURVE_OVERHEAD : 0);
}

sw_arrival sw_inbound_next(sw_inbound *session, sw_message *message)
{
    sw_listeners *all = session->listener->all;
    bool is_subscriber = session->listener->options.type == SW_SOCKET_XPUB;
    resume(session, message);
    while (session->step == SW_STEP_UP && all->reading == session) {
        sw_frame frame;
        sw_frame_result result =
            sw_frame_reader_next(&session->reader, &all->at, &all->left, frame_bound(session), &frame);
        if (result == SW_FRAME_NONE)
            break;
        if (result != SW_FRAME_WHOLE) {
            sw_inbound_end(session);
            break;
        }
        sw_arrival arrival = take_frame(session, &frame, message);
        if (frame.is_owned)
            free(frame.data);
        if (arrival == SW_ARRIVAL_MESSAGE) {
            session->partial_bytes = 0;
            arrival = is_subscriber ? subscription_of(session, message) : arrival;
        }
        if (arrival != SW_ARRIVAL_NONE)
            return arrival;
    }
    suspend(session, message);
    return SW_ARRIVAL_NONE;
}
