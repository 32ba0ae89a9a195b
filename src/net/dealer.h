/* One connection of a DEALER to one endpoint, from the first attempt to the loss: nothing that is meant for a peer that
 * died reaches its successor, which gets a new dealer. Used by the rpc runtime and the client.
 * What is not encrypted goes over zmtp.h, which costs about half of the time that libzmq takes for a message; CURVE, and host
 * names, which have to be asked for, are libzmq's. */
#ifndef SW_WIRE_DEALER_H
#define SW_WIRE_DEALER_H

#include "net/keyfile.h"
#include "net/loop.h"
#include "net/zmtp.h"
#include <poll.h>

typedef struct sw_dealer {
    sw_zmtp *zmtp;          /* either this */
    void *socket, *monitor; /* or these */
    int fd, monitor_fd;     /* of libzmq's sockets */
    short watched;          /* what a loop waits for */
    bool up, told;          /* what sw_dealer_event has said: that it is up; that it is over */
} sw_dealer;

typedef struct sw_dealer_options {
    void *context;          /* of libzmq */
    const sw_key_file *key; /* for tcp; NULL: it is not encrypted */
    size_t message_max;     /* bytes of a frame that comes in */
    size_t unsent_max;      /* bytes that may wait to leave; libzmq counts messages: */
    int send_max, receive_max;
    int heartbeat_ms, silence_ms; /* libzmq's own, 0: none. Where there is no libzmq, the user pings */
    bool ipv6_names;
} sw_dealer_options;

/* Begins to connect. NULL with an errno (zmq_strerror): EINVAL and the like for an endpoint that means nothing. */
sw_dealer *sw_dealer_open(const char *endpoint, const sw_dealer_options *options);
/* Waits up to linger_ms for what has not left, libzmq's in the background. NULL is nothing to do. */
void sw_dealer_close(sw_dealer **dealer, int linger_ms);

/* Either in a loop of ours, which calls fn; `writable`: also when sw_dealer_send may take something again. To be called
 * again after what may have changed it: sending, and sw_dealer_work. */
sw_code sw_dealer_watch(sw_dealer *dealer, sw_loop *loop, bool writable, sw_loop_fn *fn, void *context);
void sw_dealer_unwatch(sw_dealer *dealer, sw_loop *loop);
/* Or by its descriptors, which tell of a change once (sw_socket_fd); the second is that of the monitor, or -1. */
void sw_dealer_poll(const sw_dealer *dealer, struct pollfd items[2]);

/* A descriptor is ready, or may be: to be called before the other three. */
void sw_dealer_work(sw_dealer *dealer);
/* What has happened: SW_ZMTP_UP once, then one of those behind it once; SW_ZMTP_CONNECTING if there is nothing new. *error: the
 * errno that came with it, or 0. */
sw_zmtp_state sw_dealer_event(sw_dealer *dealer, int *error);
/* As sw_message_recv and sw_message_send. Of libzmq there may be more without end. */
int sw_dealer_recv(sw_dealer *dealer, sw_message *message);
int sw_dealer_send(sw_dealer *dealer, sw_message *message);

#endif
