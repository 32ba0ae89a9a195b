/* Sockets that listen, spoken to by ZMTP 3 (ZeroMQ RFC 37) with NULL or CURVE, in the caller's
 * thread and loop. It stands where libzmq's ROUTER, XPUB and XSUB stood, and bounds what a peer may
 * cost before it is known: a few hundred bytes, a time, and a place among the unfinished
 * handshakes. Used by the broker. One thread.
 *
 * A handshake ends with a question to the owner: who is this, may it come in? The owner may answer
 * later. A refusal is said in the handshake: CURVE's and NULL's ERROR with 400, which libzmq
 * reports as ZMQ_EVENT_HANDSHAKE_FAILED_AUTH. "Try again" is an ERROR with 300 for peers that ask
 * for it (metadata.h), and a hang-up for others: libzmq connects again only after that. */
#ifndef SW_LISTEN_LISTENER_H
#define SW_LISTEN_LISTENER_H

#include "listen/inbound.h"
#include "listen/limits.h"
#include "listen/network.h"
#include "net/loop.h"

typedef struct sw_listeners sw_listeners;

typedef struct sw_listeners_options {
    int64_t handshake_ms;
    size_t connection_bytes; /* half read and unsent, of all connections of a key or uid to a side */
    uint64_t secret;         /* seeds hashes */
    sw_listen_limits limits;
    sw_networks trusted; /* addresses without a bound of their own: balancers, gateways */
} sw_listeners_options;

/* All listeners of a thread. NULL when out of memory. */
sw_listeners *sw_listeners_new(sw_loop *loop, const sw_listeners_options *options);
/* Waits up to linger_ms until what is unsent has been written. Owners hear of each
 * loss. Accepts NULL. */
void sw_listeners_destroy(sw_listeners **all, int linger_ms);

/* Connections that are not freed yet. */
uint32_t sw_listeners_count(const sw_listeners *all);

/* A listener without an endpoint yet. Options and owner are copied; the key is borrowed. It is
 * destroyed with `all`. NULL when out of memory. */
sw_listener *sw_listener_new(sw_listeners *all, const sw_listener_options *options,
                             const sw_listener_owner *owner);
/* Calls fn for each connection whose handshake is done. It may end the connection. */
void sw_listener_each(sw_listener *listener, void (*fn)(void *context, sw_inbound *session), void *context);
/* Listens at an endpoint; as sw_listen_at. */
sw_code sw_listener_bind(sw_listener *listener, const char *endpoint, bool is_guarded,
                         char bound[SW_ENDPOINT_SIZE], sw_error *error);
/* Takes a connected socket as if it had been accepted; closes it if there is no room. */
void sw_listener_adopt(sw_listener *listener, int fd);

/* The owner's answer to a question that waits. Does nothing if the connection has ended. */
void sw_listener_decide(sw_inbound *session, sw_admission admission);

/* Writes what was sent since the last call. Once per round, after everything else was done. */
void sw_listeners_flush(sw_listeners *all);
/* Frees connections that have ended and tells their owners. Not from an owner's function. */
void sw_listeners_reap(sw_listeners *all);

#endif
