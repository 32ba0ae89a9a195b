/* The ZAP handler (ZeroMQ RFC 27): libzmq asks it whether a connection may come in, after a
 * CURVE handshake has proved that the peer holds its key. At the backend only the keys of
 * --service-keys come in. At the frontend the handshake waits for the user service's verdict and
 * is then accepted in any case: a refused caller's calls are answered with the reason, which a
 * handshake cannot carry. Subscribers, which cannot be answered, are refused here. Used by
 * auth.c. */
#ifndef SW_BROKER_ZAP_H
#define SW_BROKER_ZAP_H

#include "broker/auth/local_users.h"
#include "broker/auth/refusals.h"
#include "cert/cert_store.h"
#include "net/loop.h"

/* ZAP domains: which kind of socket a handshake is for. */
#define SW_ZAP_BACKEND  "backend"
#define SW_ZAP_FRONTEND "frontend"
#define SW_ZAP_EVENTS   "events"
#define SW_ZAP_PUBLISH  "publish"

typedef struct sw_zap {
    sw_loop *loop;
    sw_identities *identities;
    sw_refusals *refusals;
    const sw_local_users *local_users;
    sw_cert_store *services; /* the keys that may serve; NULL: none */
    void *socket;            /* NULL: not open */
    /* something was sent since the socket was last read to its end, which may hide its signal */
    bool unread;
} sw_zap;

/* The caller has filled in everything but `socket`. `context` is ZeroMQ's. */
sw_code sw_zap_open(sw_zap *zap, void *context, sw_error *error);
/* After all other sockets: without a handler libzmq accepts everybody. */
void sw_zap_close(sw_zap *zap);
/* Once per round: reads what sending may have hidden. */
void sw_zap_idle(sw_zap *zap);
/* Ends the handshakes that wait for the verdict on an identity. */
void sw_zap_release(sw_zap *zap, sw_identity *identity, int64_t now_us);

#endif
