/* Counts the bytes of messages that ZeroMQ keeps for a peer until they are written to its
 * connection, because ZeroMQ itself bounds only their number. Used by outbox.c for clients, which
 * may read slowly or not at all. */
#ifndef SW_BROKER_UNSENT_H
#define SW_BROKER_UNSENT_H

#include "wire/frame.h"

/* Shared with ZeroMQ's I/O thread, which counts down. It lives as long as the peer or any of its
 * messages. */
typedef struct sw_unsent sw_unsent;

/* Counts a message that is about to be sent, unless it is too small to matter. Makes *unsent for
 * the first one. Wraps one of the frames, so that ZeroMQ reports when it has been written. False
 * when out of memory. */
bool sw_unsent_count(sw_unsent **unsent, sw_message *message);
/* Bytes that are not written yet; 0 for NULL. */
size_t sw_unsent_bytes(const sw_unsent *unsent);
/* Nulls the pointer; accepts NULL. */
void sw_unsent_release(sw_unsent **unsent);

#endif
