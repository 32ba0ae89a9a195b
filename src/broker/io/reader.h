/* What frontend.c and backend.c share: which peer a message is from, and what to do with
 * malformed ones. */
#ifndef SW_BROKER_READER_H
#define SW_BROKER_READER_H

#include "broker/io/state.h"

#define SW_READ_BATCH 1024 /* messages that a side reads in a round */

/* Receives the next message of a side, which the caller then owns. False if there is none. NULL
 * when out of memory: the message is still there, and is read in a later round. */
bool sw_reader_next(sw_broker *broker, sw_side *side, sw_received **received);
/* The peer that sent a message of at least two frames; NULL when out of memory or if it is cut
 * off. Peers that it displaces are lost. */
sw_peer *sw_reader_peer(sw_broker *broker, sw_side *side, sw_message *message);
/* Counts a malformed message, and logs the first one of each peer. */
void sw_reader_malformed(sw_broker *broker, sw_peer *peer, const char *why);

#endif
