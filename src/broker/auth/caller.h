/* Who is behind a connection. Part of each peer (io/peer.h); auth.c decides what it may call. */
#ifndef SW_BROKER_CALLER_H
#define SW_BROKER_CALLER_H

#include "broker/auth/identity.h"
#include "net/keyfile.h"

typedef struct sw_caller {
    /* What libzmq vouches for. */
    bool is_network;       /* tcp; otherwise ipc */
    bool is_curve;         /* encrypted: `key` identifies the caller */
    int64_t uid;           /* of its process; -1 on tcp */
    char key[SW_KEY_SIZE]; /* its public key; "" without CURVE */
    /* What auth.c makes of it. */
    bool met; /* sw_auth_meet was called, and had the memory to find out who it is */
    int64_t met_us;
    sw_identity *identity;                       /* NULL: unknown */
    struct sw_caller *same_next, *same_previous; /* the other callers of that identity */
} sw_caller;

/* The caller has that identity until it is detached. */
void sw_caller_attach(sw_caller *caller, sw_identity *identity);
/* Does nothing for a caller without an identity. */
void sw_caller_detach(sw_caller *caller);

#endif
