/* What a client sends: calls, CANCEL and CREDIT, in compact framing or in MDP/0.2
 * (docs/protocol.md, sections 1, 2 and 6). Small calls that leave together share a frame. Used
 * by client.c, call.c, receive.c and outcome.c. Not thread-safe. */
#ifndef SW_CLIENT_SEND_H
#define SW_CLIENT_SEND_H

#include "c/link.h"
#include "c/pending.h"
#include "wire/batch.h"

typedef struct sw_sender {
    sw_link *link;
    sw_pending_calls *calls;
    bool compact;    /* the broker said that it speaks compact framing */
    sw_batch batch;  /* calls that leave at the end of the flush */
    zmq_msg_t frame; /* if frame_waits: a full batch that the connection had no room for */
    bool frame_waits;
} sw_sender;

/* The connection is gone: drops what was not sent, and assumes MDP/0.2 for the next one. */
void sw_sender_reset(sw_sender *sender);
/* Asks a broker that was just connected to whether it speaks compact framing. */
void sw_sender_ask_framing(sw_sender *sender);
/* Sends the waiting calls, if the link is up. */
void sw_sender_flush(sw_sender *sender, int64_t now_us);
/* For a call that was sent. Without room or memory nothing is sent: the deadline ends the call. */
void sw_sender_cancel(sw_sender *sender, const sw_pending_call *call);
void sw_sender_credit(sw_sender *sender, const sw_pending_call *call, uint32_t messages);

#endif
