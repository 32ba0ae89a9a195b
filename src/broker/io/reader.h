/* What frontend.c and backend.c share: the next message of a peer, and what to do with malformed
 * ones. */
#ifndef SW_BROKER_READER_H
#define SW_BROKER_READER_H

#include "broker/io/state.h"

/* The next message of a peer; NULL if there is none, or it is cut off. The caller owns it. */
sw_received *sw_reader_next(sw_broker *broker, sw_peer *peer);
/* Counts a malformed message, and logs the first one of each peer. */
void sw_reader_malformed(sw_broker *broker, sw_peer *peer, const char *why);

#endif
