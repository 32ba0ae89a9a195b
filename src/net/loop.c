/* The poll loop, on epoll. A ZeroMQ socket's descriptor is edge-triggered, and any send or receive
 * on the socket may swallow the edge. So before it waits, the loop asks the socket itself
 * (ZMQ_EVENTS), unless the socket is known to be drained. Timers are in timer.c. */
#include "net/loop.h"
#include "base/clock.h"
#include "base/error.h"
#include "net/timer.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <zmq.h>

#define EVENTS_MAX 64 /* of one epoll_wait; the rest come in the next round */

typedef struct source {
    struct source *next;
    void *socket; /* NULL for a plain descriptor */
    int fd;
    short events;
    short ready;  /* sockets: the events found before waiting */
    bool woken;   /* sockets: the descriptor became ready */
    bool tells;   /* sockets: the user calls sw_loop_drained */
    bool drained; /* sockets: nothing can have happened before the descriptor becomes ready */
    bool dead;    /* removed; freed when no round is running */
    sw_loop_fn *fn;
    void *context;
} source;

typedef struct {
    sw_timer_fn *fn;
    void *context;
} idler;

struct sw_loop {
    int epoll;
    int depth; /* rounds running: a callback may run the loop */
    bool stopped, has_dead;
    source *sockets;
    source **descriptors; /* by descriptor, so that thousands of connections cost no search */
    int room;             /* of `descriptors` */
    source *dead;         /* removed descriptors, until no round is running */
    size_t idle_count;
    idler *idle;
    sw_timers timers;
};

sw_loop *sw_loop_new(void)
{
    sw_loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL)
        return NULL;
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll < 0) {
        free(loop);
        return NULL;
    }
    return loop;
}

static void free_sources(source *first)
{
    for (source *next, *each = first; each != NULL; each = next) {
        next = each->next;
        free(each);
    }
}

void sw_loop_destroy(sw_loop **loop)
{
    if (*loop == NULL)
        return;
    free_sources((*loop)->sockets);
    free_sources((*loop)->dead);
    for (int fd = 0; fd < (*loop)->room; fd++)
        free((*loop)->descriptors[fd]);
    free((*loop)->descriptors);
    sw_timers_clear(&(*loop)->timers);
    free((*loop)->idle);
    close((*loop)->epoll);
    free(*loop);
    *loop = NULL;
}

static source *find(const sw_loop *loop, const void *socket, int fd)
{
    if (socket == NULL)
        return fd >= 0 && fd < loop->room ? loop->descriptors[fd] : NULL;
    for (source *each = loop->sockets; each != NULL; each = each->next)
        if (!each->dead && each->socket == socket)
            return each;
    return NULL;
}

static bool has_room(sw_loop *loop, int fd)
{
    int room = loop->room == 0 ? 64 : loop->room;
    if (fd < loop->room)
        return true;
    while (room <= fd)
        room *= 2;
    source **grown = realloc(loop->descriptors, (size_t)room * sizeof(source *));
    if (grown == NULL)
        return false;
    memset(grown + loop->room, 0, (size_t)(room - loop->room) * sizeof(source *));
    loop->descriptors = grown;
    loop->room = room;
    return true;
}

static uint32_t epoll_events(const source *from)
{
    if (from->socket != NULL)
        return EPOLLIN;
    return (from->events & ZMQ_POLLIN ? EPOLLIN : 0U) | (from->events & ZMQ_POLLOUT ? EPOLLOUT : 0U);
}

static sw_code add(sw_loop *loop, void *socket, int fd, short events, sw_loop_fn *fn, void *context)
{
    source *known = find(loop, socket, fd);
    if (known != NULL) {
        bool changed = known->events != events;
        known->events = events;
        known->fn = fn;
        known->context = context;
        struct epoll_event event = {.events = epoll_events(known), .data.ptr = known};
        if (changed && socket == NULL && epoll_ctl(loop->epoll, EPOLL_CTL_MOD, fd, &event) != 0)
            return errno == ENOMEM ? SW_RESOURCE_EXHAUSTED : SW_INVALID_ARGUMENT;
        return SW_OK;
    }
    if (fd < 0)
        return SW_INVALID_ARGUMENT;
    source *added = socket != NULL || has_room(loop, fd) ? malloc(sizeof(*added)) : NULL;
    if (added == NULL)
        return SW_RESOURCE_EXHAUSTED;
    *added = (source){.next = socket != NULL ? loop->sockets : NULL,
                      .socket = socket,
                      .fd = fd,
                      .events = events,
                      .fn = fn,
                      .context = context};
    struct epoll_event event = {.events = epoll_events(added), .data.ptr = added};
    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        free(added);
        return errno == ENOMEM || errno == ENOSPC ? SW_RESOURCE_EXHAUSTED : SW_INVALID_ARGUMENT;
    }
    *(socket != NULL ? &loop->sockets : &loop->descriptors[fd]) = added;
    return SW_OK;
}

sw_code sw_loop_socket(sw_loop *loop, void *socket, short events, sw_loop_fn *fn, void *context)
{
    int fd = -1;
    size_t size = sizeof(fd);
    if (socket == NULL || zmq_getsockopt(socket, ZMQ_FD, &fd, &size) != 0)
        return SW_INVALID_ARGUMENT;
    return add(loop, socket, fd, events, fn, context);
}

sw_code sw_loop_fd(sw_loop *loop, int fd, short events, sw_loop_fn *fn, void *context)
{
    return add(loop, NULL, fd, events, fn, context);
}

void sw_loop_watch(sw_loop *loop, int fd, short events)
{
    const source *known = find(loop, NULL, fd);
    if (known != NULL)
        add(loop, NULL, fd, events, known->fn, known->context);
}

static void sweep_list(source **at)
{
    while (*at != NULL) {
        source *each = *at;
        if (each->dead) {
            *at = each->next;
            free(each);
        } else {
            at = &each->next;
        }
    }
}

static void sweep(sw_loop *loop)
{
    if (loop->depth > 0 || !loop->has_dead)
        return;
    loop->has_dead = false;
    sweep_list(&loop->sockets);
    free_sources(loop->dead);
    loop->dead = NULL;
}

static void discard(sw_loop *loop, source *gone)
{
    if (gone == NULL)
        return;
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, gone->fd, NULL);
    gone->dead = true;
    loop->has_dead = true;
    if (gone->socket == NULL) {
        loop->descriptors[gone->fd] = NULL;
        gone->next = loop->dead;
        loop->dead = gone;
    }
    sweep(loop);
}

void sw_loop_remove_socket(sw_loop *loop, void *socket)
{
    if (socket != NULL)
        discard(loop, find(loop, socket, -1));
}

void sw_loop_remove_fd(sw_loop *loop, int fd)
{
    discard(loop, find(loop, NULL, fd));
}

void sw_loop_drained(sw_loop *loop, void *socket, bool drained)
{
    source *known = find(loop, socket, -1);
    if (known == NULL)
        return;
    known->tells = true;
    known->drained = drained;
}

sw_timer *sw_loop_timer(sw_loop *loop, sw_timer_fn *fn, void *context)
{
    return sw_timers_add(&loop->timers, fn, context);
}

sw_code sw_loop_idle(sw_loop *loop, sw_timer_fn *fn, void *context)
{
    idler *grown = realloc(loop->idle, (loop->idle_count + 1) * sizeof(idler));
    if (grown == NULL)
        return SW_RESOURCE_EXHAUSTED;
    grown[loop->idle_count++] = (idler){fn, context};
    loop->idle = grown;
    return SW_OK;
}

void sw_loop_idle_remove(sw_loop *loop, sw_timer_fn *fn, void *context)
{
    for (size_t i = 0; i < loop->idle_count; i++)
        if (loop->idle[i].fn == fn && loop->idle[i].context == context) {
            memmove(&loop->idle[i], &loop->idle[i + 1], (--loop->idle_count - i) * sizeof(idler));
            return;
        }
}

/* The wanted events that a socket is ready for; -1 with errno if it is closed or its context
 * ended. */
static int socket_events(const source *from)
{
    int events = 0;
    size_t size = sizeof(events);
    if (zmq_getsockopt(from->socket, ZMQ_EVENTS, &events, &size) != 0)
        return -1;
    return events & from->events;
}

static sw_code fail_zmq(sw_error *error)
{
    return sw_fail(error, errno == ETERM ? SW_UNAVAILABLE : SW_INTERNAL, "poll loop: %s",
                   zmq_strerror(errno));
}

/* Asks every socket that may be ready. Returns how many are, or -1. */
static int check_sockets(sw_loop *loop)
{
    int count = 0;
    for (source *each = loop->sockets; each != NULL; each = each->next) {
        if (each->dead || (each->drained && each->events == ZMQ_POLLIN))
            continue;
        int events = socket_events(each);
        if (events < 0)
            return -1;
        each->ready = (short)events;
        each->drained = each->tells && events == 0;
        count += events != 0;
    }
    return count;
}

static void dispatch_fd(const source *from, uint32_t events)
{
    short ready = 0;
    /* A hang-up counts as readable: the read then reports what happened. */
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && from->events & ZMQ_POLLIN)
        ready = (short)(ready | ZMQ_POLLIN);
    if (events & (EPOLLOUT | EPOLLERR) && from->events & ZMQ_POLLOUT)
        ready = (short)(ready | ZMQ_POLLOUT);
    if (events & (EPOLLERR | EPOLLHUP))
        ready = (short)(ready | ZMQ_POLLERR);
    if (ready != 0)
        from->fn(from->context, ready);
}

static int wait_ms(const sw_loop *loop, int64_t timeout_ms, int ready)
{
    if (ready > 0 || timeout_ms == 0)
        return 0;
    int64_t wait = timeout_ms < 0 ? INT64_MAX : timeout_ms;
    int64_t next = sw_timers_next(&loop->timers);
    if (next != SW_NEVER) {
        int64_t left = next - sw_now_ms();
        wait = left <= 0 ? 0 : left < wait ? left : wait;
    }
    return wait == INT64_MAX ? -1 : wait > INT_MAX ? INT_MAX : (int)wait;
}

static sw_code do_round(sw_loop *loop, int64_t timeout_ms, sw_error *error)
{
    int ready = check_sockets(loop);
    if (ready < 0)
        return fail_zmq(error);
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(loop->epoll, events, EVENTS_MAX, wait_ms(loop, timeout_ms, ready));
    if (count < 0 && errno != EINTR)
        return sw_fail(error, SW_INTERNAL, "poll loop: epoll_wait: %s", strerror(errno));
    int woken = 0;
    for (int i = 0; i < count; i++) {
        source *from = events[i].data.ptr;
        if (from->dead)
            continue;
        if (from->socket == NULL) {
            dispatch_fd(from, events[i].events);
        } else if (from->ready == 0) {
            from->woken = true;
            woken++;
        }
    }
    /* New sources are added at the head of the list, so this walk does not see them; dead ones stay
     * linked. */
    for (source *each = ready + woken > 0 ? loop->sockets : NULL; each != NULL; each = each->next) {
        if (each->dead || (each->ready == 0 && !each->woken))
            continue;
        int now = each->ready;
        /* A socket that is only read is simply read: asking first would cost as much. */
        if (each->woken && each->events == ZMQ_POLLIN)
            now = ZMQ_POLLIN;
        else if (each->woken && (now = socket_events(each)) < 0)
            return fail_zmq(error);
        each->woken = each->drained = false;
        each->ready = 0;
        if (now != 0)
            each->fn(each->context, (short)now);
    }
    sw_timers_run(&loop->timers);
    for (size_t i = loop->idle_count; i-- > 0;)
        loop->idle[i].fn(loop->idle[i].context);
    return SW_OK;
}

sw_code sw_loop_once(sw_loop *loop, int64_t timeout_ms, sw_error *error)
{
    loop->depth++;
    sw_code code = do_round(loop, timeout_ms, error);
    loop->depth--;
    sweep(loop);
    return code;
}

sw_code sw_loop_run(sw_loop *loop, sw_error *error)
{
    sw_code code = SW_OK;
    while (!loop->stopped && code == SW_OK)
        code = sw_loop_once(loop, -1, error);
    loop->stopped = false;
    return code;
}

void sw_loop_stop(sw_loop *loop)
{
    loop->stopped = true;
}
