/* One connection of a DEALER to one endpoint, from the first attempt to the loss. A lost peer's
 * successor gets a new dealer, so that it never receives what was meant for the one before. Used by
 * the worker and the client.
 *
 * On ipc, and on tcp without encryption, zmtp.h speaks the protocol in the caller's thread, which
 * takes about half the time of libzmq for a message. CURVE on tcp, and host names, which must be
 * resolved, are left to libzmq and its thread. Callers need not know which it is, except for what
 * sw_dealer_is_driven says. One thread. */
#ifndef SW_NET_DEALER_H
#define SW_NET_DEALER_H

#include "net/keyfile.h"
#include "net/loop.h"
#include "net/zmtp_state.h"
#include "wire/frame.h"
#include <poll.h>

typedef struct sw_dealer sw_dealer;

typedef struct sw_dealer_options {
    void *context;            /* of libzmq */
    const sw_key_file *key;   /* NULL: it is not encrypted */
    sw_server_choice *server; /* NULL: the first broker key of `key` */
    size_t message_max;       /* bytes of a received frame */
    size_t unsent_max;        /* bytes that may wait to be sent; libzmq counts messages: */
    int send_max, receive_max;
    int connect_ms;               /* for libzmq: for the peer's machine to answer; 0: the system's */
    int heartbeat_ms, silence_ms; /* for libzmq's own heartbeats, 0: none */
    bool ipv6_names;              /* host names may stand for IPv6 addresses */
} sw_dealer_options;

/* Begins to connect. NULL with an errno (zmq_strerror): EINVAL and the like for a malformed
 * endpoint. */
sw_dealer *sw_dealer_open(const char *endpoint, const sw_dealer_options *options);
/* Waits up to linger_ms for unsent messages; libzmq waits in the background. Does nothing for
 * NULL. */
void sw_dealer_close(sw_dealer **dealer, int linger_ms);

/* Watches the dealer in a loop, which calls fn; `writable`: also when sw_dealer_send may accept
 * something again. Call it again after sending and after sw_dealer_work, which may change what
 * there is to watch. */
sw_code sw_dealer_watch(sw_dealer *dealer, sw_loop *loop, bool writable, sw_loop_fn *fn, void *context);
void sw_dealer_unwatch(sw_dealer *dealer, sw_loop *loop);
/* Or the descriptors for a poll of the caller's own, edge-triggered (sw_socket_fd); the second may
 * be -1. */
void sw_dealer_poll(const sw_dealer *dealer, struct pollfd items[2]);

/* A descriptor is ready, or may be. Call this before the three functions below. */
void sw_dealer_work(sw_dealer *dealer);
/* What has happened: SW_ZMTP_UP once, later one of the states behind it once; SW_ZMTP_CONNECTING if
 * there is nothing new. *error: the errno that came with it, or 0. */
sw_zmtp_state sw_dealer_event(sw_dealer *dealer, int *error);
/* As sw_message_recv and sw_message_send. A driven dealer returns a bounded number of messages
 * after each sw_dealer_work, any other may have more without end. */
int sw_dealer_recv(sw_dealer *dealer, sw_message *message);
int sw_dealer_send(sw_dealer *dealer, sw_message *message);

/* True: the connection advances only within the functions above, in the caller's thread. The caller
 * then calls sw_dealer_work in time, pings a silent peer, and may ask for events at no cost. False:
 * libzmq's thread does all that; asking for events costs a system call, and sending may swallow the
 * edge that announces a message. */
bool sw_dealer_is_driven(const sw_dealer *dealer);
/* Of a driven dealer: counts signs of life of the peer; 0 for any other. */
uint64_t sw_dealer_heard(const sw_dealer *dealer);
/* Asks the peer of a driven dealer for a sign of life; does nothing for any other. */
void sw_dealer_ping(sw_dealer *dealer);

#endif
