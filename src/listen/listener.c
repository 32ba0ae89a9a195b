/* Accepting, reading, times, and the end of connections (listener.h). */
#include "listen/listener.h"

#include "base/clock.h"
#include "listen/due.h"
#include "listen/handshake.h"
#include "listen/output.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ACCEPTED_MAX 32  /* connections of an endpoint in a round, so that calls get their turn */
#define PAUSE_MS     100 /* before accepting again when no descriptor was left */

/* --- times --- */

static void set_timer(sw_listeners *all)
{
    int64_t due_ms = all->resume_ms;
    for (int i = 0; i < SW_SHARES; i++)
        if (all->handshakes[i].first != NULL && all->handshakes[i].first->link.due_ms < due_ms)
            due_ms = all->handshakes[i].first->link.due_ms;
    for (const sw_listener *each = all->listeners; each != NULL; each = each->next)
        if (each->watched.first != NULL && each->watched.first->link.due_ms < due_ms)
            due_ms = each->watched.first->link.due_ms;
    sw_timer_start(all->timer, due_ms);
}

/* Without a descriptor, a connection that waits to be accepted would wake the loop for ever. */
static void set_accepting(sw_listeners *all, bool accepts)
{
    all->resume_ms = accepts ? SW_NEVER : sw_now_ms() + PAUSE_MS;
    for (const sw_listener *listener = all->listeners; listener != NULL; listener = listener->next)
        for (const sw_endpoint_socket *each = listener->sockets; each != NULL; each = each->next)
            sw_loop_watch(all->loop, each->fd, accepts ? ZMQ_POLLIN : 0);
}

/* A peer that was silent since the last look is pinged; one that was for several is lost. */
static void look_for_silence(sw_listener *listener, sw_inbound *session, int64_t now_ms)
{
    const sw_listener_options *options = &listener->options;
    session->silent = session->was_heard ? 0 : (uint8_t)(session->silent + 1);
    session->was_heard = false;
    if (session->silent * options->heartbeat_ms >= options->silence_ms) {
        sw_inbound_end(session);
        return;
    }
    if (session->silent > 0 && !session->is_blocked)
        sw_output_command(session, "\4PING\0\0", 7);
    sw_due_leave(session);
    sw_due_push(&listener->watched, session, now_ms + options->heartbeat_ms);
}

static void on_time(void *context)
{
    sw_listeners *all = context;
    int64_t now_ms = sw_now_ms();
    sw_inbound *first;
    if (now_ms >= all->resume_ms)
        set_accepting(all, true);
    for (int i = 0; i < SW_SHARES; i++)
        while ((first = all->handshakes[i].first) != NULL && first->link.due_ms <= now_ms)
            sw_handshake_fail(first, sw_handshake_gone);
    for (sw_listener *each = all->listeners; each != NULL; each = each->next)
        while ((first = each->watched.first) != NULL && first->link.due_ms <= now_ms)
            look_for_silence(each, first, now_ms);
    set_timer(all);
}

/* --- reading --- */

/* A balancer that looks whether we listen connects and hangs up, again and again: that is no
 * failure. */
static bool is_look(const sw_inbound *session)
{
    bool is_trusted = session->address != NULL && session->by_address == NULL;
    return is_trusted && session->step == SW_STEP_GREETING && session->greeted == 0;
}

static void end_of_stream(sw_inbound *session)
{
    if (is_look(session))
        sw_inbound_end(session);
    else
        sw_handshake_fail(session, sw_handshake_gone);
}

/* Reads once, into the common buffer or the rest of a long frame. False at the end of the
 * connection, and when there is nothing. */
static bool read_bytes(sw_inbound *session)
{
    sw_listeners *all = session->listener->all;
    size_t room = sizeof(all->bytes);
    uint8_t *rest = sw_frame_reader_rest(&session->reader, sizeof(all->bytes), &room);
    ssize_t size = recv(session->fd, rest != NULL ? rest : all->bytes, room, MSG_DONTWAIT);
    if (size <= 0) {
        if (size == 0 || (errno != EAGAIN && errno != EINTR))
            end_of_stream(session);
        return false;
    }
    if (rest != NULL)
        sw_frame_reader_filled(&session->reader, (size_t)size);
    session->was_heard = true;
    all->at = all->bytes;
    all->left = rest != NULL ? 0 : (size_t)size;
    return true;
}

static void on_ready(void *context, short ready)
{
    sw_inbound *session = context;
    sw_listener *listener = session->listener;
    sw_listeners *all = listener->all;
    if (ready & ZMQ_POLLOUT)
        sw_output_write(session);
    if ((ready & (ZMQ_POLLIN | ZMQ_POLLERR)) == 0 || session->step == SW_STEP_ENDED || !read_bytes(session))
        return;
    all->reading = session;
    if (session->step < SW_STEP_ASKED)
        sw_handshake_work(session);
    else if (session->step == SW_STEP_ASKED)
        sw_handshake_fail(session, "it sent something before it was admitted");
    else if (session->step == SW_STEP_LEAVING) /* a refused peer has nothing to say */
        sw_inbound_end(session);
    if (session->step == SW_STEP_UP)
        listener->owner.read(listener->owner.context, session);
    all->reading = NULL;
    all->left = 0;
}

/* --- accepting --- */

/* The kernel notices that a peer's machine is gone even while nothing is sent. */
static void set_tcp(int fd)
{
    const struct {
        int level, option, value;
    } settings[] = {{IPPROTO_TCP, TCP_NODELAY, 1},
                    {SOL_SOCKET, SO_KEEPALIVE, 1},
                    {IPPROTO_TCP, TCP_KEEPIDLE, 2},
                    {IPPROTO_TCP, TCP_KEEPINTVL, 2},
                    {IPPROTO_TCP, TCP_KEEPCNT, 3}};
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        setsockopt(fd, settings[i].level, settings[i].option, &settings[i].value, sizeof(int));
}

/* Who is at the other end: an address, or a uid. False: its address has too many connections. */
static bool identify(sw_inbound *session)
{
    sw_listeners *all = session->listener->all;
    struct sockaddr_storage from = {0};
    socklen_t size = sizeof(from), credentials_size = sizeof(struct ucred);
    struct ucred credentials;
    uint8_t name[SW_HOLDING_NAME] = {0};
    session->uid = -1;
    if (getpeername(session->fd, (struct sockaddr *)&from, &size) == 0 && sw_network_address(&from, name)) {
        set_tcp(session->fd);
        session->address = malloc(sizeof(from));
        if (session->address == NULL)
            return false;
        *session->address = from;
        if (sw_networks_contain(&all->options.trusted, name))
            return true;
        sw_network_mask_host(name);
        session->by_address = sw_holdings_join(&all->holdings, SW_HOLDING_ADDRESS, name);
        return session->by_address != NULL &&
               session->by_address->connections <= all->options.limits.address_connections;
    }
    if (getsockopt(session->fd, SOL_SOCKET, SO_PEERCRED, &credentials, &credentials_size) == 0)
        session->uid = credentials.uid;
    return true;
}

static void turn_away(sw_inbound *session, const char *why)
{
    session->listener->counters.turned_away++;
    sw_handshake_fail(session, why);
    session->listener->counters.failure.is_limit = true;
}

/* When there are too many connections, or too many unfinished handshakes, the oldest one that is
 * unfinished makes room: it is the least likely to finish. So strangers cannot keep out others of
 * their share. */
static void begin_handshake(sw_inbound *session)
{
    sw_listeners *all = session->listener->all;
    sw_share share = session->listener->options.share;
    const sw_listen_limits *limits = &all->options.limits;
    sw_due_queue *handshakes = &all->handshakes[share];
    if (handshakes->count >= limits->handshakes ||
        (handshakes->count > 0 && all->open[share] > limits->shares[share]))
        turn_away(handshakes->first, "too many handshakes were unfinished");
    bool is_full = all->open[share] > limits->shares[share];
    sw_due_push(handshakes, session, sw_now_ms() + all->options.handshake_ms);
    if (is_full)
        turn_away(session, "there are too many connections (ulimit -n, LimitNOFILE)");
    else if (!identify(session))
        turn_away(session, "its address has too many connections (--address-connections)");
    else
        sw_handshake_begin(session);
}

static void link_connection(sw_listener *listener, sw_inbound *session)
{
    session->next = listener->connections;
    if (listener->connections != NULL)
        listener->connections->previous = session;
    listener->connections = session;
    listener->all->open[listener->options.share]++;
    listener->all->unfreed++;
}

void sw_listener_adopt(sw_listener *listener, int fd)
{
    sw_listeners *all = listener->all;
    sw_inbound *session = calloc(1, sizeof(*session));
    if (session == NULL || sw_loop_fd(all->loop, fd, ZMQ_POLLIN, on_ready, session) != SW_OK) {
        free(session);
        close(fd);
        return;
    }
    session->listener = listener;
    session->fd = fd;
    session->message_max = listener->options.message_max;
    link_connection(listener, session);
    begin_handshake(session);
    set_timer(all);
}

/* The process has no descriptor left: hangs up on the connection, so that its peer need not wait.
 * False: it cannot even do that now. */
static bool hang_up(sw_listeners *all, int listening)
{
    if (all->spare < 0)
        return false;
    close(all->spare);
    int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    all->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd >= 0;
}

static void on_exhaustion(const sw_endpoint_socket *socket)
{
    sw_listeners *all = socket->listener->all;
    socket->listener->counters.failure = (sw_listener_failure){
        .why = "no descriptor was left for it (ulimit -n, LimitNOFILE)", .is_limit = true};
    socket->listener->counters.turned_away++;
    if (hang_up(all, socket->fd))
        return;
    set_accepting(all, false);
    set_timer(all);
}

static void on_accept(void *context, short ready)
{
    (void)ready;
    const sw_endpoint_socket *socket = context;
    int fd = 0;
    for (int i = 0; i < ACCEPTED_MAX && fd >= 0; i++) {
        fd = accept4(socket->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            sw_listener_adopt(socket->listener, fd);
    }
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
        on_exhaustion(socket);
}

/* --- the end of connections --- */

static void free_connection(sw_inbound *session)
{
    sw_listener *listener = session->listener;
    sw_listeners *all = listener->all;
    *(session->previous == NULL ? &listener->connections : &session->previous->next) = session->next;
    if (session->next != NULL)
        session->next->previous = session->previous;
    all->unfreed--;
    sw_unsent_clear(&session->unsent, &all->pieces);
    sw_frame_reader_clear(&session->reader);
    if (session->by_name != NULL)
        session->by_name->bytes -= session->counted;
    sw_holdings_leave(&all->holdings, &session->by_name);
    sw_holdings_leave(&all->holdings, &session->by_address);
    if (session->partial != NULL)
        sw_message_close(session->partial);
    free(session->partial);
    free(session->address);
    close(session->fd);
    explicit_bzero(&session->curve, sizeof(session->curve));
    free(session);
}

void sw_listeners_flush(sw_listeners *all)
{
    for (sw_inbound *each; (each = all->dirty) != NULL;) {
        all->dirty = each->next_dirty;
        each->is_dirty = false;
        if (!each->is_blocked)
            sw_output_write(each);
    }
}

void sw_listeners_reap(sw_listeners *all)
{
    bool any = all->ended != NULL;
    sw_listeners_flush(all); /* nothing on the list of the dirty is freed */
    for (sw_inbound *each; (each = all->ended) != NULL;) {
        const sw_listener_owner *owner = &each->listener->owner;
        all->ended = each->next_ended;
        if (each->was_asked)
            owner->lost(owner->context, each);
        sw_listeners_flush(all);
        free_connection(each);
    }
    if (any)
        set_timer(all);
}

void sw_listener_decide(sw_inbound *session, sw_admission admission)
{
    sw_handshake_finish(session, admission);
}

/* --- life --- */

sw_listeners *sw_listeners_new(sw_loop *loop, const sw_listeners_options *options)
{
    sw_listeners *all = calloc(1, sizeof(*all));
    if (all == NULL || (all->timer = sw_loop_timer(loop, on_time, all)) == NULL) {
        free(all);
        return NULL;
    }
    all->loop = loop;
    all->options = *options;
    all->resume_ms = SW_NEVER;
    all->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    sw_holdings_init(&all->holdings, options->secret);
    return all;
}

uint32_t sw_listeners_count(const sw_listeners *all)
{
    return all->unfreed;
}

sw_listener *sw_listener_new(sw_listeners *all, const sw_listener_options *options,
                             const sw_listener_owner *owner)
{
    sw_listener *listener = calloc(1, sizeof(*listener));
    if (listener == NULL)
        return NULL;
    *listener = (sw_listener){.all = all, .next = all->listeners, .options = *options, .owner = *owner};
    all->listeners = listener;
    return listener;
}

void sw_listener_each(sw_listener *listener, void (*fn)(void *context, sw_inbound *session), void *context)
{
    for (sw_inbound *each = listener->connections; each != NULL; each = each->next)
        if (each->step == SW_STEP_UP)
            fn(context, each);
}

sw_code sw_listener_bind(sw_listener *listener, const char *endpoint, bool is_guarded,
                         char bound[SW_ENDPOINT_SIZE], sw_error *error)
{
    sw_endpoint_socket *socket = calloc(1, sizeof(*socket));
    if (socket == NULL)
        return SW_RESOURCE_EXHAUSTED;
    sw_code code = sw_listen_at(endpoint, is_guarded, &socket->fd, socket->bound, error);
    if (code != SW_OK) {
        free(socket);
        return code;
    }
    socket->listener = listener;
    socket->next = listener->sockets;
    listener->sockets = socket;
    memcpy(bound, socket->bound, SW_ENDPOINT_SIZE);
    return sw_loop_fd(listener->all->loop, socket->fd, ZMQ_POLLIN, on_accept, socket);
}

/* The connection that has something unsent, of any listener; NULL: none has. */
static sw_inbound *next_unsent(const sw_listeners *all)
{
    for (const sw_listener *listener = all->listeners; listener != NULL; listener = listener->next)
        for (sw_inbound *each = listener->connections; each != NULL; each = each->next)
            if (each->step == SW_STEP_UP && each->unsent.bytes > 0)
                return each;
    return NULL;
}

static void linger(sw_listeners *all, int64_t end_ms)
{
    sw_inbound *session;
    for (int64_t left; (session = next_unsent(all)) != NULL && (left = end_ms - sw_now_ms()) > 0;) {
        struct pollfd ready = {.fd = session->fd, .events = POLLOUT};
        if (poll(&ready, 1, (int)left) > 0)
            sw_output_write(session);
    }
}

/* A TCP socket that is closed with unread bytes resets the connection, and what it sent may be
 * lost. */
static void close_listener(sw_listener *listener)
{
    sw_listeners *all = listener->all;
    for (sw_endpoint_socket *socket; (socket = listener->sockets) != NULL;) {
        listener->sockets = socket->next;
        sw_loop_remove_fd(all->loop, socket->fd);
        sw_listen_close(socket->fd, socket->bound);
        free(socket);
    }
    for (sw_inbound *session = listener->connections, *next; session != NULL; session = next) {
        next = session->next; /* nothing else is freed here */
        shutdown(session->fd, SHUT_WR);
        (void)!recv(session->fd, all->bytes, sizeof(all->bytes), MSG_DONTWAIT);
        sw_inbound_end(session);
        if (session->was_asked)
            listener->owner.lost(listener->owner.context, session);
        sw_listeners_flush(all);
        free_connection(session);
    }
}

void sw_listeners_destroy(sw_listeners **pointer, int linger_ms)
{
    sw_listeners *all = *pointer;
    if (all == NULL)
        return;
    sw_listeners_flush(all);
    linger(all, sw_now_ms() + linger_ms);
    while (all->listeners != NULL) {
        sw_listener *listener = all->listeners;
        all->listeners = listener->next;
        close_listener(listener);
        free(listener);
    }
    sw_timer_destroy(&all->timer);
    sw_holdings_clear(&all->holdings);
    sw_piece_pool_clear(&all->pieces);
    if (all->spare >= 0)
        close(all->spare);
    free(all);
    *pointer = NULL;
}
