/* Shares of the descriptors (limits.h). */
#include "listen/limits.h"

#define OWN            64     /* descriptors that are no connections: log, loop, listening sockets */
#define LEAST          16     /* connections of a share, however few descriptors there are */
#define MOST           200000 /* connections of a share, however many there are */
#define HANDSHAKES_MAX 4096

static uint32_t within(uint64_t value, uint32_t least, uint32_t most)
{
    return value < least ? least : value > most ? most : (uint32_t)value;
}

void sw_listen_limits_derive(sw_listen_limits *limits, uint64_t descriptors, uint32_t key, uint32_t address)
{
    uint64_t rest = descriptors > OWN ? descriptors - OWN : 0;
    uint32_t network = within(rest - rest / 10 - rest * 3 / 10, LEAST, MOST);
    *limits = (sw_listen_limits){
        .shares = {within(rest / 10, LEAST, MOST), within(rest * 3 / 10, LEAST, MOST), network},
        .handshakes = within(network / 4, LEAST, HANDSHAKES_MAX),
        .key_connections = key,
        .address_connections = within(address, 1, network / 2),
    };
}
