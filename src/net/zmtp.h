/* A DEALER's connection that speaks ZMTP 3.1 (ZeroMQ RFC 37), mechanism NULL, over a stream socket of our own: what libzmq
 * does in a thread of its own is done here by who waits for the descriptor anyway, which saves both the changes
 * of thread that each message costs. Used by dealer.c, where it is told when libzmq is used instead. */
#ifndef SW_WIRE_ZMTP_H
#define SW_WIRE_ZMTP_H

#include "net/address.h"
#include "wire/frame.h"

typedef struct sw_zmtp sw_zmtp;

typedef enum {
    SW_ZMTP_CONNECTING, /* or in the handshake */
    SW_ZMTP_UP,
    SW_ZMTP_LOST,        /* it was up */
    SW_ZMTP_UNREACHABLE, /* nobody accepts connections there; sw_zmtp_errno says why */
    SW_ZMTP_HUNG_UP,     /* the peer ended the connection in the handshake */
    SW_ZMTP_MISMATCH,    /* the peer demands another mechanism, CURVE for instance */
    SW_ZMTP_REFUSED,     /* the peer answered with ERROR */
    SW_ZMTP_STRANGER     /* the peer speaks something else, or is of a type that a DEALER does not talk to */
} sw_zmtp_state;

/* Begins to connect. message_max: bytes of the largest frame that is taken. unsent_max: bytes that may wait to leave
 * before sw_zmtp_send says EAGAIN. NULL when out of memory or descriptors. */
sw_zmtp *sw_zmtp_connect(const sw_address *address, size_t message_max, size_t unsent_max);
/* The same on a socket that is connected; it is closed with the connection. */
sw_zmtp *sw_zmtp_adopt(int fd, size_t message_max, size_t unsent_max);
/* Waits up to linger_ms for what has not left. NULL is nothing to do. */
void sw_zmtp_close(sw_zmtp **zmtp, int linger_ms);

/* The descriptor, and what of it to wait for: POLLIN, and POLLOUT while something waits to leave. */
int sw_zmtp_fd(const sw_zmtp *zmtp);
short sw_zmtp_wants(const sw_zmtp *zmtp);
/* The descriptor is ready, or may be: goes on with the handshake and with what waits to leave, and lets the
 * next sw_zmtp_recv read. */
sw_zmtp_state sw_zmtp_work(sw_zmtp *zmtp);
/* Where it stands, at no cost. */
sw_zmtp_state sw_zmtp_now(const sw_zmtp *zmtp);
int sw_zmtp_errno(const sw_zmtp *zmtp);
/* Counts signs of life: it accepted, something was read, something that waited to leave did. Who sees none for long asks with a
 * ping. */
uint64_t sw_zmtp_heard(const sw_zmtp *zmtp);
void sw_zmtp_ping(sw_zmtp *zmtp);

/* As sw_message_recv and sw_message_send. EAGAIN of the first: the descriptor tells when there is more; it reads once
 * after each sw_zmtp_work, so what it hands over until then is bounded. What is sent to a peer that is gone is lost, and the
 * state says so. */
int sw_zmtp_recv(sw_zmtp *zmtp, sw_message *message);
int sw_zmtp_send(sw_zmtp *zmtp, sw_message *message);

#endif
