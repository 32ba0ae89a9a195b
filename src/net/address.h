/* ZeroMQ endpoints as socket addresses. Used by dealer.c and zmtp.c. */
#ifndef SW_NET_ADDRESS_H
#define SW_NET_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

typedef struct sw_address {
    struct sockaddr_storage storage;
    socklen_t size;
} sw_address;

/* ipc://PATH (ipc://@NAME: abstract), or tcp://HOST:PORT with a numeric host. False for anything
 * else, also for a host name, which would have to be resolved. */
bool sw_address_parse(const char *endpoint, sw_address *address);

#endif
