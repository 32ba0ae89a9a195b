/* The end of a connection, and what its owner asks about it (session.h). */
#include "listen/session.h"

#include "listen/due.h"
#include <string.h>

void sw_session_end(sw_session *session)
{
    sw_listeners *all = session->listener->all;
    if (session->step == SW_STEP_ENDED)
        return;
    session->step = SW_STEP_ENDED;
    sw_due_leave(session);
    sw_loop_remove_fd(all->loop, session->fd);
    shutdown(session->fd, SHUT_RDWR);
    session->next_ended = all->ended;
    all->ended = session;
    if (all->reading == session)
        all->left = 0;
}

bool sw_session_is_up(const sw_session *session)
{
    return session->step == SW_STEP_UP;
}

void sw_session_set_user(sw_session *session, void *user)
{
    session->user = user;
}

void *sw_session_user(const sw_session *session)
{
    return session->user;
}

void sw_session_set_message_max(sw_session *session, size_t bytes)
{
    session->message_max = bytes;
}

const uint8_t *sw_session_key(const sw_session *session)
{
    return session->listener->options.secret_key == NULL ? NULL : session->curve.client;
}

int64_t sw_session_uid(const sw_session *session)
{
    return session->uid;
}

const char *sw_session_address(const sw_session *session, char text[64])
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

const char *sw_listener_take_failure(sw_listener *listener)
{
    const char *failure = listener->counters.failure;
    listener->counters.failure = NULL;
    return failure;
}
