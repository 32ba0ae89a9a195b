/* Bytes of messages that ZeroMQ keeps for a peer until they are written to its connection: ZeroMQ itself bounds only
 * their number. Used by send.c for clients, which may be slow, or not read at all. */
#ifndef SW_BROKER_UNSENT_H
#define SW_BROKER_UNSENT_H

#include "wire/frame.h"

/* Shared with ZeroMQ's I/O thread, which counts down; it outlives its peer while messages do. */
typedef struct sw_unsent sw_unsent;

/* Counts a message that is sent next, if it is not too small to matter; *unsent is made with the first one. One of its
 * frames is replaced by one that tells when it is written. False when out of memory. */
bool sw_unsent_count(sw_unsent **unsent, sw_message *message);
/* What is not written yet; NULL: nothing. */
size_t sw_unsent_bytes(const sw_unsent *unsent);
void sw_unsent_release(sw_unsent **unsent);

#endif
