/* Who is behind a connection. Part of each peer (io/peer.h); auth.c decides what it may call. */
#ifndef SW_BROKER_CALLER_H
#define SW_BROKER_CALLER_H

#include "broker/auth/waiter.h"
#include "net/keyfile.h"

typedef struct sw_caller {
    sw_waiter waiter; /* while its handshake waits */
    /* What the handshake has shown. */
    bool is_network;       /* tcp; otherwise ipc */
    bool is_curve;         /* encrypted: `key` identifies the caller, whatever its uid */
    int64_t uid;           /* of its process; -1 on tcp */
    char key[SW_KEY_SIZE]; /* its public key; "" without CURVE */
    /* What auth.c makes of it. */
    int64_t met_us;                              /* when it came */
    sw_identity *identity;                       /* NULL: unknown */
    struct sw_caller *same_next, *same_previous; /* the other callers of that identity */
} sw_caller;

/* The caller has that identity until it is detached. */
void sw_caller_attach(sw_caller *caller, sw_identity *identity);
/* Does nothing for a caller without an identity. */
void sw_caller_detach(sw_caller *caller);

#endif
