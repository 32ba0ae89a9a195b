/* How many connections of each kind a process takes, from the number of descriptors that the system
 * allows it. Each share has its own part, so that strangers on tcp cannot lock out administrators
 * on ipc, or services. Pure. Used by the broker. */
#ifndef SW_LISTEN_LIMITS_H
#define SW_LISTEN_LIMITS_H

#include <stdint.h>

typedef enum {
    SW_SHARE_SERVICES, /* workers and publishers */
    SW_SHARE_LOCAL,    /* clients and subscribers on ipc */
    SW_SHARE_NETWORK,  /* clients and subscribers on tcp */
    SW_SHARES
} sw_share;

typedef struct sw_listen_limits {
    uint32_t shares[SW_SHARES]; /* connections of each share */
    uint32_t handshakes;        /* unfinished ones of each share */
    uint32_t key_connections;   /* of one key */
    uint32_t address_connections;
} sw_listen_limits;

/* `key` and `address` are the options; an address gets at most half of its share. */
void sw_listen_limits_derive(sw_listen_limits *limits, uint64_t descriptors, uint32_t key, uint32_t address);

#endif
