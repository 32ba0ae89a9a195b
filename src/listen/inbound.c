/* The end of a connection, and what its owner asks about it (inbound.h). */
#include "listen/inbound.h"

#include "listen/due.h"
#include <string.h>

void sw_inbound_end(sw_inbound *session)
{
    sw_listeners *all = session->listener->all;
    if (session->step == SW_STEP_ENDED)
        return;
    session->step = SW_STEP_ENDED;
    all->open[session->listener->options.share]--;
    sw_due_leave(session);
    sw_loop_remove_fd(all->loop, session->fd);
    shutdown(session->fd, SHUT_RDWR);
    session->next_ended = all->ended;
    all->ended = session;
    if (all->reading == session)
        all->left = 0;
}

bool sw_inbound_is_up(const sw_inbound *session)
{
    return session->step == SW_STEP_UP;
}

bool sw_inbound_is_blocked(const sw_inbound *session)
{
    return session->is_blocked;
}

void sw_inbound_set_user(sw_inbound *session, void *user)
{
    session->user = user;
}

void *sw_inbound_user(const sw_inbound *session)
{
    return session->user;
}

void sw_inbound_set_message_max(sw_inbound *session, size_t bytes)
{
    session->message_max = bytes;
}

const uint8_t *sw_inbound_key(const sw_inbound *session)
{
    return session->is_curve ? session->curve.client : NULL;
}

int64_t sw_inbound_uid(const sw_inbound *session)
{
    return session->uid;
}

const char *sw_inbound_address(const sw_inbound *session, char text[64])
{
    text[0] = '\0';
    if (session->address != NULL)
        sw_network_text(session->address, text);
    return text;
}

const sw_listener_counters *sw_listener_get_counters(const sw_listener *listener)
{
    return &listener->counters;
}

bool sw_listener_take_failure(sw_listener *listener, sw_listener_failure *failure)
{
    *failure = listener->counters.failure;
    listener->counters.failure.why = NULL;
    return failure->why != NULL;
}
