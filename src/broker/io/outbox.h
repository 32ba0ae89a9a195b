/* Messages on their way to peers. Small messages are collected and leave together at the end of
 * a round; a peer that cannot be sent to is put on a list, so that the caller deals with it at a
 * safe moment. Used by send.c and carry_out.c. */
#ifndef SW_BROKER_OUTBOX_H
#define SW_BROKER_OUTBOX_H

#include "broker/io/peer.h"

typedef struct sw_outbox {
    sw_peer *waiting;         /* peers with a batch to be sent */
    sw_peer *broken;          /* peers that could not be sent to */
    uint64_t clients_cut_off; /* for Stats */
} sw_outbox;

/* Sends a message after what was collected for the peer. Consumes it in any case. Pass built =
 * false if it could not be completed. False if it was not sent: the peer is broken then, and cut
 * off if it does not read. */
bool sw_outbox_send(sw_outbox *outbox, sw_peer *peer, sw_message *out, bool built);
/* Room for a small compact message of `size` bytes, which the caller fills in before
 * sw_outbox_added. NULL: it must be sent by itself. */
uint8_t *sw_outbox_room(sw_peer *peer, size_t size);
void sw_outbox_added(sw_outbox *outbox, sw_peer *peer);
/* Sends what was collected for all peers. */
void sw_outbox_flush(sw_outbox *outbox);
/* Takes a peer off the list of the broken; NULL if there is none. */
sw_peer *sw_outbox_next_broken(sw_outbox *outbox);

#endif
