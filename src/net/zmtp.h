/* A DEALER's connection that speaks ZMTP 3.1 (ZeroMQ RFC 37) with NULL or CURVE over a stream
 * socket of our own. libzmq works in a thread of its own; here the thread that waits for the
 * descriptor does the work, which saves two changes of thread for each message. Used by dealer.c,
 * which decides when libzmq is used. */
#ifndef SW_NET_ZMTP_H
#define SW_NET_ZMTP_H

#include "net/address.h"
#include "net/curve_client.h"
#include "net/zmtp_state.h"
#include "wire/frame.h"

typedef struct sw_zmtp sw_zmtp;

/* Begins to connect. message_max: bytes of the largest frame that is accepted. unsent_max: bytes
 * that may wait to be sent before sw_zmtp_send returns EAGAIN. NULL when out of memory or
 * descriptors. */
sw_zmtp *sw_zmtp_connect(const sw_address *address, size_t message_max, size_t unsent_max);
/* The same on a connected socket, which now belongs to the connection, also on failure. */
sw_zmtp *sw_zmtp_adopt(int fd, size_t message_max, size_t unsent_max);
/* Before any work: uses CURVE with these keys. False when out of memory. */
bool sw_zmtp_encrypt(sw_zmtp *zmtp, const sw_curve_keys *keys);
/* Waits up to linger_ms for unsent bytes. Does nothing for NULL. */
void sw_zmtp_close(sw_zmtp **zmtp, int linger_ms);

/* The descriptor, and the events to wait for: POLLIN, and POLLOUT while something waits to be
 * sent. */
int sw_zmtp_fd(const sw_zmtp *zmtp);
short sw_zmtp_wants(const sw_zmtp *zmtp);
/* The descriptor is ready, or may be: continues the handshake, sends what waits, and lets the next
 * sw_zmtp_recv read. */
sw_zmtp_state sw_zmtp_work(sw_zmtp *zmtp);
/* The state, without any work. */
sw_zmtp_state sw_zmtp_now(const sw_zmtp *zmtp);
/* Why the connection is unreachable or lost; 0: the peer ended it. */
int sw_zmtp_errno(const sw_zmtp *zmtp);
/* Counts signs of life: the peer accepted the connection, sent something, or read something that
 * waited to be sent. After a long silence, sw_zmtp_ping asks for one. */
uint64_t sw_zmtp_heard(const sw_zmtp *zmtp);
void sw_zmtp_ping(sw_zmtp *zmtp);

/* As sw_message_recv and sw_message_send. After EAGAIN from sw_zmtp_recv, the descriptor reports
 * when there is more; it reads the socket once after each sw_zmtp_work, so the number of messages
 * until EAGAIN is bounded. A message to a peer that is gone is lost, which the state then shows. */
int sw_zmtp_recv(sw_zmtp *zmtp, sw_message *message);
int sw_zmtp_send(sw_zmtp *zmtp, sw_message *message);

#endif
