/* Endpoints of ZeroMQ as addresses of sockets. Used by dealer.c and zmtp.c. */
#ifndef SW_WIRE_ADDRESS_H
#define SW_WIRE_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

typedef struct sw_address {
    struct sockaddr_storage storage;
    socklen_t size;
} sw_address;

/* ipc://PATH (ipc://@NAME: abstract), or tcp:// with a number for a host. False for what is neither: nonsense, or a name
 * that somebody has to be asked for. */
bool sw_address_parse(const char *endpoint, sw_address *address);

#endif
