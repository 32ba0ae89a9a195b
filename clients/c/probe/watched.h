/* The descriptors of a connection in an epoll set. Used by the link and the probe. Not
 * thread-safe. */
#ifndef SW_CLIENT_WATCHED_H
#define SW_CLIENT_WATCHED_H

#include "net/dealer.h"

typedef struct sw_watched {
    int epoll;              /* the set, or -1 */
    struct pollfd items[2]; /* what it watches; -1: nothing */
} sw_watched;

void sw_watched_init(sw_watched *watched);
/* The set follows what the connection waits for; NULL: there is none, and its descriptors will be
 * closed next. To be called after the connection was used. */
void sw_watched_update(sw_watched *watched, const sw_dealer *dealer);

#endif
