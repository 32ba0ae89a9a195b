/* What a client receives: replies in compact framing or in MDP/0.2, and the broker's answer
 * about framing. Used by client.c. */
#ifndef SW_CLIENT_RECEIVE_H
#define SW_CLIENT_RECEIVE_H

#include "c/client.h"

/* Reads up to `limit` messages and delivers the replies. Returns how many it read; fewer than
 * `limit` means that no more are there. Drops what cannot be understood, and replies to calls
 * that are over. */
int sw_client_receive(sw_client *client, int limit);

#endif
