/* Descriptors in an epoll set, see watched.h. */
#include "c/probe/watched.h"

#include <sys/epoll.h>

void sw_watched_init(sw_watched *watched)
{
    *watched = (sw_watched){.epoll = -1, .items = {{.fd = -1}, {.fd = -1}}};
}

void sw_watched_update(sw_watched *watched, const sw_dealer *dealer)
{
    struct pollfd wanted[2] = {{.fd = -1}, {.fd = -1}};
    if (watched->epoll < 0)
        return;
    if (dealer != NULL)
        sw_dealer_poll(dealer, wanted);
    for (int i = 0; i < 2; i++) {
        struct pollfd *now = &watched->items[i], *next = &wanted[i];
        struct epoll_event event = {.events = (next->events & POLLIN ? EPOLLIN : 0U) |
                                              (next->events & POLLOUT ? EPOLLOUT : 0U)};
        bool same = now->fd == next->fd;
        if (now->fd >= 0 && !same)
            epoll_ctl(watched->epoll, EPOLL_CTL_DEL, now->fd, &event);
        if (!same)
            now->fd = -1;
        if (next->fd >= 0 && (!same || now->events != next->events) &&
            epoll_ctl(watched->epoll, same ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, next->fd, &event) != 0)
            continue; /* the next update tries again */
        *now = *next;
    }
}
